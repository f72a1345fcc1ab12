"""Sources of runs for a scan: `find` and `search`, each asked for the runs created in one time slice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic import MISSING

from runs_mcp.api import REFUSALS, InvalidArgumentError, Run, RunsClient
from runs_mcp.api.payloads import format_timestamp
from runs_mcp.server.aggregate.time_slices import TimeSlice

PAGE = 1_000
"""Runs per page. The API may give fewer."""
FIND_FIELDS = {"status": "status", "interaction": "interaction", "environment": "environment", "model": "modelId"}
"""Filters of a search, and the fields of a MongoDB filter that mean the same."""
Filters = Mapping[str, Any]
Source = Callable[[TimeSlice], Awaitable[list[Run]]]
"""Returns a page of the runs created in a slice, all of them if they fit a page."""


def source_of(runs: RunsClient, filters: Filters, where: Mapping[str, Any] | None, select: Sequence[str]) -> Source:
    """Return the source that sends the least: only the fields in `select`, if the edition can.

    Raises:
        InvalidArgumentError: `where` is combined with a filter that only a search can evaluate.
    """
    query = mongo_filter(filters)
    if where is not None:
        if query is None:
            raise InvalidArgumentError("`where` cannot be combined with query, name or object: put those into `where`")
        return found(runs, _joined(query, where), select)
    if query is None or runs.edition.search_options:
        return searched(runs, filters, select)
    return _first_permitted(found(runs, query, select), searched(runs, filters, select))


def mongo_filter(filters: Filters) -> dict[str, Any] | None:
    """Return the MongoDB filter that selects the same runs, creation times aside; None if no filter does."""
    query: dict[str, Any] = {}
    for name, value in filters.items():
        if value is MISSING:
            continue
        if name in FIND_FIELDS:
            query[FIND_FIELDS[name]] = value
        elif name == "tags":
            query["tags"] = {"$all": list(value)}
        elif name == "parent":
            query["parent"] = {"$in": list(value)}
        else:
            return None
    return query


def found(runs: RunsClient, query: Mapping[str, Any], select: Sequence[str]) -> Source:
    """Return a source of the runs that a MongoDB filter selects."""

    async def page(span: TimeSlice) -> list[Run]:
        bounds = {"$gte": span.start, "$lt": span.end}
        created = {operator: format_timestamp(moment) for operator, moment in bounds.items() if moment}
        within = {"created_at": created} if created else {}
        return await runs.find_runs(_joined(query, within), limit=PAGE, select=select)

    return page


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
        except REFUSALS:
            if chosen[0] is second:
                raise
            chosen[0] = second
            return await second(span)

    return page


def _joined(query: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter that both must match. Flat if possible, since a search can replace only flat filters."""
    return {"$and": [dict(query), dict(other)]} if query.keys() & other.keys() else {**query, **other}
