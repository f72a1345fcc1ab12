"""The filters of list, search and facets as SQL."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runs_mcp.sandbox.storage.run_schema import COLUMNS, LISTED, WORD_COLUMNS, dump

# A list is bound as one JSON value, since SQLite limits the number of variables in a statement.
TAGGED = f"SELECT tag_set FROM tags WHERE tag IN ({LISTED})"
DESCENDANTS = (
    "WITH RECURSIVE tree (id) AS (SELECT ? UNION SELECT c.id FROM runs c JOIN tree t ON c.parent = t.id) "
    "SELECT id FROM tree"
)
KIND_SORT_COLUMNS = frozenset({"status", "finish_reason"})
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


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions in SQL that runs must meet, by what the conditions read."""

    groups: Sequence[Clause] = ()
    """Over the columns `kind` and `tag_set`, which `runs` and `counts` share."""
    times: Sequence[Clause] = ()
    """Over `runs.created_at`, which the indexes `by_kind` and `by_update` contain."""
    located: Sequence[Clause] = ()
    """Conditions that few runs meet, which SQLite finds by an index."""
    others: Sequence[Clause] = ()

    def __and__(self, other: "Selection") -> "Selection":
        """Return the selection of the runs that are in both."""
        return Selection(
            groups=[*self.groups, *other.groups],
            times=[*self.times, *other.times],
            located=[*self.located, *other.located],
            others=[*self.others, *other.others],
        )

    @property
    def clauses(self) -> Sequence[Clause]:
        """All conditions."""
        return [*self.groups, *self.times, *self.located, *self.others]


def select(filters: Filters) -> Selection:
    """Return the selection of the runs that pass `filters`."""
    return Selection(
        groups=[*_kind_clauses(filters), *_tag_clauses(filters)],
        times=list(_time_clauses(filters)),
        located=list(_located_clauses(filters)),
        others=list(_other_clauses(filters)),
    )


def all_of(clauses: Sequence[Clause]) -> Clause:
    """Return the condition that all `clauses` hold."""
    return " AND ".join(f"({sql})" for sql, _ in clauses) or "1", [value for _, values in clauses for value in values]


def of_kind(condition: str) -> str:
    """Return the condition that the kind of a run meets `condition`."""
    return f"kind IN (SELECT id FROM kinds WHERE {condition})"


def order(keys: Sequence[SortKey]) -> Clause:
    """Return the ORDER BY over `runs r` and its values; without `keys`, the most recently updated runs come first.

    Runs that lack a field come last in either direction.
    """
    terms: list[str] = []
    values: list[Any] = []
    for key in keys:
        direction = "DESC" if key.descending else "ASC"
        if key.field in COLUMNS:
            terms.append(f"r.{key.field} {direction} NULLS LAST")
        elif key.field in KIND_SORT_COLUMNS:
            terms.append(f"(SELECT k.{key.field} FROM kinds k WHERE k.id = r.kind) {direction} NULLS LAST")
        else:
            # The path is a bound value, and without quotes in it no part can end its own quotation.
            path = "$" + "".join(f'."{part}"' for part in key.field.replace('"', "").split("."))
            document = "SELECT json_extract(d.document, ?) FROM documents d WHERE d.run = r.rowid"
            terms.append(f"({document}) {direction} NULLS LAST")
            values.append(path)
    return (f"ORDER BY {', '.join(terms)}, r.updated_at DESC, r.rowid DESC", values) if terms else (NEWEST_FIRST, [])


def _kind_clauses(filters: Filters) -> Iterator[Clause]:
    """Yield the conditions over the kind of a run as one, so that the kinds are read once."""
    clauses = [
        *_among("status", filters.statuses),
        *_among("interaction", filters.interactions),
        *_among("model", filters.models),
        *_among("environment", filters.environments),
        *_compared("finish_reason = ?", filters.finish_reason),
        *_compared("instr(lower(interaction_name), lower(?)) > 0", filters.name),
        *([] if filters.roots is None else [("root = ?", [filters.roots])]),
    ]
    if clauses:
        condition, values = all_of(clauses)
        yield of_kind(condition), values


def _tag_clauses(filters: Filters) -> Iterator[Clause]:
    if filters.tags:
        # The primary key (tag, tag_set) makes the count the number of distinct tags.
        every = f"{TAGGED} GROUP BY tag_set HAVING count(*) = ?"
        yield f"tag_set IN ({every})", [dump(filters.tags), len(set(filters.tags))]
    if filters.any_tags:
        yield f"tag_set IN ({TAGGED})", [dump(filters.any_tags)]
    if filters.exclude_tags:
        yield f"tag_set NOT IN ({TAGGED})", [dump(filters.exclude_tags)]


def _time_clauses(filters: Filters) -> Iterator[Clause]:
    yield from _compared("r.created_at >= ?", filters.start)
    yield from _compared("r.created_at < ?", filters.end)


def _located_clauses(filters: Filters) -> Iterator[Clause]:
    yield from _among("r.id", filters.run_ids)
    yield from _among("r.parent", filters.parents)
    yield from _compared(f"r.id IN ({DESCENDANTS})", filters.from_root)
    if filters.text is not None:
        yield "r.rowid IN (SELECT rowid FROM words WHERE words MATCH ?)", [_match(filters.text, filters.text_field)]


def _other_clauses(filters: Filters) -> Iterator[Clause]:
    yield from _among(_in_workflow("run_id"), filters.workflow_run_ids)
    yield from _among(_in_workflow("workflow_id"), filters.workflow_ids)
    if filters.is_agent is not None:
        yield f"{_in_workflow('agent_run_id')} IS {'NOT' if filters.is_agent else ''} NULL", []
    yield from _compared("r.object = ?", filters.object)
    yield from _compared("r.created_by = ?", filters.created_by)


def _among(column: str, values: Sequence[str]) -> Iterator[Clause]:
    if values:
        yield f"{column} IN ({LISTED})", [dump(values)]


def _compared(condition: str, value: str | None) -> Iterator[Clause]:
    if value is not None:
        yield condition, [value]


def _in_workflow(field: str) -> str:
    return f"(SELECT json_extract(d.document, '$.workflow.{field}') FROM documents d WHERE d.run = r.rowid)"


def _match(text: str, field: str | None) -> str:
    """Return a full-text query for all words of `text`."""
    # Each word is quoted, because operators of FTS5 such as `-` or `NEAR` in user text would be syntax errors.
    quoted = " ".join(f'"{word}"' for word in re.findall(r'[^\s"\0]+', text)) or '""'
    column = (field or "").partition(".")[0]
    return f"{column} : ({quoted})" if column in WORD_COLUMNS else quoted
