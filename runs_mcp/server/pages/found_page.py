"""A page of `find_runs`: from `find` or, where `find` is closed, from a search with the same meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import MISSING

from runs_mcp.api import FindClosedError, Run, RunsClient
from runs_mcp.api.search_fallback import select_fields
from runs_mcp.server.pages.page import Pages


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
        FindClosedError: `find` is closed, and no search means the same.
        RunsApiError: the API failed.
    """
    try:
        found = await runs.find_runs(query, limit=limit + 1, select=select, fallback=False)
    except FindClosedError as error:
        if error.search is None:
            raise
        return await _fetch_searched(runs, pages, error.search, limit=limit, select=select)
    return FoundPage(found[:limit], further=len(found) > limit)


async def _fetch_searched(
    runs: RunsClient, pages: Pages, search: Mapping[str, Any], *, limit: int, select: Sequence[str] | MISSING
) -> FoundPage:
    selection: dict[str, Any] = {"select": select} if runs.edition.search_options else {}
    page = await pages.fetch(partial(runs.search_runs, **search, **selection), limit=limit, offset=0)
    rows = [Run(select_fields(run.raw, select)) for run in page.runs]
    return FoundPage(rows, further=page.more, search=search)
