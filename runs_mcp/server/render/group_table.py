"""The answer of an aggregation: a line per group, and the same as structured content."""

from typing import Any

from mcp_types import CallToolResult, TextContent

from runs_mcp.server.aggregate.aggregation import Aggregate, Question
from runs_mcp.server.aggregate.list_prices import Costs
from runs_mcp.server.aggregate.measures import Number
from runs_mcp.server.render import tables

_ANY_OBJECT = {"type": "object", "additionalProperties": True}
GROUPS = {
    "type": "object",
    "properties": {
        "groups": {"type": "array", "items": _ANY_OBJECT},
        "total": _ANY_OBJECT,
        "covered": {"type": "integer"},
        "complete": {"type": "boolean"},
    },
    "required": ["groups", "total", "covered", "complete"],
}
TEXT_CHARS_PER_GROUP = 70
"""The room for a group in the text. Long labels are cut to fit; structured content has them whole."""
SHORTEST_LABEL_CHARS = 12
LONGEST_LABEL_CHARS = 80
FIELD_NAMES = {"execution_time": "no duration", "token_use": "no token counts", "cost": "no known cost"}


def group_table(question: Question, answer: Aggregate, workspace: str) -> CallToolResult:
    """Return `answer` as text and as structured content."""
    text = TextContent(type="text", text="\n".join(_lines(question, answer, workspace)))
    return CallToolResult(content=[text], structured_content=_structured(answer, workspace))


def _structured(answer: Aggregate, workspace: str) -> dict[str, Any]:
    groups = [
        {"by": dict(group.by), **({"ids": dict(group.ids)} if group.ids else {}), **group.values}
        for group in answer.groups
    ]
    known = {
        "matching": answer.matching,
        "oldest": answer.oldest.isoformat() if answer.oldest else None,
        "left_out": answer.left_out or None,
        "missing": dict(answer.missing) or None,
        "cost_source": _cost_source(answer.costs),
    }
    return {
        "groups": groups,
        "total": dict(answer.total),
        "covered": answer.covered,
        "complete": answer.complete,
        **{name: value for name, value in known.items() if value is not None},
        "workspace": workspace,
    }


def _cost_source(costs: Costs | None) -> dict[str, int] | None:
    if costs is None:
        return None
    return {"reported": costs.reported, "estimated": costs.estimated, "unpriced": costs.unpriced}


def _lines(question: Question, answer: Aggregate, workspace: str) -> list[str]:
    lines = [_coverage(answer, workspace)]
    if question.by and answer.groups:
        lines += _table(question, answer)
    elif question.by:
        lines += ["No groups."]
    else:
        lines += [", ".join(f"{name} {_number(value)}" for name, value in answer.total.items())]
    return [*lines, *_notes(question, answer)]


def _table(question: Question, answer: Aggregate) -> list[str]:
    numbers = [" | ".join(map(_number, group.values.values())) for group in answer.groups]
    room = TEXT_CHARS_PER_GROUP * len(numbers) - sum(map(len, numbers))
    longest = min(max(room // (len(numbers) * len(question.by)), SHORTEST_LABEL_CHARS), LONGEST_LABEL_CHARS)
    labels = [[tables.cell(label, longest) for label in group.by.values()] for group in answer.groups]
    total = [*["Total", ""][: len(question.by)], *map(_number, answer.total.values())]
    rows = [" | ".join([*labels_of, row]) for labels_of, row in zip(labels, numbers, strict=True)]
    return [" | ".join([*question.by, *question.measures]), *rows, " | ".join(total)]


def _coverage(answer: Aggregate, workspace: str) -> str:
    if answer.complete:
        return f"All {answer.covered:,} matching runs counted ({workspace})"
    whole = f"{answer.matching:,}" if answer.matching is not None else "an unknown number of"
    oldest = f", the oldest from {tables.short_time(answer.oldest)} UTC" if answer.oldest else ""
    return (
        f"INCOMPLETE: {answer.covered:,} of {whole} matching runs counted{oldest} ({workspace}). "
        "Narrow by start, end or another filter for exact numbers."
    )


def _number(value: Number) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) or abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def _notes(question: Question, answer: Aggregate) -> list[str]:
    notes = [
        f"{count:,} runs have {FIELD_NAMES[name]} and are left out of it." for name, count in answer.missing.items()
    ]
    if answer.left_out:
        which = "more" if question.sort else "further"
        notes.append(f"{answer.left_out:,} {which} groups: raise limit.")
    if costs := answer.costs:
        estimate = f", of {costs.estimated:,} runs estimated at list prices" if costs.estimated else ""
        unpriced = f"; {costs.unpriced:,} could not be priced" if costs.unpriced else ""
        notes.append(f"cost is in US dollars{estimate}{unpriced}.")
    ambiguous = {label: group.ids[name] for group in answer.groups for name, label in group.by.items() if "…" in label}
    notes += [f"{tables.cell(label)} has the id {value}." for label, value in ambiguous.items() if value]
    return [" ".join(notes)] if notes else []
