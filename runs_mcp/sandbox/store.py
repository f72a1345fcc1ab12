"""The runs of the sandbox, in SQLite: a narrow table to filter by; documents, tags and words apart.

Runs alike in all that they can be counted by are of one kind: facets count runs by kind, in one query.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from runs_mcp.sandbox import find

Document = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id TEXT NOT NULL UNIQUE, odd INTEGER NOT NULL, status TEXT, interaction TEXT, interaction_name TEXT, environment TEXT,
  environment_name TEXT, model TEXT, parent TEXT, object TEXT, finish_reason TEXT, created_by TEXT, created_at TEXT,
  updated_at TEXT, kind INTEGER, tag_set INTEGER
);
CREATE TABLE IF NOT EXISTS kinds (id INTEGER PRIMARY KEY, kind TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS documents (run INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tags (tag TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (tag, run)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_by_run ON tags (run);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (prompt, parameters, result);
CREATE INDEX IF NOT EXISTS by_update ON runs (updated_at DESC);
CREATE INDEX IF NOT EXISTS by_kind ON runs (kind);
CREATE INDEX IF NOT EXISTS by_tag_set ON runs (tag_set);
CREATE INDEX IF NOT EXISTS by_creation ON runs (created_at, kind, tag_set);
CREATE INDEX IF NOT EXISTS by_status ON runs (status, updated_at DESC, kind, tag_set);
CREATE INDEX IF NOT EXISTS by_interaction ON runs (interaction, updated_at DESC, kind, tag_set);
CREATE INDEX IF NOT EXISTS by_environment ON runs (environment, updated_at DESC, kind, tag_set);
CREATE INDEX IF NOT EXISTS by_model ON runs (model, updated_at DESC, kind, tag_set);
CREATE INDEX IF NOT EXISTS by_parent ON runs (parent, updated_at DESC, kind, tag_set);
CREATE INDEX IF NOT EXISTS by_finish_reason ON runs (finish_reason);
"""
COLUMNS = tuple(
    (
        "id odd status interaction interaction_name environment environment_name model parent object finish_reason "
        "created_by created_at updated_at"
    ).split()
)
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
INSERT = f"INSERT INTO runs ({', '.join(COLUMNS)}, kind, tag_set) VALUES ({'?, ' * len(COLUMNS)}?, ?)"
NEWEST_FIRST = "ORDER BY r.updated_at DESC, r.rowid DESC"
TAGGED = f"SELECT run FROM tags WHERE tag IN ({find.LISTED})"
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
FIND_BUDGET_S = 5.0
ROWS_BETWEEN_LOOKS = 256


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


@dataclass(frozen=True, slots=True)
class Breakdown:
    """How many runs there are of each kind, the pairs of id and name by field, and with each set of tags.

    Sets of tags stand apart, since some tags are of one run alone.
    """

    kinds: Sequence[tuple[Mapping[str, Sequence[str | None]], int]]
    tag_sets: Sequence[tuple[Sequence[str], int]]

    @property
    def total(self) -> int:
        """How many runs there are."""
        return sum(count for _, count in self.kinds)

    def counts(self, field: str) -> list[Count]:
        """How many runs have each value of `field`, most first."""
        totals: Counter[tuple[str | None, ...]] = Counter()
        for kind, count in self.kinds if field != "tag" else ():
            totals[tuple(kind[field])] += count
        for tags, count in self.tag_sets if field == "tag" else ():
            totals.update({(tag, tag): count for tag in tags})
        counts = [Count(value, name, count) for (value, name), count in totals.items()]
        return sorted(counts, key=lambda one: (-one.count, one.id or "", one.name or ""))


class Store:
    """Runs as documents. Not for two threads at once: callers take turns."""

    def __init__(self, file: Path | None) -> None:
        """Open `file`, or memory.

        Raises:
            OSError: the file cannot be opened, or is not one of runs.
        """
        try:
            self._database = _opened(file)
        except sqlite3.DatabaseError as error:
            raise OSError(f"cannot keep runs in {file}: {error}") from None

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
            assignments = ", ".join(f"{name} = ?" for name in COLUMNS)
            columns = [*_columns(document), *self._kinds(document)]
            self._database.execute(
                f"UPDATE runs SET {assignments}, kind = ?, tag_set = ? WHERE rowid = ?", [*columns, row]
            )
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

    def breakdown(self, filters: Filters, *, tags: bool = True) -> Breakdown:
        """How many runs there are of each kind, and unless not wanted with each set of tags."""
        where, values = _where(filters)
        return Breakdown(self._grouped("kind", where, values), self._grouped("tag_set", where, values) if tags else [])

    def _grouped(self, column: str, where: str, values: Sequence[Any]) -> list[tuple[Any, int]]:
        by = f"r.{column}" if where == "1" else f"+r.{column}"  # filtered, by the filter's index and not by this one
        counted = f"SELECT r.{column} AS kind, count(*) AS count FROM runs r WHERE {where} GROUP BY {by}"
        rows = self._database.execute(f"SELECT k.kind, count FROM ({counted}) c JOIN kinds k ON k.id = c.kind", values)
        return [(json.loads(kind), count) for kind, count in rows]

    def find(self, query: Mapping[str, Any], *, limit: int, offset: int = 0) -> list[Document]:
        """Runs that match a MongoDB filter, most recently updated first.

        Raises:
            find.UnsupportedFilterError: the filter cannot be evaluated.
            SlowFilterError: it takes too long.
        """
        matches = find.matcher(query)
        hits = (document for document in self._candidates(query) if matches(document))
        return list(islice(hits, offset, offset + limit))

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
        row = self._database.execute(INSERT, [*_columns(document), *self._kinds(document)]).lastrowid or 0
        self._database.execute("INSERT INTO documents VALUES (?, ?)", [row, _dump(document)])
        self._insert_words_and_tags(row, document)

    def _kinds(self, document: Document) -> tuple[int, int]:
        """The numbers of the run's kind and of its set of tags."""
        return self._number(_dump(_kind(document))), self._number(_dump(_tags(document)))

    def _number(self, kind: str) -> int:
        self._database.execute("INSERT INTO kinds (kind) VALUES (?) ON CONFLICT DO NOTHING", [kind])
        return int(self._database.execute("SELECT id FROM kinds WHERE kind = ?", [kind]).fetchone()[0])

    def _insert_words_and_tags(self, row: int, document: Document) -> None:
        self._database.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, row) for tag in _tags(document)])
        texts = [_text(document.get(name)) for name in ("prompt", "parameters", "result")]
        self._database.execute(
            "INSERT INTO words (rowid, prompt, parameters, result) VALUES (?, ?, ?, ?)", [row, *texts]
        )

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)


def _opened(file: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(
        str(file) if file else ":memory:", check_same_thread=False, timeout=10, isolation_level=None
    )
    try:
        database.executescript(PRAGMAS + SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


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
    plain += [interaction.get("id"), environment.get("id")]
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


def _kind(document: Document) -> dict[str, list[str | None]]:
    """What a run is counted by, but for its tags: by field, a pair of id and name."""
    names = {"model": "modelId", "status": "status", "finish_reason": "finish_reason"}
    plain = {field: [_string(document.get(name))] * 2 for field, name in names.items()}
    references = {name: _reference(document, name) for name in ("interaction", "environment")}
    named = {name: [_string(one.get("id")), _string(one.get("name"))] for name, one in references.items()}
    return {**named, **plain}


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _tags(document: Document) -> list[str]:
    tags = document.get("tags")
    return sorted({tag for tag in tags if isinstance(tag, str)}) if isinstance(tags, list) else []


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
    if filters.tags:
        all_of = f"{TAGGED} GROUP BY run HAVING count(*) = ?"
        yield f"r.rowid IN ({all_of})", [_dump(filters.tags), len(set(filters.tags))]
    if filters.any_tags:
        yield f"r.rowid IN ({TAGGED})", [_dump(filters.any_tags)]
    if filters.exclude_tags:
        yield f"r.rowid NOT IN ({TAGGED})", [_dump(filters.exclude_tags)]
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
    return (f"{column} IN ({find.LISTED})", [_dump(values)]) if values else None


def _equal(column: str, value: str | None) -> tuple[str, list[Any]] | None:
    return _compared(f"{column} = ?", value)


def _compared(condition: str, value: str | None) -> tuple[str, list[Any]] | None:
    return None if value is None else (condition, [value])


def _quoted(text: str) -> str:
    """`text` as words to find all of, none of them syntax."""
    words = re.findall(r'[^\s"\0]+', text)
    return " ".join(f'"{word}"' for word in words) or '""'


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else _dump(value)


def _dump(value: Any) -> str:
    return ENCODER.encode(value)
