"""A page of `find_runs`: from `find` or, where `find` is closed, from a search with the same meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import MISSING

from runs_mcp.api import NotFoundError, PermissionDeniedError, Run, RunsClient
from runs_mcp.api.search_fallback import search_for, select_fields
from runs_mcp.server.runs.pages import Pages


class ClosedFindError(Exception):
    """`find` is closed to the credential, and no search means the same as the filter."""

    def __init__(self, status: int | None) -> None:
        super().__init__(
            f"The API closes `find` to the server's credential ({status}), and no search means the same as this query. "
            "A search compares status, interaction, environment and modelId with one value each, requires tags, and "
            "limits created_at by $gte and $lt: use only these, or search_runs."
        )


@dataclass(frozen=True, slots=True)
class FoundPage:
    """The first runs that match a MongoDB filter."""

    runs: Sequence[Run]
    further: bool
    """True if more runs are known to match. False does not mean the end of what `find` returns."""
    search: Mapping[str, Any] | None = None
    """The filters of the search that replaced `find`; None if `find` answered."""


async def fetch_found(
    runs: RunsClient, pages: Pages, query: Mapping[str, Any], *, limit: int, select: Sequence[str] | MISSING
) -> FoundPage:
    """Return at most `limit` runs that match `query`; `pages` are those of searches.

    Raises:
        ClosedFindError: `find` is closed, and no search means the same.
        RunsApiError: the API failed.
    """
    try:
        found = await runs.find_runs(query, limit=limit + 1, select=select, fallback=False)
    except (PermissionDeniedError, NotFoundError) as error:
        search = search_for(query)
        if search is None:
            raise ClosedFindError(error.status) from error
        return await _fetch_searched(runs, pages, search, limit=limit, select=select)
    return FoundPage(found[:limit], further=len(found) > limit)


async def _fetch_searched(
    runs: RunsClient, pages: Pages, search: Mapping[str, Any], *, limit: int, select: Sequence[str] | MISSING
) -> FoundPage:
    selection: dict[str, Any] = {"select": select} if runs.edition.search_options else {}
    page = await pages.fetch(partial(runs.search_runs, **search, **selection), limit=limit, offset=0)
    rows = [Run(select_fields(run.raw, select)) for run in page.runs]
    return FoundPage(rows, further=page.more, search=search)
