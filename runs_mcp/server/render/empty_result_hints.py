"""Hints for an empty list: the filter that hides the runs, and the value that was probably meant."""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from runs_mcp.api import REFUSALS, RunsApiError, RunsClient
from runs_mcp.observability.masking import one_line
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import RunStatus
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.render import tables

EXACT_FILTERS = ("interaction", "status", "model", "environment", "tag", "finish_reason")
FACETS = {
    "interaction": "interactions",
    "status": "status",
    "model": "models",
    "environment": "environments",
    "finish_reason": "finish_reason",
}
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
NUMBERS = ("execution_time", "token_use")
COMPARISONS = ("$eq", "$in", "$gt", "$gte", "$lt", "$lte")
OTHER_NAMES = {"model": "modelId", "tag": "tags", "duration": "execution_time", "tokens": "token_use"}


class _Matches(NamedTuple):
    """The runs that all filters but one select."""

    hidden: int
    values: Sequence[str]
    """The values of the other filter that these runs have."""


_Source = Callable[[RunsClient, str, Mapping[str, Any]], Awaitable[_Matches]]


def for_query(query: Mapping[str, Any]) -> str:
    """Return which conditions of a MongoDB filter, by which no run was found, perhaps match no run at all."""
    conditions = [*_conditions_of(query)]
    doubts = [_doubt(field, value) for field, condition in conditions for value in _compared(condition)]
    return " ".join(dict.fromkeys(filter(None, [unknown_fields(field for field, _ in conditions), *doubts])))


def unknown_fields(names: Iterable[str]) -> str:
    """Return which of the fields `names` are perhaps misspelled."""
    unknown = {name: _nearest_field(name) for name in names if name not in FIELDS}
    likely = [f"{one_line(name)} (did you mean {near}?)" for name, near in unknown.items() if near]
    return f"Runs may have no field {', '.join(likely)}." if likely else ""


def _conditions_of(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the first part of each field that `query` compares, with its condition."""
    for name, condition in query.items():
        if name.startswith("$"):
            parts = condition if isinstance(condition, list) else [condition]
            yield from (found for part in parts if isinstance(part, Mapping) for found in _conditions_of(part))
        else:
            yield name.partition(".")[0], condition


def _compared(condition: Any) -> Iterator[str]:
    """Yield the texts that a condition compares a field with."""
    operands = [condition.get(name) for name in COMPARISONS] if isinstance(condition, Mapping) else [condition]
    for operand in operands:
        yield from (value for value in (operand if isinstance(operand, list) else [operand]) if isinstance(value, str))


def _doubt(field: str, value: str) -> str:
    """Return why no run may have the text `value` in `field`; empty if runs may well have it."""
    if field == "status" and value not in get_args(RunStatus):
        return f"Runs may have no status {one_line(value)}; known: {', '.join(get_args(RunStatus))}."
    if field in NUMBERS:
        return f"{field} holds numbers, not texts."
    return ""


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
