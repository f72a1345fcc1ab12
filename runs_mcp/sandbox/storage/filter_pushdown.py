"""Predicate pushdown: SQL conditions that every run matching a MongoDB filter meets, so that fewer runs are checked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runs_mcp.sandbox.storage.run_filters import TAGGED, Clause, Selection, all_of, of_kind
from runs_mcp.sandbox.storage.run_schema import LISTED

MAX_SQL = 10_000
"""Maximum length of a condition, in characters: well below the depth of an expression that SQLite parses."""
KIND_COLUMNS = {
    "status": "status",
    "modelId": "model",
    "interaction.id": "interaction",
    "environment.id": "environment",
}
COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def push_down(query: Mapping[str, Any]) -> Selection:
    """Return conditions that each run matching the normalized `query` meets.

    Runs whose values do not fit their columns (`odd`) always meet the conditions.
    """
    # Conditions that SQL cannot express (`$or`, `$not`, patterns) are left out: the full check decides them.
    parts: dict[str, list[Clause]] = {"groups": [], "times": [], "located": [], "others": []}
    for field, condition in _conditions(query):
        part, clauses = _clauses(field, condition)
        parts[part] += clauses
    if sum(len(sql) for clauses in parts.values() for sql, _ in clauses) > MAX_SQL:
        return Selection()
    return Selection(**{part: _or_odd(clauses) for part, clauses in parts.items()})


def _or_odd(clauses: Sequence[Clause]) -> Sequence[Clause]:
    sql, values = all_of(clauses)
    return [(f"{of_kind('odd')} OR ({sql})", values)] if clauses else []


def _conditions(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, condition in query.items():
        if field == "$and" and isinstance(condition, list):
            for part in condition:
                yield from _conditions(part)
        else:
            yield field, condition


def _clauses(field: str, condition: Any) -> tuple[str, Sequence[Clause]]:
    """Return the part of a selection that a condition belongs to, and its clauses."""
    match field:
        case "tags":
            return "groups", list(_tag_clauses(condition))
        case "status" | "modelId" | "interaction.id" | "environment.id":
            sql, values = all_of(list(_column_clauses(KIND_COLUMNS[field], condition)))
            return "groups", [(of_kind(sql), values)]
        case "created_at":
            return "times", list(_column_clauses("r.created_at", condition))
        case "id":
            return "located", list(_column_clauses("r.id", condition))
        case "updated_at":
            return "others", list(_column_clauses("r.updated_at", condition))
        case _:
            return "others", []


def _column_clauses(column: str, condition: Any) -> Iterator[Clause]:
    if isinstance(condition, str):
        yield f"{column} = ?", [condition]
    for operator, value in condition.items() if isinstance(condition, Mapping) else ():
        if operator == "$eq" and isinstance(value, str):
            yield f"{column} = ?", [value]
        elif operator == "$in" and isinstance(value, list) and _all_strings(value):
            yield f"{column} IN ({LISTED})", [json.dumps(value)]
        elif operator in COMPARISONS and isinstance(value, str):
            yield f"{column} {COMPARISONS[operator]} ?", [value]


def _tag_clauses(condition: Any) -> Iterator[Clause]:
    # Any of the tags, also for `$all`: the condition may select too many runs, never too few.
    match condition:
        case str(tag):
            yield f"tag_set IN ({TAGGED})", [json.dumps([tag])]
        case {"$in": list(tags)} | {"$all": list(tags)} if tags and _all_strings(tags):
            yield f"tag_set IN ({TAGGED})", [json.dumps(tags)]


def _all_strings(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
