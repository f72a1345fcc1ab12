"""The runs of the sandbox, in SQLite: a narrow table to filter by, documents, tags and words apart."""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from runs_mcp.sandbox import find

Document = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id TEXT NOT NULL UNIQUE, odd INTEGER NOT NULL, status TEXT, interaction TEXT, interaction_name TEXT, environment TEXT,
  environment_name TEXT, model TEXT, parent TEXT, object TEXT, finish_reason TEXT, created_by TEXT, created_at TEXT,
  updated_at TEXT
);
CREATE TABLE IF NOT EXISTS documents (run INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tags (tag TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (tag, run)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_by_run ON tags (run);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (prompt, parameters, result);
CREATE INDEX IF NOT EXISTS by_update ON runs (updated_at DESC);
CREATE INDEX IF NOT EXISTS by_creation ON runs (created_at);
CREATE INDEX IF NOT EXISTS by_status ON runs (status, updated_at DESC);
CREATE INDEX IF NOT EXISTS by_interaction ON runs (interaction, interaction_name, updated_at DESC);
CREATE INDEX IF NOT EXISTS by_environment ON runs (environment, environment_name, updated_at DESC);
CREATE INDEX IF NOT EXISTS by_model ON runs (model, updated_at DESC);
CREATE INDEX IF NOT EXISTS by_parent ON runs (parent, updated_at DESC);
CREATE INDEX IF NOT EXISTS by_finish_reason ON runs (finish_reason);
"""
COLUMNS = tuple(
    (
        "id odd status interaction interaction_name environment environment_name model parent object finish_reason "
        "created_by created_at updated_at"
    ).split()
)
NEWEST_FIRST = "ORDER BY r.updated_at DESC, r.rowid DESC"
FIND_BUDGET_S = 5.0
ROWS_BETWEEN_LOOKS = 256
GROUPS = {
    "interaction": ("r.interaction", "r.interaction_name"),
    "environment": ("r.environment", "r.environment_name"),
    "model": ("r.model", "r.model"),
    "status": ("r.status", "r.status"),
    "finish_reason": ("r.finish_reason", "r.finish_reason"),
}
"""What runs can be counted by: the column of the id and that of the name. Tags are in a table of their own."""


class SlowFilterError(ValueError):
    """A `find` had to look at too many runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which runs; empty is any."""

    interactions: Sequence[str] = ()
    statuses: Sequence[str] = ()
    models: Sequence[str] = ()
    environments: Sequence[str] = ()
    tags: Sequence[str] = ()
    any_tags: Sequence[str] = ()
    exclude_tags: Sequence[str] = ()
    parents: Sequence[str] = ()
    run_ids: Sequence[str] = ()
    roots: bool | None = None
    text: str | None = None
    name: str | None = None
    object: str | None = None
    finish_reason: str | None = None
    created_by: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many runs have one value."""

    id: str | None
    name: str | None
    count: int


class Store:
    """Runs as documents. Not for two threads at once: callers take turns."""

    def __init__(self, file: Path | None) -> None:
        self._database = sqlite3.connect(
            str(file) if file else ":memory:", check_same_thread=False, timeout=10, isolation_level=None
        )
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def is_empty(self) -> bool:
        """Whether there are no runs."""
        return self._database.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None

    def add(self, documents: Iterable[Document]) -> None:
        """Add runs, all or none."""
        with self._transaction():
            for document in documents:
                self._insert(document)

    def replace(self, document: Document) -> None:
        """Put `document` in the place of the run with its id."""
        with self._transaction():
            row = self._row_of(document["id"])
            columns = _columns(document)
            assignments = ", ".join(f"{name} = ?" for name in COLUMNS)
            self._database.execute(f"UPDATE runs SET {assignments} WHERE rowid = ?", [*columns, row])
            self._database.execute("UPDATE documents SET document = ? WHERE run = ?", [_dump(document), row])
            self._database.execute("DELETE FROM tags WHERE run = ?", [row])
            self._database.execute("DELETE FROM words WHERE rowid = ?", [row])
            self._insert_words_and_tags(row, document)

    def get(self, run_id: str) -> Document | None:
        """One run."""
        sql = "SELECT d.document FROM runs r JOIN documents d ON d.run = r.rowid WHERE r.id = ?"
        found = self._database.execute(sql, [run_id]).fetchone()
        return json.loads(found[0]) if found else None

    def page(self, filters: Filters, *, limit: int, offset: int = 0) -> list[Document]:
        """Runs, most recently updated first."""
        where, values = _where(filters)
        chosen = f"SELECT r.rowid AS run FROM runs r WHERE {where} {NEWEST_FIRST} LIMIT ? OFFSET ?"
        rows = self._database.execute(chosen, [*values, limit, offset]).fetchall()
        return [self._document(row) for (row,) in rows]

    def count(self, filters: Filters) -> int:
        """How many runs there are."""
        where, values = _where(filters)
        return int(self._database.execute(f"SELECT count(*) FROM runs r WHERE {where}", values).fetchone()[0])

    def counts(self, field: str, filters: Filters) -> list[Count]:
        """How many runs have each value of `field`, most first."""
        where, values = _where(filters)
        if field == "tag":
            hits = "" if where == "1" else f"WHERE run IN (SELECT r.rowid FROM runs r WHERE {where})"
            sql = f"SELECT tag, tag, count(*) FROM tags {hits} GROUP BY tag"
        else:
            key, name = GROUPS[field]
            sql = f"SELECT {key}, {name}, count(*) FROM runs r WHERE {where} GROUP BY {key}, {name}"
        return [Count(*row) for row in self._database.execute(f"{sql} ORDER BY 3 DESC, 1", values)]

    def find(self, query: Mapping[str, Any], *, limit: int, offset: int = 0) -> list[Document]:
        """Runs that match a MongoDB filter, most recently updated first.

        Raises:
            find.UnsupportedFilterError: the filter cannot be evaluated.
            SlowFilterError: it takes too long.
        """
        matches = find.matcher(query)
        hits = (document for document in self._candidates(query) if matches(document))
        skipped = [next(hits, None) for _ in range(offset)]
        if offset and skipped[-1] is None:
            return []
        return [document for document, _ in zip(hits, range(limit), strict=False)]

    def _candidates(self, query: Mapping[str, Any]) -> Iterator[Document]:
        where, values = find.narrowed(find.normalized(query))
        sql = f"SELECT r.rowid FROM runs r WHERE {where} {NEWEST_FIRST}"
        deadline = monotonic() + FIND_BUDGET_S
        for number, (row,) in enumerate(self._database.execute(sql, values).fetchall()):
            if number % ROWS_BETWEEN_LOOKS == 0 and monotonic() > deadline:
                raise SlowFilterError(
                    f"the filter took over {FIND_BUDGET_S:g} s; narrow it by status, interaction or date"
                )
            yield self._document(row)

    def interrupted(self) -> list[Document]:
        """Runs that were executing when the process that did so ended."""
        return self.page(Filters(statuses=("processing",)), limit=-1)

    def _document(self, row: int) -> Document:
        found = self._database.execute("SELECT document FROM documents WHERE run = ?", [row]).fetchone()
        document: Document = json.loads(found[0])
        return document

    def _row_of(self, run_id: str) -> int:
        return int(self._database.execute("SELECT rowid FROM runs WHERE id = ?", [run_id]).fetchone()[0])

    def _insert(self, document: Document) -> None:
        sql = f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({_places(COLUMNS)})"
        row = self._database.execute(sql, _columns(document)).lastrowid or 0
        self._database.execute("INSERT INTO documents VALUES (?, ?)", [row, _dump(document)])
        self._insert_words_and_tags(row, document)

    def _insert_words_and_tags(self, row: int, document: Document) -> None:
        tags = document.get("tags")
        names = {tag for tag in tags if isinstance(tag, str)} if isinstance(tags, list) else set()
        self._database.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, row) for tag in sorted(names)])
        texts = [_text(document.get(name)) for name in ("prompt", "parameters", "result")]
        self._database.execute(
            "INSERT INTO words (rowid, prompt, parameters, result) VALUES (?, ?, ?, ?)", [row, *texts]
        )

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)


class _Transaction:
    """All of the block's writes, or none; the file is taken at its start, so that two processes take turns."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *rest: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def _columns(document: Document) -> list[Any]:
    """The values to filter by; `odd` where one is not what its column is for, so that SQL never filters the run out."""
    interaction, environment = _reference(document, "interaction"), _reference(document, "environment")
    plain = [document.get(name) for name in ("id", "status", "modelId", "parent", "created_at", "updated_at")]
    tags = document.get("tags", [])
    odd = (
        not all(value is None or isinstance(value, str) for value in plain)
        or not all(isinstance(document.get(name, {}), dict) for name in ("interaction", "environment"))
        or not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags))
    )
    values = {
        **{name: document.get(name) for name in ("id", "status", "parent", "object", "finish_reason", "created_by")},
        **{name: document.get(name) for name in ("created_at", "updated_at")},
        "model": document.get("modelId"),
        "odd": odd,
        "interaction": interaction.get("id"),
        "interaction_name": interaction.get("name"),
        "environment": environment.get("id"),
        "environment_name": environment.get("name"),
    }
    return [value if isinstance(value, str | int | None) else None for value in (values[name] for name in COLUMNS)]


def _reference(document: Document, name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _where(filters: Filters) -> tuple[str, list[Any]]:
    clauses = [clause for clause in _clauses(filters) if clause is not None]
    sql = " AND ".join(f"({text})" for text, _ in clauses) or "1"
    return sql, [value for _, values in clauses for value in values]


def _clauses(filters: Filters) -> Iterator[tuple[str, list[Any]] | None]:
    yield _among("r.interaction", filters.interactions)
    yield _among("r.status", filters.statuses)
    yield _among("r.model", filters.models)
    yield _among("r.environment", filters.environments)
    yield _among("r.parent", filters.parents)
    yield _among("r.id", filters.run_ids)
    for tag in filters.tags:
        yield "r.rowid IN (SELECT run FROM tags WHERE tag = ?)", [tag]
    if filters.any_tags:
        yield f"r.rowid IN (SELECT run FROM tags WHERE tag IN ({_places(filters.any_tags)}))", list(filters.any_tags)
    for tag in filters.exclude_tags:
        yield "r.rowid NOT IN (SELECT run FROM tags WHERE tag = ?)", [tag]
    if filters.roots is not None:
        yield f"r.parent IS {'' if filters.roots else 'NOT '}NULL", []
    if filters.text is not None:
        yield "r.rowid IN (SELECT rowid FROM words WHERE words MATCH ?)", [_quoted(filters.text)]
    if filters.name is not None:
        yield "instr(lower(r.interaction_name), lower(?)) > 0", [filters.name]
    yield _equal("r.object", filters.object)
    yield _equal("r.finish_reason", filters.finish_reason)
    yield _equal("r.created_by", filters.created_by)
    yield _compared("r.created_at >= ?", filters.start)
    yield _compared("r.created_at < ?", filters.end)


def _among(column: str, values: Sequence[str]) -> tuple[str, list[Any]] | None:
    return (f"{column} IN ({_places(values)})", list(values)) if values else None


def _places(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _equal(column: str, value: str | None) -> tuple[str, list[Any]] | None:
    return _compared(f"{column} = ?", value)


def _compared(condition: str, value: str | None) -> tuple[str, list[Any]] | None:
    return None if value is None else (condition, [value])


def _quoted(text: str) -> str:
    """`text` as words to find all of, none of them syntax."""
    words = re.findall(r"\S+", text.replace('"', " "))
    return " ".join(f'"{word}"' for word in words) or '""'


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
