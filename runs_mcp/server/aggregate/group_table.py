"""The answer of an aggregation: a line per group, and the same as structured content."""

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent

from runs_mcp.server.aggregate.aggregation import Aggregate, AggregateQuery
from runs_mcp.server.aggregate.groups import Dimension
from runs_mcp.server.aggregate.list_prices import UNKNOWN_COST, Costs
from runs_mcp.server.aggregate.measures import COST_DIGITS, Number
from runs_mcp.server.render import tables
from runs_mcp.server.render.cuts import fair_share

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
MOST_GROUPS = 200
TEXT_CHARS_PER_GROUP = 74
"""The room for a group in the text, of 20 groups at least. Structured content has labels whole that are cut to fit."""
FEWEST_GROUPS = 20
SHORTEST_LABEL_CHARS = 12
SEVERAL_TAGS = "A run counts in the group of each of its tags."
WITHOUT: Mapping[Dimension, str] = {"error": "without an error", "tag": "without a tag"}
FIELD_NAMES = {"execution_time": "duration", "token_use": "token counts", "cost": "known cost"}


def group_table(query: AggregateQuery, answer: Aggregate, workspace: str, *, hint: str = "") -> CallToolResult:
    """Return `answer` as text and as structured content; `hint` says how to find runs if none match."""
    lines = [*_lines(query, answer, workspace), *([hint] if hint else [])]
    structured = {
        **_structured(answer, workspace),
        **({"note": SEVERAL_TAGS} if _counts_several_times(query, answer) else {}),
        **({"advice": hint} if hint else {}),
    }
    return CallToolResult(content=[TextContent(type="text", text="\n".join(lines))], structured_content=structured)


def _structured(answer: Aggregate, workspace: str) -> dict[str, Any]:
    groups = [
        {"by": dict(group.by), **({"ids": dict(group.ids)} if group.ids else {}), **group.values}
        for group in answer.groups
    ]
    known = {
        "matching": answer.matching,
        "oldest": answer.oldest.isoformat() if answer.oldest else None,
        "left_out": answer.left_out or None,
        **{f"without_{dimension}": count for dimension, count in answer.without.items()},
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


def _counts_several_times(query: AggregateQuery, answer: Aggregate) -> bool:
    """Return True if the groups can have more runs together than there are, so that they do not add up to the total."""
    return "tag" in query.by and bool(answer.groups)


def _cost_source(costs: Costs | None) -> dict[str, int] | None:
    if costs is None:
        return None
    return {"reported": costs.reported, "estimated": costs.estimated, "unpriced": costs.unpriced}


def _lines(query: AggregateQuery, answer: Aggregate, workspace: str) -> list[str]:
    coverage, notes = _coverage(answer, workspace), _notes(query, answer)
    if query.by and answer.groups:
        room = TEXT_CHARS_PER_GROUP * max(len(answer.groups), FEWEST_GROUPS) - sum(map(len, [coverage, *notes]))
        lines = _table(query, answer, room)
    elif query.by:
        lines = ["No groups."]
    else:
        lines = [", ".join(f"{name} {_number(value)}" for name, value in answer.total.items())]
    return [coverage, *lines, *notes]


def _table(query: AggregateQuery, answer: Aggregate, room: int) -> list[str]:
    """Return the table, with labels cut so that it takes about `room` characters."""
    labels = [[tables.cell(label).replace("|", "¦") for label in group.by.values()] for group in answer.groups]
    numbers = ["|".join(map(_number, group.values.values())) for group in answer.groups]
    head = "|".join([*query.by, *query.measures])
    total = "|".join([*["Total", ""][: len(query.by)], *map(_number, answer.total.values())])
    room -= sum(len(row) + len(query.by) + 1 for row in [head, total, *numbers])
    longest = max(fair_share((len(label) for row in labels for label in row), room), SHORTEST_LABEL_CHARS)
    rows = [
        "|".join([*(_shortened(label, longest) for label in row[0]), row[1]])
        for row in zip(labels, numbers, strict=True)
    ]
    return [head, *rows, total]


def _shortened(label: str, longest: int) -> str:
    """Return `label` without its middle if it is too long: names often differ at their end, and ids are there."""
    if len(label) <= longest:
        return label
    tail = longest // 2
    return f"{label[: longest - tail - 1]}…{label[-tail:]}"


def _coverage(answer: Aggregate, workspace: str) -> str:
    if answer.complete:
        return f"All {answer.covered:,} matching runs counted ({workspace})"
    whole = f"{answer.matching:,}" if answer.matching is not None else "an unknown number of"
    oldest = f", the newest first, back to {tables.short_time(answer.oldest)} UTC" if answer.oldest else ""
    shorter = f', e.g. start="{answer.oldest:%Y-%m-%dT%H:%M}Z"' if answer.oldest else ""
    return (
        f"INCOMPLETE: {answer.covered:,} of {whole} matching runs counted{oldest} ({workspace}). "
        f"For exact numbers ask for a shorter period{shorter}, or narrow by another filter."
    )


def _number(value: Number) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.{COST_DIGITS if abs(value) < 1 else 2}f}".rstrip("0").rstrip(".")


def _notes(query: AggregateQuery, answer: Aggregate) -> list[str]:
    notes = []
    if answer.missing:
        missing = ", ".join(f"{count:,} without {FIELD_NAMES[name]}" for name, count in answer.missing.items())
        notes.append(f"Runs left out of measures: {missing}.")
    if answer.without:
        without = ", ".join(f"{count:,} {WITHOUT[name]}" for name, count in answer.without.items())
        notes.append(f"Runs in no group: {without}.")
    if _counts_several_times(query, answer):
        notes.append(SEVERAL_TAGS)
    if answer.left_out:
        which = "earlier" if query.in_time else "more" if query.sort else "further"
        advice = "raise limit" if query.limit < MOST_GROUPS else "narrow the filters, e.g. by start and end"
        notes.append(f"{answer.left_out:,} {which} groups: {advice}.")
    if answer.costs and answer.costs.unknown:
        notes.append(UNKNOWN_COST)
    elif costs := answer.costs:
        estimate = f", of {costs.estimated:,} runs estimated at list prices" if costs.estimated else ""
        notes.append("; ".join(filter(None, [f"cost is in US dollars{estimate}", costs.unpriced_note])) + ".")
    ambiguous = {label: group.ids[name] for group in answer.groups for name, label in group.by.items() if "…" in label}
    notes += [f"{tables.cell(label)} is {value}." for label, value in ambiguous.items() if value]
    told = " ".join(filter(None, notes))
    return [told] if told else []
