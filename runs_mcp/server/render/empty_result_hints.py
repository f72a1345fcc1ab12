"""Hints for an empty list: the filter that hides the runs, and the value that was probably meant."""

import difflib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from runs_mcp.api import REFUSALS, RunsApiError, RunsClient
from runs_mcp.api.payloads import format_timestamp
from runs_mcp.server.context import Call, services
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.render import results, tables
from runs_mcp.server.runs import own_tags

LISTED = ("interaction", "status", "model", "environment", "tag")
"""The filters of a list whose values `filter-options` has."""
FACETS = {
    "interaction": "interactions",
    "status": "status",
    "model": "models",
    "environment": "environments",
    "tags": "tags",
    "finish_reason": "finish_reason",
}
"""The facet that counts the values of each filter of a search."""
NAMED = ("interaction", "environment")
"""Filters by ids, of which none resembles another: names are resolved, with suggestions, before a search."""
ERRORS_NOT_SEARCHED = 'query does not search errors: aggregate_runs(by=["error"]) counts them.'
MOST_ALIKE = 3
TOOLS = {
    "get_run_filter_options": "get_run_filter_options shows the values that a filter takes",
    "compute_run_facets": "compute_run_facets counts runs by value",
    "list_runs": "list_runs without filters shows the newest runs",
}


class _Matches(NamedTuple):
    """The runs that all filters but one select."""

    hidden: int
    values: Sequence[str]
    """The values of the other filter that these runs have."""


_Source = Callable[[RunsClient, str, Mapping[str, Any]], Awaitable[_Matches]]


async def for_list(call: Call, filters: Mapping[str, Any]) -> str:
    """Return which of the `filters` of a list hide runs, and the known values nearest to those given."""
    return await _hint(call, filters, _among_listed)


async def for_search(call: Call, filters: Mapping[str, Any]) -> str:
    """Return which of the `filters` of a search, with its times, hide runs, and the values nearest to those given."""
    hint = await _hint(call, filters, _among_searched)
    if "query" in filters and "aggregate_runs" in offered_tools(call.request_context):
        return f"{hint} {ERRORS_NOT_SEARCHED}"
    return hint


async def _hint(call: Call, filters: Mapping[str, Any], matches: _Source) -> str:
    """Return the hint, which names only tools that the caller is offered and whose operation answers."""
    lines = []
    for name, value in filters.items():
        others = {other: kept for other, kept in filters.items() if other != name}
        try:
            hidden, values = await matches(services(call).runs, name, others)
        except REFUSALS:
            return _general(call, closed={"get_run_filter_options", "compute_run_facets"})
        except RunsApiError:
            return _general(call)
        if hidden:
            verb = "matches" if hidden == 1 else "match"
            nearest = "" if name in NAMED else _nearest(value, [one for one in values if not own_tags.is_own(one)])
            lines.append(f"Without {name}={_written(value)} {tables.counted(hidden, 'run')} {verb}{nearest}.")
    return " ".join(lines) or _general(call)


async def _among_listed(runs: RunsClient, name: str, others: Mapping[str, Any]) -> _Matches:
    """Return the runs that a list with the filters `others` has."""
    # A run has one status, but may have several tags, or no model.
    statuses = await runs.get_filter_options("status", **others)
    values = statuses
    if name != "status":
        values = await runs.get_filter_options(name, **others) if name in LISTED else []
    return _Matches(sum(option.count or 0 for option in statuses), [option.id for option in values if option.id])


async def _among_searched(runs: RunsClient, name: str, others: Mapping[str, Any]) -> _Matches:
    """Return the runs that a search with the filters `others` has."""
    facet = FACETS.get(name)
    names = ["status", facet] if facet in runs.edition.facets else ["status"]
    facets = await runs.compute_facets(facets=list(dict.fromkeys(filter(None, names))), **others)
    total = facets.total
    if total is None:
        total = sum(bucket.count for bucket in facets.buckets.get("status", ()))
    return _Matches(total, [bucket.id for bucket in facets.buckets.get(facet or "", ()) if bucket.id])


def _general(call: Call, closed: frozenset[str] | set[str] = frozenset()) -> str:
    usable = [TOOLS[tool] for tool in TOOLS if tool in offered_tools(call.request_context) - closed]
    return f"{'; '.join(usable)}." if usable else "Check the filters."


def _written(value: Any) -> str:
    """Return the value of a filter as an argument."""
    return results.written(format_timestamp(value) if isinstance(value, datetime) else value)


def _nearest(given: Any, known: Sequence[str]) -> str:
    """Return the values among `known` that the unknown values in `given` probably mean, or else examples of `known`."""
    values = given if isinstance(given, list) else [given]
    unknown = [value for value in values if isinstance(value, str) and value not in known]
    if not known or not unknown:
        return ""
    near = dict.fromkeys(alike for value in unknown for alike in _alike(value, known))
    return f" (did you mean {', '.join(near)}?)" if near else f" ({', '.join(known[:5])})"


def _alike(value: str, known: Sequence[str]) -> Sequence[str]:
    """Return the known value that differs from `value` in case alone, or those that contain it, or the most similar."""
    lower = {one: one.lower() for one in known}
    wanted = value.lower()
    return (
        [one for one in known if lower[one] == wanted]
        or [one for one in known if wanted in lower[one]][:MOST_ALIKE]
        or [one for one in known if lower[one] in difflib.get_close_matches(wanted, lower.values(), n=1, cutoff=0.5)]
    )
