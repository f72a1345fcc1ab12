"""Predicate pushdown: SQL conditions that every run matching a MongoDB filter meets, so that fewer runs are checked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runs_mcp.sandbox.storage.run_schema import LISTED

Clause = tuple[str, list[Any]]

MAX_SQL = 10_000
"""Maximum length of a condition, in characters: well below the depth of an expression that SQLite parses."""
COLUMNS = {
    "id": "id",
    "status": "status",
    "modelId": "model",
    "interaction.id": "interaction",
    "environment.id": "environment",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def push_down(query: Mapping[str, Any]) -> Clause:
    """Return a condition over `runs r` that each run matching the normalized `query` meets.

    Runs whose values do not fit their columns (`odd`) always meet it.
    """
    # Conditions that SQL cannot express (`$or`, `$not`, patterns) are left out: the full check decides them.
    clauses = [clause for field, condition in query.items() if (clause := _clause(field, condition))]
    sql, values = _all_of(clauses)
    return (f"(r.odd OR ({sql}))", values) if sql and len(sql) <= MAX_SQL else ("1", [])


def _all_of(clauses: Sequence[Clause]) -> Clause:
    return " AND ".join(f"({text})" for text, _ in clauses), [value for _, values in clauses for value in values]


def _clause(field: str, condition: Any) -> Clause | None:
    if field == "$and" and isinstance(condition, list):
        inner = [clause for part in condition for key, value in part.items() if (clause := _clause(key, value))]
        return _all_of(inner) if inner else None
    if field == "tags":
        return _tags_clause(condition)
    column = COLUMNS.get(field)
    return _column_clause(f"r.{column}", condition) if column else None


def _column_clause(column: str, condition: Any) -> Clause | None:
    if isinstance(condition, str):
        return f"{column} = ?", [condition]
    if not isinstance(condition, Mapping):
        return None
    parts: list[Clause] = []
    for operator, value in condition.items():
        if operator == "$eq" and isinstance(value, str):
            parts.append((f"{column} = ?", [value]))
        elif operator == "$in" and isinstance(value, list) and _all_strings(value):
            parts.append((f"{column} IN ({LISTED})", [json.dumps(value)]))
        elif operator in COMPARISONS and isinstance(value, str):
            parts.append((f"{column} {COMPARISONS[operator]} ?", [value]))
    return _all_of(parts) if parts else None


def _tags_clause(condition: Any) -> Clause | None:
    match condition:
        case str():
            return _tagged([condition])
        case {"$in": list(tags)} | {"$all": list(tags)} if tags and _all_strings(tags):
            return _tagged(tags)
        case _:
            return None


def _all_strings(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _tagged(tags: list[Any]) -> Clause:
    # Any of the tags, also for `$all`: the condition may select too many runs, never too few.
    return f"r.rowid IN (SELECT run FROM tags WHERE tag IN ({LISTED}))", [json.dumps(tags)]
