"""The runs of the sandbox in SQLite."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic_core import from_json

from runs_mcp.sandbox.storage import run_schema
from runs_mcp.sandbox.storage.filter_pushdown import push_down
from runs_mcp.sandbox.storage.mongo_filter import build_matcher, normalized
from runs_mcp.sandbox.storage.run_filters import NEWEST_FIRST, Filters, SortKey, order, where
from runs_mcp.sandbox.storage.run_schema import COLUMNS, LISTED, dump

Document = dict[str, Any]

INSERT = f"INSERT INTO runs ({', '.join(COLUMNS)}, kind, tag_set) VALUES ({'?, ' * len(COLUMNS)}?, ?)"
MEASURED = ("created_at", "interaction", "model", "status", "environment")
# Filters come from models, and a filter that SQL cannot narrow would block the store for all callers.
FIND_BUDGET_S = 5.0
ROWS_BETWEEN_CHECKS = 256


class SlowFilterError(ValueError):
    """A `find` had to read too many runs."""


@dataclass(frozen=True, slots=True)
class Count:
    """The number of runs that have one value of a field."""

    id: str | None
    name: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The number of runs of each kind and with each set of tags.

    Sets of tags are counted separately: tags that belong to a single run would make almost every kind unique.
    """

    kinds: Sequence[tuple[Mapping[str, Sequence[str | None]], int]]
    """Pairs of id and name by field, and a number of runs."""
    tag_sets: Sequence[tuple[Sequence[str], int]]

    @property
    def total(self) -> int:
        """Return the number of runs."""
        return sum(count for _, count in self.kinds)

    def counts(self, field: str) -> list[Count]:
        """Return the number of runs for each value of `field`, the most frequent first."""
        totals: Counter[tuple[str | None, ...]] = Counter()
        for kind, count in self.kinds if field != "tag" else ():
            totals[tuple(kind[field])] += count
        for tags, count in self.tag_sets if field == "tag" else ():
            totals.update({(tag, tag): count for tag in tags})
        counts = [Count(value, name, count) for (value, name), count in totals.items()]
        return sorted(counts, key=lambda value: (-value.count, value.id or "", value.name or ""))


class RunStore:
    """Runs as documents. It serves one thread at a time; `Database` makes callers take turns."""

    def __init__(self, file: Path | None) -> None:
        """Open `file`, or memory if None.

        Raises:
            OSError: the file cannot be opened or does not hold runs.
        """
        try:
            self._database = _open(file)
        except sqlite3.DatabaseError as error:
            raise OSError(f"cannot keep runs in {file}: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def is_empty(self) -> bool:
        """Return true if the store holds no runs."""
        return self._database.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None

    def add(self, documents: Iterable[Document]) -> None:
        """Add runs, all or none."""
        with self._transaction():
            numbers: dict[str, int] = {}
            for document in documents:
                self._insert(document, numbers)

    def replace(self, document: Document) -> bool:
        """Replace the run with the id of `document`; return false if no such run exists."""
        with self._transaction():
            row = self._row_of(document["id"])
            if row is None:
                return False
            assignments = ", ".join(f"{name} = ?" for name in COLUMNS)
            values = [*run_schema.columns(document), *self._kinds(document, {})]
            self._database.execute(
                f"UPDATE runs SET {assignments}, kind = ?, tag_set = ? WHERE rowid = ?", [*values, row]
            )
            self._database.execute("UPDATE documents SET document = ? WHERE run = ?", [dump(document), row])
            self._delete_words_and_tags(row)
            self._insert_words_and_tags(row, document)
            return True

    def delete(self, run_id: str) -> bool:
        """Delete a run; return false if it did not exist."""
        with self._transaction():
            row = self._row_of(run_id)
            if row is None:
                return False
            self._delete_words_and_tags(row)
            self._database.execute("DELETE FROM documents WHERE run = ?", [row])
            self._database.execute("DELETE FROM runs WHERE rowid = ?", [row])
            return True

    def get(self, run_id: str) -> Document | None:
        """Return a run; None if the id is unknown."""
        sql = "SELECT d.document FROM runs r JOIN documents d ON d.run = r.rowid WHERE r.id = ?"
        row = self._database.execute(sql, [run_id]).fetchone()
        return from_json(row[0]) if row else None

    def page(self, filters: Filters, *, limit: int, offset: int = 0, sort: Sequence[SortKey] = ()) -> list[Document]:
        """Return runs in the order of `sort`, by default the most recently updated first; -1 is no limit."""
        condition, values = where(filters)
        ordered, paths = order(sort)
        # Row ids first: sorting and skipping rows of the narrow table is faster than of whole documents.
        sql = f"SELECT r.rowid AS run FROM runs r WHERE {condition} {ordered} LIMIT ? OFFSET ?"
        rows = self._database.execute(sql, [*values, *paths, limit, offset]).fetchall()
        return list(self._documents([row for (row,) in rows]))

    def breakdown(self, filters: Filters, *, tags: bool = True) -> Breakdown:
        """Return the number of runs of each kind and, with `tags`, with each set of tags."""
        condition, values = where(filters)
        tag_sets = self._grouped("tag_set", condition, values) if tags else []
        return Breakdown(self._grouped("kind", condition, values), tag_sets)

    def measures(self, filters: Filters) -> list[Document]:
        """Return the groups, the time of creation and the execution time in milliseconds of each run."""
        condition, values = where(filters)
        tags = "SELECT json_group_array(t.tag) FROM tags t WHERE t.run = r.rowid"
        paths = "json_extract(d.document, '$.execution_time'), json_extract(d.document, '$.evaluation.selected')"
        sql = f"SELECT {', '.join(f'r.{name}' for name in MEASURED)}, ({tags}), {paths} "
        sql += f"FROM runs r JOIN documents d ON d.run = r.rowid WHERE {condition} AND r.created_at IS NOT NULL"
        rows = self._database.execute(sql, values)
        return [
            {
                **dict(zip(MEASURED, groups, strict=True)),
                "tags": json.loads(tags),
                "execution_time": ms,
                "selected": chosen,
            }
            for *groups, tags, ms, chosen in rows
        ]

    def find(
        self, query: Mapping[str, Any], *, limit: int, offset: int = 0, filters: Filters | None = None
    ) -> list[Document]:
        """Return runs that match a MongoDB filter and `filters`, the most recently updated first.

        Raises:
            UnsupportedFilterError: the filter cannot be evaluated.
            SlowFilterError: the search takes longer than `FIND_BUDGET_S`.
        """
        matches = build_matcher(query)
        hits = (document for document in self._candidates(query, filters or Filters()) if matches(document))
        return list(islice(hits, offset, offset + limit))

    def interrupted(self) -> list[Document]:
        """Return the runs that were executing when the process executing them ended."""
        return self.page(Filters(statuses=("processing",)), limit=-1)

    def _grouped(self, column: str, condition: str, values: Sequence[Any]) -> list[tuple[Any, int]]:
        # The + keeps SQLite from using the index of the column instead of the index of a filter.
        by = f"r.{column}" if condition == "1" else f"+r.{column}"
        grouped = f"SELECT r.{column} AS kind, count(*) AS count FROM runs r WHERE {condition} GROUP BY {by}"
        rows = self._database.execute(f"SELECT k.kind, count FROM ({grouped}) c JOIN kinds k ON k.id = c.kind", values)
        return [(json.loads(kind), count) for kind, count in rows]

    def _candidates(self, query: Mapping[str, Any], filters: Filters) -> Iterator[Document]:
        condition, values = where(filters)
        narrowing, more = push_down(normalized(query))
        sql = f"SELECT r.rowid FROM runs r WHERE {condition} AND {narrowing} {NEWEST_FIRST}"
        rows = [row for (row,) in self._database.execute(sql, [*values, *more])]
        deadline = monotonic() + FIND_BUDGET_S
        # In Python and by time, because the cost of a filter depends on its patterns, not on its number of runs.
        for first in range(0, len(rows), ROWS_BETWEEN_CHECKS):
            if monotonic() > deadline:
                raise SlowFilterError(
                    f"the filter took over {FIND_BUDGET_S:g} s; narrow it by status, interaction or date"
                )
            yield from self._documents(rows[first : first + ROWS_BETWEEN_CHECKS])

    def _documents(self, rows: Sequence[int]) -> Iterator[Document]:
        sql = f"SELECT run, document FROM documents WHERE run IN ({LISTED})"
        documents = dict(self._database.execute(sql, [dump(rows)]))
        return (from_json(documents[row]) for row in rows)

    def _row_of(self, run_id: str) -> int | None:
        row = self._database.execute("SELECT rowid FROM runs WHERE id = ?", [run_id]).fetchone()
        return int(row[0]) if row else None

    def _insert(self, document: Document, numbers: dict[str, int]) -> None:
        values = [*run_schema.columns(document), *self._kinds(document, numbers)]
        row = self._database.execute(INSERT, values).lastrowid or 0
        self._database.execute("INSERT INTO documents VALUES (?, ?)", [row, dump(document)])
        self._insert_words_and_tags(row, document)

    def _kinds(self, document: Document, numbers: dict[str, int]) -> tuple[int, int]:
        """Return the numbers of the run's kind and of its set of tags; `numbers` holds those known already."""
        kinds = dump(run_schema.kind(document)), dump(run_schema.tags(document))
        for kind in kinds:
            if kind not in numbers:
                numbers[kind] = self._number(kind)
        return numbers[kinds[0]], numbers[kinds[1]]

    def _number(self, kind: str) -> int:
        self._database.execute("INSERT INTO kinds (kind) VALUES (?) ON CONFLICT DO NOTHING", [kind])
        return int(self._database.execute("SELECT id FROM kinds WHERE kind = ?", [kind]).fetchone()[0])

    def _insert_words_and_tags(self, row: int, document: Document) -> None:
        tags = [(tag, row) for tag in run_schema.tags(document)]
        self._database.executemany("INSERT INTO tags VALUES (?, ?)", tags)
        words = [row, *run_schema.words(document)]
        self._database.execute("INSERT INTO words (rowid, prompt, parameters, result) VALUES (?, ?, ?, ?)", words)

    def _delete_words_and_tags(self, row: int) -> None:
        self._database.execute("DELETE FROM tags WHERE run = ?", [row])
        self._database.execute("DELETE FROM words WHERE rowid = ?", [row])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write everything in the block or nothing.

        The file is locked from the start, so that two processes take turns.
        """
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _open(file: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(
        str(file) if file else ":memory:",
        check_same_thread=False,  # worker threads take turns, see `Database`
        timeout=10,
        isolation_level=None,  # transactions are explicit: the module would begin them late, without BEGIN IMMEDIATE
    )
    try:
        database.executescript(run_schema.PRAGMAS + run_schema.SCHEMA)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
