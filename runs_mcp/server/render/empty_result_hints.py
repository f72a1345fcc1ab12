"""Hints for an empty list: the filter that hides the runs, and the value that was probably meant."""

import difflib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runs_mcp.api import REFUSALS, RunsApiError, RunsClient
from runs_mcp.observability.masking import one_line
from runs_mcp.server.context import Call, services
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.render import tables

EXACT_FILTERS = ("interaction", "status", "model", "environment", "tag")
FACETS = {"interaction": "interactions", "status": "status", "model": "models", "environment": "environments"}
"""The facet that counts the values of each filter of a search."""
TOOLS = {
    "get_run_filter_options": "get_run_filter_options shows the values that a filter takes",
    "compute_run_facets": "compute_run_facets counts runs by value",
    "list_runs": "list_runs without filters shows the newest runs",
}

FIELDS = (
    "id _id status interaction environment modelId inference_profile tags parent name created_at updated_at created_by "
    "updated_by execution_time token_use error finish_reason parameters result result_schema prompt config source "
    "account project visibility workflow object ttl"
).split()
"""The fields of runs that MongoDB filters name."""
OTHER_NAMES = {"model": "modelId", "tag": "tags", "duration": "execution_time", "tokens": "token_use"}


class _Matches(NamedTuple):
    """The runs that all filters but one select."""

    hidden: int
    values: Sequence[str]
    """The values of the other filter that these runs have."""


_Source = Callable[[RunsClient, str, Mapping[str, Any]], Awaitable[_Matches]]


def unknown_fields(query: Mapping[str, Any]) -> str:
    """Return which fields of a MongoDB filter, by which no run was found, are perhaps misspelt."""
    unknown = {name: _nearest_field(name) for name in _fields_of(query) if name not in FIELDS}
    likely = [f"{one_line(name)} (did you mean {near}?)" for name, near in unknown.items() if near]
    return f"Runs may have no field {', '.join(likely)}." if likely else ""


def _fields_of(query: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first part of each field that `query` compares."""
    for name, condition in query.items():
        if name.startswith("$"):
            parts = condition if isinstance(condition, list) else [condition]
            yield from (field for part in parts if isinstance(part, Mapping) for field in _fields_of(part))
        else:
            yield name.partition(".")[0]


def _nearest_field(name: str) -> str | None:
    near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7)
    return OTHER_NAMES.get(name.lower()) or next(iter(near), None)


async def for_list(call: Call, filters: Mapping[str, Any]) -> str:
    """Return which of the `filters` of a list hides runs, and the known value nearest to the one given."""
    return await _hint(call, filters, _among_listed)


async def for_search(call: Call, filters: Mapping[str, Any]) -> str:
    """Return which of the `filters` of a search, with its times, hides runs, and the value nearest to the one given."""
    return await _hint(call, filters, _among_searched)


async def _hint(call: Call, filters: Mapping[str, Any], matches: _Source) -> str:
    """Return the hint, which names only tools that the caller is offered and whose operation answers."""
    lines = []
    for name, value in filters.items():
        if name not in EXACT_FILTERS or not isinstance(value, str):
            continue
        others = {other: kept for other, kept in filters.items() if other != name}
        try:
            hidden, values = await matches(services(call).runs, name, others)
        except REFUSALS:
            return _general(call, closed={"get_run_filter_options", "compute_run_facets"})
        except RunsApiError:
            return _general(call)
        if hidden:
            verb = "matches" if hidden == 1 else "match"
            lines.append(f'Without {name}="{value}" {tables.counted(hidden, "run")} {verb}{_nearest(value, values)}.')
    return " ".join(lines) or _general(call)


async def _among_listed(runs: RunsClient, name: str, others: Mapping[str, Any]) -> _Matches:
    """Return the runs that a list with the filters `others` has."""
    # A run has one status, but may have several tags, or no model.
    statuses = await runs.get_filter_options("status", **others)
    values = statuses if name == "status" else await runs.get_filter_options(name, **others)
    return _Matches(sum(option.count or 0 for option in statuses), [option.id for option in values if option.id])


async def _among_searched(runs: RunsClient, name: str, others: Mapping[str, Any]) -> _Matches:
    """Return the runs that a search with the filters `others` has."""
    facets = await runs.compute_facets(facets=["status", FACETS[name]], **others)
    total = facets.total
    if total is None:
        total = sum(bucket.count for bucket in facets.buckets.get("status", ()))
    return _Matches(total, [bucket.id for bucket in facets.buckets.get(FACETS[name], ()) if bucket.id])


def _general(call: Call, closed: frozenset[str] | set[str] = frozenset()) -> str:
    usable = [TOOLS[tool] for tool in TOOLS if tool in offered_tools(call.request_context) - closed]
    return f"{'; '.join(usable)}." if usable else "Check the filters."


def _nearest(value: str, known: Sequence[str]) -> str:
    if not known or value in known:
        return ""
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else f" ({', '.join(known[:5])})"
