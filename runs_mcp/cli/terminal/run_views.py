"""Structured results of the tools as people read them: tables, facts and documents."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from runs_mcp.api import Run
from runs_mcp.cli.terminal.columns import GAP, STATUS_STYLES, Column, fitting, table
from runs_mcp.cli.terminal.console import UNLIMITED
from runs_mcp.observability.mask import one_line, show_hidden
from runs_mcp.server.render import tables

DOCUMENTS = ("result", "parameters", "prompt", "result_schema", "config", "source")
"""Fields of a run that are shown below its facts."""
LONGEST_BAR = 24
WHOLE = {"id", "status", "like", "for", tables.CREATED, "took"}
"""Columns that are never cut."""
KEPT = {"id", "status", "like", "for"}
"""Columns that are always shown."""
RANKS = {
    name: rank
    for rank, name in enumerate(("error", "model", "interaction", "took", tables.CREATED, "environment"), start=1)
}
"""Columns that make room for others on a narrow terminal, the last first; those that are not named, before these."""
LOWEST_RANK = 10
Structured = Mapping[str, Any]


def view(result: Structured, *, width: int) -> Iterator[RenderableType]:
    """Yield the parts of a structured result of any tool, at most `width` columns wide."""
    match result:
        case {"groups": groups}:
            yield from _groups(result, groups, width)
        case {"compared": runs}:
            yield from _comparison(result, runs, width)
        case {"runs": []}:
            yield Text("No runs.")
        case {"dry_run": True, "runs": runs}:
            yield _table(tables.of_fields(runs), width)
        case {"runs": runs} if any({"result", "parameters", "failure"} & set(run) for run in runs):
            for run in runs:
                yield from (*one_run(run), Text())
        case {"runs": runs} if "like" in runs[0]:
            yield _table(tables.of_fields(runs), width)
        case {"runs": runs}:
            yield _table(tables.of_runs([Run(run) for run in runs]), width)
        case _:
            yield from one_run(result)


def notes(result: Structured) -> Iterator[Text]:
    """Yield what a reader must know about a structured result: how much it covers, and how it continues."""
    if "covered" in result:
        yield Text(_coverage(result), "dim" if result["complete"] else "yellow")
    if "common" in result:
        yield Text(f"{len(result['common'])} fields are the same.", "dim")
    if "next_offset" in result and "runs" in result:
        yield Text(f"More: --offset {result['next_offset']}, or --jsonl for all.", "dim")
    for name in ("note", "advice"):
        if name in result:
            yield Text(show_hidden(str(result[name])), "dim")


def one_run(run: Structured) -> Iterator[RenderableType]:
    """Yield the facts of a run and its documents."""
    yield facts(run)
    if error := Run(dict(run)).error:
        yield Text("error:", "bold")
        yield Text(show_hidden(error.text), "red")
    for name in DOCUMENTS:
        if run.get(name) not in (None, "", {}, []):
            yield Text(f"{name}:", "bold")
            yield Text(document(run[name]))
    for written in ("failure", "text"):
        if run.get(written):
            yield Text(show_hidden(str(run[written])))


def facts(run: Structured) -> Text:
    """Return the facts of a run on one line: id, status, model, duration, tokens."""
    read = Run(dict(run))
    known = dict(tables.facts(read))
    known.pop("error", None)
    line = Text().append(known.pop("id", str(run.get("for", ""))), "bold")
    for name, value in known.items():
        line.append(" · ", "dim")
        line.append(
            value if name in ("status", "interaction", "model") else f"{name} {value}", STATUS_STYLES.get(value, "")
        )
    if used := read.token_use:
        line.append(" · ", "dim").append(f"{used.prompt:,} + {used.result:,} tokens")
    return line


def document(value: Any) -> str:
    """Return a document of a run as text: JSON is indented, hidden characters are written out."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return show_hidden(text)


def _groups(result: Structured, groups: Sequence[Structured], width: int) -> Iterator[RenderableType]:
    total = result["total"]
    by = list(groups[0]["by"]) if groups else []
    labels = [Column(name, [one_line(str(group["by"][name])) for group in groups]) for name in by]
    numbers = [
        Column(name, [_number(group.get(name)) for group in groups], is_number=True, may_be_cut=False, rank=rank)
        for rank, name in enumerate(total)
    ]
    bars = _bars(groups, total) if width < UNLIMITED else ()
    columns = fitting([*labels, *numbers, *bars], width)
    sums = {by[0]: "total"} | {name: _number(value) for name, value in total.items()} if by else {}
    if groups:
        yield table(columns, width, footer=[sums.get(column.name, "") for column in columns])
    else:
        yield Text(" · ".join(f"{name} {_number(value)}" for name, value in total.items()))


def _bars(groups: Sequence[Structured], total: Structured) -> Iterator[Column]:
    """Yield a column that shows the first measure as bars, if it is a number for each group."""
    measured = [group.get(next(iter(total))) for group in groups]
    values = [value for value in measured if isinstance(value, int | float)]
    if values and len(values) == len(measured) and max(values) > 0:
        bars = ["█" * round(value * LONGEST_BAR / max(values)) for value in values]
        yield Column("", bars, may_be_cut=False, rank=LOWEST_RANK, style="cyan")


def _coverage(result: Structured) -> str:
    counted = f"{result['covered']:,} runs"
    parts = [
        counted if result["complete"] else f"INCOMPLETE: only {counted} of {result.get('matching', 'more')} counted"
    ]
    missing = {"execution_time": "a duration", "token_use": "token counts", "cost": "a known cost"}
    parts += [f"{count:,} without {missing.get(name, name)}" for name, count in result.get("missing", {}).items()]
    lacking = {"without_error": "without an error", "without_tag": "without a tag"}
    parts += [f"{result[name]:,} {words}" for name, words in lacking.items() if name in result]
    if left_out := result.get("left_out"):
        parts.append(f"{left_out:,} more groups: raise --limit")
    return ", ".join(parts)


def _comparison(result: Structured, runs: Sequence[str], width: int) -> Iterator[RenderableType]:
    """Yield the fields in which runs differ, a column for each run; its id is above the table where it is too long."""
    paths = Column(
        "", [one_line(path).removeprefix("/") for path in result["differences"]], may_be_cut=False, style="bold"
    )
    wide = paths.longest + sum(len(run) + GAP for run in runs) <= width
    names = runs if wide else [str(number) for number, _ in enumerate(runs, start=1)]
    if not wide:
        yield Text("\n".join(f"{name}  {run}" for name, run in zip(names, runs, strict=True)), "bold")
    values = zip(*result["differences"].values(), strict=True)
    yield table([paths, *(_values(name, value) for name, value in zip(names, values, strict=False))], width)
    for label, reason in result.get("failures", {}).items():
        yield Text(f"{one_line(label)}: {reason}", "red")


def _values(name: str, values: Sequence[Any]) -> Column:
    texts = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    return Column(name, [one_line(text) for text in texts])


def _table(columns: tables.Columns, width: int) -> RenderableType:
    shown = [
        Column(
            name,
            [tables.cell(text) for text in texts],
            may_be_cut=name not in WHOLE,
            rank=0 if name in KEPT else RANKS.get(name, LOWEST_RANK),
        )
        for name, texts in columns.items()
        if any(texts)
    ]
    return table(fitting(shown, width), width)


def _number(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:,.4f}".rstrip("0").rstrip(".")
        case int():
            return f"{value:,}"
        case _:
            return str(value)
