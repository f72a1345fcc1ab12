"""Continuation of `find`, which has no offset: a condition on the last row selects the rows after it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import MISSING

from runs_mcp.api import InvalidRequestError, Run, RunsClient

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

    Rows that are sorted by both times may have been ordered by either, so that the condition covers both. Rows that
    share a time with the last row are excluded by id.
    """
    last = shown[-1]
    bounds = {name: last.raw.get(name) for name in TIMES if _newest_first(shown, name)}
    if not bounds:
        return None
    conditions = list(query.get("$and", []))
    previous = conditions.pop() if conditions and _is_cursor(conditions[-1]) else None
    ids = [run.id for run in shown if any(run.raw.get(name) == bound for name, bound in bounds.items())]
    limits = [{name: {"$lte": bound}} for name, bound in bounds.items()]
    if previous and any(limit in limits for limit in previous["$or"]):
        ids = [*previous["_id"]["$nin"], *ids]
    if len(ids) > MOST_TIED:
        return None
    return {**query, "$and": [*conditions, {"$or": limits, "_id": {"$nin": list(dict.fromkeys(ids))}}]}


def _both(query: Filter, condition: Filter) -> dict[str, Any]:
    return {**query, "$and": [*query.get("$and", []), condition]}


def _newest_first(rows: Sequence[Run], name: str) -> bool:
    times = [time.timestamp() for row in rows if (time := getattr(row, name))]
    return len(times) == len(rows) and all(later >= earlier for later, earlier in pairwise(times))


def _is_cursor(condition: Any) -> bool:
    match condition:
        case {"$or": [*limits], "_id": {"$nin": list()}, **rest} if not rest:
            return all(isinstance(limit, dict) and set(limit) <= set(TIMES) for limit in limits)
        case _:
            return False
