"""Hints for an empty list: the filter that hides the runs, and the value that was probably meant."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runs_mcp.api import REFUSALS, FilterOption, RunsApiError
from runs_mcp.observability.masking import one_line
from runs_mcp.server.context import Call, services
from runs_mcp.server.permissions.offered_tools import offered_tools

EXACT_FILTERS = ("interaction", "status", "model", "environment", "tag")
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


async def hint(call: Call, filters: Mapping[str, Any]) -> str:
    """Return which of the exact `filters` hides runs, and the known value nearest to the one given.

    Names only tools that the caller is offered and whose operation answers.
    """
    given = {name: value for name, value in filters.items() if name in EXACT_FILTERS and isinstance(value, str)}
    lines = []
    for name, value in given.items():
        others = {other: kept for other, kept in given.items() if other != name}
        try:
            options = await services(call).runs.get_filter_options(name, **others)
        except REFUSALS:
            return _general(call, closed={"get_run_filter_options", "compute_run_facets"})
        except RunsApiError:
            return _general(call)
        if hidden := sum(option.count or 0 for option in options):
            lines.append(f'Without {name}="{value}" there are {hidden}{_nearest(value, options)}.')
    return " ".join(lines) or _general(call)


def _general(call: Call, closed: frozenset[str] | set[str] = frozenset()) -> str:
    usable = [TOOLS[tool] for tool in TOOLS if tool in offered_tools(call.request_context) - closed]
    return f"{'; '.join(usable)}." if usable else "Check the filters."


def _nearest(value: str, options: Sequence[FilterOption]) -> str:
    known = [option.id or "" for option in options]
    if value in known:
        return ""
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else f" ({', '.join(known[:5])})"
