"""Hints for an empty list: the filter that hides the runs, and the value that was probably meant."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from runs_mcp.api import REFUSALS, FilterOption, RunsApiError
from runs_mcp.server.context import Call, services
from runs_mcp.server.permissions.offered_tools import offered_tools

EXACT_FILTERS = ("interaction", "status", "model", "environment", "tag")
TOOLS = {
    "get_run_filter_options": "get_run_filter_options shows the values that a filter takes",
    "compute_run_facets": "compute_run_facets counts runs by value",
    "list_runs": "list_runs without filters shows the newest runs",
}


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
