"""Continuation of `find`, which has no offset: a condition on the last row selects the rows after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from pydantic import MISSING

from runs_mcp.api import InvalidRequestError, Run, RunsClient
from runs_mcp.api.payloads import parse_timestamp

Filter = Mapping[str, Any]
TIMES = ("updated_at", "created_at")
"""Times by which the API may have ordered the rows, newest first. It does not document which of them."""

MOST_TIED = 50
"""Maximum number of ids in a condition, because a model has to copy it."""


async def rows_remain(runs: RunsClient, query: Filter, shown: Sequence[Run]) -> bool | None:
    """Return whether runs match `query` beside those `shown`, which the API may have cut short by its own limit.

    None if the API rejects the question.
    """
    others = _both(query, {"_id": {"$nin": [run.id for run in shown]}})
    try:
        following = await runs.find_runs(others, limit=1, select=MISSING)
    except InvalidRequestError:
        return None
    return any(run.id not in {known.id for known in shown} for run in following)


def query_after(query: Filter, shown: Sequence[Run]) -> dict[str, Any] | None:
    """Return the filter that selects the runs after those `shown`; None if their order is not by time.

    Also None if too many rows share the time of the last row.

    While all rows so far are sorted by both times, they may have been ordered by either, and the condition covers
    both. From the first row that is not, the condition keeps the other time: runs that were created long before they
    were updated would come again and again. Rows that share a time with the last row are excluded by id.
    """
    last = shown[-1]
    conditions = list(query.get("$and", []))
    previous = conditions.pop() if conditions and _is_cursor(conditions[-1]) else None
    before = _bounds(previous) if previous else dict.fromkeys(TIMES)
    bounds = {name: last.raw.get(name) for name in before if _newest_first(shown, name, before[name])}
    if not bounds:
        return None
    ids = [run.id for run in shown if any(run.raw.get(name) == bound for name, bound in bounds.items())]
    limits = [{name: {"$lte": bound}} for name, bound in bounds.items()]
    if previous and any(limit in limits for limit in previous["$or"]):
        ids = [*previous["_id"]["$nin"], *ids]
    if len(ids) > MOST_TIED:
        return None
    return {**query, "$and": [*conditions, {"$or": limits, "_id": {"$nin": list(dict.fromkeys(ids))}}]}


def _both(query: Filter, condition: Filter) -> dict[str, Any]:
    return {**query, "$and": [*query.get("$and", []), condition]}


def _bounds(cursor: Filter) -> dict[str, datetime | None]:
    """Return the times of the last row before those that `cursor` selects."""
    limits: dict[str, Any] = {name: limit for bound in cursor["$or"] for name, limit in bound.items()}
    return {name: parse_timestamp(limits[name].get("$lte")) for name in TIMES if isinstance(limits.get(name), Mapping)}


def _newest_first(rows: Sequence[Run], name: str, before: datetime | None) -> bool:
    """Return True if `rows`, which follow a row with the time `before`, are sorted by the time `name`."""
    times = [time for row in rows if (time := getattr(row, name))]
    # A run that was updated since the last page comes first, whatever the order. Creation times do not change.
    known = [before, *times] if before and name == "created_at" else times
    return len(times) == len(rows) and all(later >= earlier for later, earlier in pairwise(known))


def _is_cursor(condition: Any) -> bool:
    match condition:
        case {"$or": [*limits], "_id": {"$nin": list()}, **rest} if not rest:
            return all(isinstance(limit, dict) and set(limit) <= set(TIMES) for limit in limits)
        case _:
            return False
