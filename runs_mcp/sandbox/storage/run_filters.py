"""The filters of list, search and facets as SQL."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runs_mcp.sandbox.storage.run_schema import LISTED, WORD_COLUMNS, dump

# A list is bound as one JSON value, since SQLite limits the number of variables in a statement.
TAGGED = f"SELECT run FROM tags WHERE tag IN ({LISTED})"
DESCENDANTS = (
    "WITH RECURSIVE tree (id) AS (SELECT ? UNION SELECT c.id FROM runs c JOIN tree t ON c.parent = t.id) "
    "SELECT id FROM tree"
)
SORT_COLUMNS = frozenset(
    {"id", "status", "created_at", "updated_at", "parent", "object", "finish_reason", "created_by"}
)
NEWEST_FIRST = "ORDER BY r.updated_at DESC, r.rowid DESC"
Clause = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The runs to select; an empty or missing value selects all."""

    interactions: Sequence[str] = ()
    statuses: Sequence[str] = ()
    models: Sequence[str] = ()
    environments: Sequence[str] = ()
    tags: Sequence[str] = ()
    """Tags that a run must all have."""
    any_tags: Sequence[str] = ()
    """Tags of which a run must have at least one."""
    exclude_tags: Sequence[str] = ()
    parents: Sequence[str] = ()
    run_ids: Sequence[str] = ()
    workflow_run_ids: Sequence[str] = ()
    workflow_ids: Sequence[str] = ()
    is_agent: bool | None = None
    """True: runs of agents; False: all others."""
    from_root: str | None = None
    """Id of a run: selects it and its descendants."""
    roots: bool | None = None
    """True: runs without a parent; False: runs with a parent."""
    text: str | None = None
    text_field: str | None = None
    """The field to search for `text`; None searches all fields."""
    name: str | None = None
    object: str | None = None
    finish_reason: str | None = None
    created_by: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field to order runs by, with dots for nested fields."""

    field: str
    descending: bool = True


def where(filters: Filters) -> Clause:
    """Return the condition over `runs r` and its values."""
    clauses = [clause for clause in _clauses(filters) if clause is not None]
    sql = " AND ".join(f"({text})" for text, _ in clauses) or "1"
    return sql, [value for _, values in clauses for value in values]


def order(keys: Sequence[SortKey]) -> Clause:
    """Return the ORDER BY over `runs r` and its values; without `keys`, the most recently updated runs come first.

    Runs that lack a field come last in either direction.
    """
    terms: list[str] = []
    values: list[Any] = []
    for key in keys:
        direction = "DESC" if key.descending else "ASC"
        if key.field in SORT_COLUMNS:
            terms.append(f"r.{key.field} {direction} NULLS LAST")
        else:
            # The path is a bound value, and without quotes in it no part can end its own quotation.
            path = "$" + "".join(f'."{part}"' for part in key.field.replace('"', "").split("."))
            document = "SELECT json_extract(d.document, ?) FROM documents d WHERE d.run = r.rowid"
            terms.append(f"({document}) {direction} NULLS LAST")
            values.append(path)
    return (f"ORDER BY {', '.join(terms)}, r.updated_at DESC, r.rowid DESC", values) if terms else (NEWEST_FIRST, [])


def _clauses(filters: Filters) -> Iterator[Clause | None]:
    yield _among("r.interaction", filters.interactions)
    yield _among("r.status", filters.statuses)
    yield _among("r.model", filters.models)
    yield _among("r.environment", filters.environments)
    yield _among("r.parent", filters.parents)
    yield _among("r.id", filters.run_ids)
    yield _workflow("run_id", filters.workflow_run_ids)
    yield _workflow("workflow_id", filters.workflow_ids)
    yield from _tag_clauses(filters)
    if filters.is_agent is not None:
        yield f"{_in_workflow('agent_run_id')} IS {'NOT' if filters.is_agent else ''} NULL", []
    if filters.from_root is not None:
        yield f"r.id IN ({DESCENDANTS})", [filters.from_root]
    if filters.roots is not None:
        yield f"r.parent IS {'' if filters.roots else 'NOT '}NULL", []
    if filters.text is not None:
        yield "r.rowid IN (SELECT rowid FROM words WHERE words MATCH ?)", [_match(filters.text, filters.text_field)]
    if filters.name is not None:
        yield "instr(lower(r.interaction_name), lower(?)) > 0", [filters.name]
    yield _compared("r.object = ?", filters.object)
    yield _compared("r.finish_reason = ?", filters.finish_reason)
    yield _compared("r.created_by = ?", filters.created_by)
    yield _compared("r.created_at >= ?", filters.start)
    yield _compared("r.created_at < ?", filters.end)


def _tag_clauses(filters: Filters) -> Iterator[Clause]:
    if filters.tags:
        # The primary key (tag, run) makes the count the number of distinct tags.
        all_of = f"{TAGGED} GROUP BY run HAVING count(*) = ?"
        yield f"r.rowid IN ({all_of})", [dump(filters.tags), len(set(filters.tags))]
    if filters.any_tags:
        yield f"r.rowid IN ({TAGGED})", [dump(filters.any_tags)]
    if filters.exclude_tags:
        yield f"r.rowid NOT IN ({TAGGED})", [dump(filters.exclude_tags)]


def _among(column: str, values: Sequence[str]) -> Clause | None:
    return (f"{column} IN ({LISTED})", [dump(values)]) if values else None


def _workflow(field: str, values: Sequence[str]) -> Clause | None:
    return _among(_in_workflow(field), values)


def _in_workflow(field: str) -> str:
    return f"(SELECT json_extract(d.document, '$.workflow.{field}') FROM documents d WHERE d.run = r.rowid)"


def _compared(condition: str, value: str | None) -> Clause | None:
    return None if value is None else (condition, [value])


def _match(text: str, field: str | None) -> str:
    """Return a full-text query for all words of `text`."""
    # Each word is quoted, because operators of FTS5 such as `-` or `NEAR` in user text would be syntax errors.
    quoted = " ".join(f'"{word}"' for word in re.findall(r'[^\s"\0]+', text)) or '""'
    column = (field or "").partition(".")[0]
    return f"{column} : ({quoted})" if column in WORD_COLUMNS else quoted
