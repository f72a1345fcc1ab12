"""What to say of an empty list: which filter hides the runs, and what it may have been meant to be."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import MISSING

from runs_mcp.api import FilterOption, RunsApiError, RunsClient

EXACT_FILTERS = ("interaction", "status", "model", "environment", "tag")
IN_GENERAL = "get_run_filter_options shows the values a filter can take; compute_run_facets counts runs."


async def advice(runs: RunsClient, filters: Mapping[str, Any]) -> str:
    """Which of the exact `filters`, were it left out, would let runs through, and the value nearest to what it was."""
    given = {name: value for name, value in filters.items() if name in EXACT_FILTERS and value is not MISSING}
    lines = []
    for name, value in given.items():
        others = {other: kept for other, kept in given.items() if other != name}
        try:
            options = await runs.get_filter_options(name, **others)
        except RunsApiError:
            return IN_GENERAL
        if hidden := sum(option.count or 0 for option in options):
            lines.append(f'Without {name}="{value}" there are {hidden}{_nearest(value, options)}.')
    return " ".join(lines) or IN_GENERAL


def _nearest(value: str, options: Sequence[FilterOption]) -> str:
    known = [option.id or "" for option in options]
    if value in known:
        return ""
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else f" ({', '.join(known[:5])})"
