"""A page of sorted runs, and how far the sorting got."""

from collections.abc import Sequence
from typing import Any

from mcp_types import CallToolResult

from runs_mcp.api import Run
from runs_mcp.server.aggregate.groups import NamesById
from runs_mcp.server.aggregate.measures import observe
from runs_mcp.server.aggregate.sorted_runs import LISTED_FIELDS, SortedRuns
from runs_mcp.server.context import Call, services
from runs_mcp.server.render import results, run_lists, tables
from runs_mcp.server.render.run_lists import Rows
from runs_mcp.server.runs import own_tags

NOT_COMPARED = "Not the end: matching runs that were not compared may follow."


def sorted_page(
    call: Call, page: SortedRuns, sort: str, offset: int, names: NamesById, *, hint: str = ""
) -> CallToolResult:
    """Return a page of runs as a table, in order; `hint` says how to find runs if none matches."""
    runs = [run_lists.with_names(run, names) for run in page.runs]
    rows = Rows.of(call, runs, map(_document, runs))
    next_offset = offset + len(runs)
    structured: dict[str, Any] = {
        "runs": rows.documents,
        "offset": offset,
        **({"next_offset": next_offset, "next": results.same_call(call, offset=next_offset)} if page.further else {}),
        "complete": page.complete,
        **({} if page.covered is None else {"covered": page.covered}),
    }
    if runs:
        place = f"{offset + 1} to {next_offset} by {sort}"
        head = f"{tables.counted(len(runs), 'run')}, {place} ({services(call).workspace})"
    else:
        head, structured["advice"] = run_lists.nothing(call, offset, hint)
    if not page.complete:
        structured["advice"] = NOT_COMPARED
    return run_lists.list_result(
        call, [head, *([_table(runs)] if runs else []), *_coverage(page, sort)], rows, structured
    )


def _table(runs: Sequence[Run]) -> str:
    tokens = [observe(run).total_tokens for run in runs]
    columns = {
        **tables.of_runs(runs),
        "took": ["" if run.execution_time_ms is None else f"{round(run.execution_time_ms)} ms" for run in runs],
        "tokens": ["" if total is None else str(total) for total in tokens],
    }
    return tables.table(columns)


def _coverage(page: SortedRuns, sort: str) -> list[str]:
    notes = []
    if not page.complete:
        whole = f"{page.matching:,}" if page.matching is not None else "an unknown number of"
        notes.append(
            f"INCOMPLETE: {page.covered:,} of {whole} matching runs were compared, the newest first. "
            "Narrow by start, end or another filter for the true order."
        )
    if page.without_key:
        notes.append(f"Left out: {tables.counted(page.without_key, 'run')} without {sort.removeprefix('-')}.")
    return notes


def _document(run: Run) -> dict[str, Any]:
    return {name: value for name, value in own_tags.without_own(run.raw).items() if name in LISTED_FIELDS}
