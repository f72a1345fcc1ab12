"""Hints for an empty list: the filter that hides the runs, and the value that was probably meant."""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args

from runs_mcp.api import REFUSALS, RunsApiError, RunsClient
from runs_mcp.api.payloads import format_timestamp
from runs_mcp.observability.masking import one_line
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import RunStatus
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
ERROR_CODES = 'aggregate_runs(by=["error"]) shows the codes of errors.'
ERRORS_NOT_SEARCHED = 'query does not search errors: aggregate_runs(by=["error"]) counts them.'
MOST_ALIKE = 3
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
TIMES = ("created_at", "updated_at")
COMPARISONS = ("$eq", "$in", "$gt", "$gte", "$lt", "$lte")
OTHER_NAMES = {"model": "modelId", "tag": "tags", "duration": "execution_time", "tokens": "token_use"}


class _Matches(NamedTuple):
    """The runs that all filters but one select."""

    hidden: int
    values: Sequence[str]
    """The values of the other filter that these runs have."""


_Source = Callable[[RunsClient, str, Mapping[str, Any]], Awaitable[_Matches]]


def for_query(call: Call, query: Mapping[str, Any]) -> str:
    """Return which conditions of a MongoDB filter, by which no run was found, perhaps match no run at all."""
    conditions = [*_conditions_of(query)]
    fields = dict.fromkeys(name.partition(".")[0] for name, _ in conditions)
    doubts = [doubt for name, condition in conditions for doubt in _doubts(name, condition)]
    errors = ERROR_CODES if "error" in fields and "aggregate_runs" in offered_tools(call.request_context) else ""
    return " ".join(dict.fromkeys(filter(None, [unknown_fields(fields), *doubts, errors])))


def unknown_fields(names: Iterable[str]) -> str:
    """Return which of the fields `names` no run may have, with the names that are probably meant."""
    unknown = {name: _nearest_field(name) for name in names if name not in FIELDS}
    told = [f"{one_line(name)} (did you mean {near}?)" if near else one_line(name) for name, near in unknown.items()]
    return f"Runs may have no field {', '.join(told)}." if told else ""


def _conditions_of(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field that `query` compares, with its condition."""
    for name, condition in query.items():
        if name.startswith("$"):
            parts = condition if isinstance(condition, list) else [condition]
            yield from (found for part in parts if isinstance(part, Mapping) for found in _conditions_of(part))
        else:
            yield name, condition


def _compared(condition: Any) -> Iterator[str]:
    """Yield the texts that a condition compares a field with."""
    operands = [condition.get(name) for name in COMPARISONS] if isinstance(condition, Mapping) else [condition]
    for operand in operands:
        yield from (value for value in (operand if isinstance(operand, list) else [operand]) if isinstance(value, str))


def _doubts(name: str, condition: Any) -> Iterator[str]:
    """Yield why no run may meet a condition on the field `name`."""
    of_text = isinstance(condition, str)
    if name == "error" and (of_text or (isinstance(condition, Mapping) and "$regex" in condition)):
        yield "error holds objects, not texts: compare error.code or error.message."
    if name in TIMES and of_text:
        yield f"{name} equals a single moment: compare it by $gte and $lt."
    yield from (_doubt(name.partition(".")[0], value) for value in _compared(condition))


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
