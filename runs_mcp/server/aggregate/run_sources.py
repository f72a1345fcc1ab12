"""Sources of runs for a scan: `find` and `search`, each asked for the runs created in one time slice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic import MISSING

from runs_mcp.api import FindClosedError, Run, RunsClient
from runs_mcp.api.payloads import format_timestamp
from runs_mcp.server.aggregate.filter_translation import Filters, joined, mongo_filter
from runs_mcp.server.aggregate.time_slices import TimeSlice

PAGE = 1_000
"""Runs per page. The API may give fewer."""
SMALLEST_CAP = 10
"""No API caps its pages below this: a shorter page holds all there is."""
Source = Callable[[TimeSlice], Awaitable[list[Run]]]
"""Returns a page of the runs created in a slice, all of them if they fit a page."""
Narrow = Callable[[Sequence[Run]], Awaitable[Sequence[Run]]]
"""Returns those of the runs of a page that match a further condition."""


def sources_of(
    runs: RunsClient, filters: Filters, where: Mapping[str, Any], select: Sequence[str]
) -> tuple[Source, Narrow | None]:
    """Return the source that sends the least, only the fields in `select` if the edition can, and what narrows it.

    A search finds words, and `find` evaluates `where`. Where both are needed, `find` narrows the pages of the search.
    """
    query = mongo_filter(filters)
    if where and query is None:
        return searched(runs, filters, ["id", "created_at"]), narrowed(runs, where, select)
    if where:
        return found(runs, joined(query or {}, where), select), None
    if query is None or runs.edition.search_options:
        return searched(runs, filters, select), None
    return _first_permitted(found(runs, query, select), searched(runs, filters, select)), None


def found(runs: RunsClient, query: Mapping[str, Any], select: Sequence[str]) -> Source:
    """Return a source of the runs that a MongoDB filter selects. It raises `FindClosedError` where `find` is closed."""

    async def page(span: TimeSlice) -> list[Run]:
        bounds = {"$gte": span.start, "$lt": span.end}
        created = {operator: format_timestamp(moment) for operator, moment in bounds.items() if moment}
        within = {"created_at": created} if created else {}
        return await runs.find_runs(joined(query, within), limit=PAGE, select=select, fallback=False)

    return page


def narrowed(runs: RunsClient, where: Mapping[str, Any], select: Sequence[str]) -> Narrow:
    """Return a function that asks `find` which runs of a page match `where`, and for their fields in `select`."""

    async def narrow(page: Sequence[Run]) -> Sequence[Run]:
        waiting, matching = {run.id for run in page}, list[Run]()
        while waiting:
            of_page = joined(where, {"_id": {"$in": sorted(waiting)}})
            answer = await runs.find_runs(of_page, limit=len(waiting), select=select, fallback=False)
            fresh = [run for run in answer if run.id in waiting]
            matching += fresh
            waiting -= {run.id for run in fresh}
            # A longer answer may have been capped by the API, so the rest is asked for again.
            if len(fresh) < SMALLEST_CAP:
                break
        return matching

    return narrow


def searched(runs: RunsClient, filters: Filters, select: Sequence[str]) -> Source:
    """Return a source of the runs that a search selects."""
    selection: dict[str, Any] = {"select": select} if runs.edition.search_options else {}

    async def page(span: TimeSlice) -> list[Run]:
        bounds: dict[str, Any] = {"start": span.start or MISSING, "end": span.end or MISSING}
        return await runs.search_runs(limit=PAGE, **selection, **filters, **bounds)

    return page


def _first_permitted(first: Source, second: Source) -> Source:
    """Return a source that asks `second` once `first` has turned out to be closed to the credential."""
    chosen = [first]

    async def page(span: TimeSlice) -> list[Run]:
        try:
            return await chosen[0](span)
        except FindClosedError:
            chosen[0] = second
            return await second(span)

    return page
