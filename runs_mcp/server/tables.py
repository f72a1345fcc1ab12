"""Rows as compact text: no empty columns, none that says the same in every row."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runs_mcp.api import Run
from runs_mcp.masking import one_line

OWN_TAG_PREFIX = "runs-mcp:"
"""Of the tags by which created runs are found again; they tell a reader nothing."""
Row = Mapping[str, str]
MAX_CELL_CHARS = 160
MAX_ERROR_CHARS = 80
MS_PER_S = 1_000
LONGEST_IN_SECONDS = 120


def table(rows: Sequence[Row], *, keep: str = "id") -> str:
    """`rows` as lines of ` | `-separated cells under a header; what is the same in all of them goes above it."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    values = {name: {row.get(name, "") for row in rows} for name in columns}
    constant = [name for name in columns if len(rows) > 1 and len(values[name]) == 1 and values[name] != {""}]
    varying = [name for name in columns if name == keep or (name not in constant and values[name] != {""})]
    lines = [f"All: {', '.join(f'{name} {rows[0][name]}' for name in constant)}"] if constant else []
    lines.append(" | ".join(varying))
    lines += [_line([row.get(name, "") for name in varying]) for row in rows]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    """`cells` as a line, empty ones at its end left out."""
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return " | ".join(cells)


def run_row(run: Run) -> Row:
    """What tells one run from another."""
    interaction, environment, error = run.interaction, run.environment, run.error
    return {
        "id": cell(run.id),
        "status": cell(run.status or ""),
        "interaction": cell(interaction.label) if interaction else "",
        "model": cell(run.model_id or ""),
        "environment": cell(environment.label) if environment else "",
        "created": short_time(run.created_at),
        "took": duration(run.execution_time_ms),
        "tags": cell(", ".join(tag for tag in run.tags if not tag.startswith(OWN_TAG_PREFIX))),
        "parent": cell(run.parent or ""),
        "error": cell(error.text, MAX_ERROR_CHARS) if error else "",
    }


def field_row(document: Mapping[str, Any]) -> Row:
    """The fields of a document as they are, for a caller who chose them."""
    return {cell(name): cell(value) for name, value in document.items() if value is not None}


def cell(value: Any, longest: int = MAX_CELL_CHARS) -> str:
    """`value` on one line without control characters, cut where it is over `longest` characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    line = one_line(text).replace(" | ", " ¦ ")
    return line if len(line) <= longest else f"{line[:longest]}…"


def short_time(moment: datetime | None) -> str:
    """`moment` to the minute, e.g. `2026-11-23 22:14`."""
    return moment.isoformat(" ", "minutes")[:16] if moment else ""


def duration(milliseconds: float | None) -> str:
    """`milliseconds` as a person says it: `340 ms`, `1.2 s`, `4 min`."""
    if milliseconds is None:
        return ""
    if milliseconds < MS_PER_S:
        return f"{milliseconds:g} ms"
    seconds = milliseconds / MS_PER_S
    return f"{seconds:.1f} s" if seconds < LONGEST_IN_SECONDS else f"{seconds / 60:.0f} min"
