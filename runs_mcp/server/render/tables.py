"""Rows as compact text, without columns that are empty or the same in every row."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runs_mcp.api import Run
from runs_mcp.api.payloads import MS_PER_S
from runs_mcp.observability.mask import one_line
from runs_mcp.server.runs import own_tags

Columns = Mapping[str, Sequence[str]]
"""The text of each row, by the name of the column."""
CREATED = "created (UTC)"
OF_RUNS = ("id", "status", "interaction", "model", "environment", CREATED, "took", "tags", "parent", "error")
"""The columns that tell runs apart."""
MAX_CELL_CHARS = 160
MAX_ERROR_CHARS = 80
MOST_NAMED = 3
LONGEST_IN_SECONDS = 120
END = "End of list."
"""The last line of a list that shows everything."""
_UTC_MINUTE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})[0-9:.]*(?:Z|\+00:00)")
_PLAIN_CELL = re.compile(r"[!-{}~]++(?: [!-{}~]++)*+")
"""ASCII words between single spaces, without `|`: a cell that needs no change."""


def table(columns: Columns, *, keep: str = "id") -> str:
    """Return lines of ` | `-separated cells under a header; values that all rows share go above the header."""
    same, varying = [], {}
    for name, texts in columns.items():
        # Most rows repeat values of other rows; each value is made safe once.
        cells = {text: cell(text) for text in set(texts)}
        first = cells[texts[0]]
        if len(cells) > 1 or name == keep or (first and len(texts) == 1):
            varying[name] = [cells[text] for text in texts]
        elif first:
            same.append(f"{name} {first}")
    head = [f"All: {', '.join(same)}"] if same else []
    return "\n".join([*head, " | ".join(varying), *map(_line, zip(*varying.values(), strict=True))])


def _line(cells: Sequence[str]) -> str:
    """Return `cells` as a line without the empty cells at its end."""
    end = len(cells)
    while end > 1 and not cells[end - 1]:
        end -= 1
    return " | ".join(cells[:end])


def of_runs(runs: Sequence[Run]) -> Columns:
    """Return the columns that tell runs apart, for at least one run."""
    return dict(zip(OF_RUNS, zip(*map(_row, runs), strict=True), strict=True))


def _row(run: Run) -> Sequence[str]:
    """Return the text of each column of `OF_RUNS`."""
    return (
        run.id,
        run.status or "",
        run.interaction_label,
        run.model_id or "",
        run.environment_label,
        _created(run),
        duration(run.execution_time_ms),
        ", ".join([tag for tag in run.tags if not own_tags.is_own(tag)]),
        run.parent or "",
        cell(error.text, MAX_ERROR_CHARS) if (error := run.error) else "",
    )


def of_fields(documents: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the fields of documents that a caller selected, a column for each."""
    names = dict.fromkeys(name for document in documents for name in document)
    columns = {name: [_text(document.get(name)) for document in documents] for name in names}
    shown = {cell(name): texts for name, texts in columns.items() if any(texts)}
    return shown or {"id": [""] * len(documents)}


def facts(run: Run) -> Mapping[str, str]:
    """Return the non-empty facts that distinguish a run from others, by name."""
    return {name: cell(text) for name, text in zip(OF_RUNS, _row(run), strict=True) if text}


def _created(run: Run) -> str:
    """Return the time of creation to the minute, in UTC."""
    # The text of the API is cut in less than half the time that formatting a time takes.
    sent = run.raw.get("created_at")
    minute = _UTC_MINUTE.fullmatch(sent) if isinstance(sent, str) else None
    return f"{minute[1]} {minute[2]}" if minute else short_time(run.created_at)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def listed(names: Sequence[str]) -> str:
    """Return the first few of `names`, and the number of the others."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(map(cell, names[:MOST_NAMED]))}{more}"


def cell(value: Any, longest: int = MAX_CELL_CHARS) -> str:
    """Return `value` on one line, hidden characters written out, cut at `longest` characters."""
    text = _text(value)
    line = text if _PLAIN_CELL.fullmatch(text) else one_line(text).replace(" | ", " ¦ ")
    return line if len(line) <= longest else f"{line[:longest]}…"


def short_time(moment: datetime | None) -> str:
    """Return `moment` to the minute, e.g. `2026-11-23 22:14`; an empty text for None."""
    return moment.isoformat(" ", "minutes")[:16] if moment else ""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 run`, `2,000 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: float | None) -> str:
    """Return a duration for people: `340 ms`, `1.2 s`, `4 min`; an empty text for None."""
    if milliseconds is None:
        return ""
    if milliseconds < MS_PER_S:
        return f"{round(milliseconds)} ms"
    seconds = milliseconds / MS_PER_S
    return f"{seconds:.1f} s" if seconds < LONGEST_IN_SECONDS else f"{seconds / 60:.0f} min"
