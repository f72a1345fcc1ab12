"""The runs of the sandbox in SQLite."""

import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic_core import from_json

from runs_mcp.sandbox.storage import run_schema
from runs_mcp.sandbox.storage.filter_pushdown import push_down
from runs_mcp.sandbox.storage.mongo_filter import build_matcher, normalized
from runs_mcp.sandbox.storage.run_filters import (
    NEWEST_FIRST,
    Clause,
    Filters,
    Selection,
    SortKey,
    all_of,
    order,
    select,
)
from runs_mcp.sandbox.storage.run_schema import COLUMNS, KIND_COLUMNS, LISTED, dump

log = logging.getLogger(__name__)

Document = dict[str, Any]

RUN_COLUMNS = (*COLUMNS, "kind", "tag_set")
INSERT_RUN = f"INSERT INTO runs (rowid, {', '.join(RUN_COLUMNS)}) VALUES (?{', ?' * len(RUN_COLUMNS)})"
UPDATE_RUN = f"UPDATE runs SET {', '.join(f'{name} = ?' for name in RUN_COLUMNS)} WHERE rowid = ?"
FIND_KIND = f"SELECT id FROM kinds WHERE {' AND '.join(f'{name} IS ?' for name in KIND_COLUMNS)}"
INSERT_KIND = f"INSERT INTO kinds ({', '.join(KIND_COLUMNS)}) VALUES (?{', ?' * (len(KIND_COLUMNS) - 1)})"
INSERT_WORDS = "INSERT INTO words (rowid, prompt, parameters, result) VALUES (?, ?, ?, ?)"
UPDATE_WORDS = "UPDATE words SET prompt = ?, parameters = ?, result = ? WHERE rowid = ?"
NAMES = {"interaction": "interaction_name", "environment": "environment_name"}
"""The columns of the names of the fields that hold an id."""
MEASURED = ("created_at", "interaction", "model", "status", "environment")
# Filters come from models, and a filter that SQL cannot narrow would block the store for all callers.
FIND_BUDGET_S = 5.0
ROWS_BETWEEN_CHECKS = 256
SORTED_ROW = 40
"""The number of rows of an index that are passed in the time to read and sort one run; measured."""


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

    kinds: Sequence[tuple[Mapping[str, str | None], int]]
    """The values of a kind by column, and a number of runs."""
    tag_sets: Sequence[tuple[Sequence[str], int]]

    @property
    def total(self) -> int:
        """The number of runs."""
        return sum(runs for _, runs in self.kinds)

    def counts(self, field: str) -> list[Count]:
        """Return the number of runs for each value of `field`, the most frequent first."""
        totals: Counter[tuple[str | None, str | None]] = Counter()
        for kind, runs in self.kinds if field != "tag" else ():
            totals[kind[field], kind[NAMES.get(field, field)]] += runs
        for tags, runs in self.tag_sets if field == "tag" else ():
            totals.update({(tag, tag): runs for tag in tags})
        counts = [Count(value, name, runs) for (value, name), runs in totals.items()]
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
            self._build_tables()
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
            numbers: dict[Hashable, int] = {}
            for document in documents:
                row = self._database.execute("INSERT INTO documents (document) VALUES (?)", [dump(document)]).lastrowid
                self._database.execute(INSERT_RUN, [row, *self._columns(document, numbers)])
                self._database.execute(INSERT_WORDS, [row, *run_schema.words(document)])

    def replace(self, document: Document) -> bool:
        """Replace the run with the id of `document`; return false if no such run exists."""
        with self._transaction():
            row = self._row_of(document["id"])
            if row is None:
                return False
            self._database.execute(UPDATE_RUN, [*self._columns(document, {}), row])
            self._database.execute("UPDATE documents SET document = ? WHERE run = ?", [dump(document), row])
            self._database.execute(UPDATE_WORDS, [*run_schema.words(document), row])
            return True

    def delete(self, run_id: str) -> bool:
        """Delete a run; return false if it did not exist."""
        with self._transaction():
            row = self._row_of(run_id)
            if row is None:
                return False
            self._database.execute("DELETE FROM words WHERE rowid = ?", [row])
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
        # Row ids first: sorting and skipping rows of the narrow table is faster than of whole documents.
        wanted = limit + offset if limit >= 0 else inf
        source, values = _sorted(filters, sort) if sort else self._newest_first(select(filters), wanted)
        rows = self._database.execute(f"SELECT r.rowid FROM {source} LIMIT ? OFFSET ?", [*values, limit, offset])
        return list(self._documents([row for (row,) in rows]))

    def breakdown(self, filters: Filters, *, tags: bool = True) -> Breakdown:
        """Return the number of runs of each kind and, with `tags`, with each set of tags."""
        kinds: Counter[int] = Counter()
        tag_sets: Counter[int] = Counter()
        for kind, tag_set, runs in self._counts(select(filters)):
            kinds[kind] += runs
            tag_sets[tag_set] += runs
        return Breakdown(self._kinds(kinds), self._tag_sets(tag_sets) if tags else [])

    def measures(self, filters: Filters) -> list[Document]:
        """Return the groups, the time of creation and the execution time in milliseconds of each run."""
        condition, values = all_of(select(filters).clauses)
        paths = "json_extract(d.document, '$.execution_time'), json_extract(d.document, '$.evaluation.selected')"
        sql = f"SELECT {', '.join(MEASURED)}, tags, {paths} FROM runs r JOIN documents d ON d.run = r.rowid "
        sql += f"JOIN kinds k ON k.id = r.kind JOIN tag_sets s ON s.id = r.tag_set WHERE {condition}"
        rows = self._database.execute(f"{sql} AND created_at IS NOT NULL", values)
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
        hits = (
            document for document in self._candidates(query, filters or Filters(), limit + offset) if matches(document)
        )
        return list(islice(hits, offset, offset + limit))

    def interrupted(self) -> list[Document]:
        """Return the runs that were executing when the process executing them ended."""
        return self.page(Filters(statuses=("processing",)), limit=-1)

    def _counts(self, selection: Selection) -> Iterable[tuple[int, int, int]]:
        """Return the kinds and sets of tags that occur together, with numbers of runs."""
        if selection.located or selection.others:
            condition, values = all_of(selection.clauses)
            runs = self._database.execute(f"SELECT kind, tag_set FROM runs r WHERE {condition}", values)
            return [(*group, count) for group, count in Counter(runs).items()]
        condition, values = all_of(selection.groups)
        if not selection.times:
            return self._database.execute(f"SELECT kind, tag_set, runs FROM counts WHERE {condition}", values)
        during, times = all_of(selection.times)
        # The index `by_kind` ends in the time, so that each count reads a range of the index.
        count = f"SELECT count(*) FROM runs r WHERE r.kind = c.kind AND r.tag_set = c.tag_set AND {during}"
        sql = f"SELECT kind, tag_set, ({count}) AS runs FROM counts c WHERE {condition}"
        return self._database.execute(f"SELECT * FROM ({sql}) WHERE runs > 0", [*times, *values])

    def _kinds(self, counts: Mapping[int, int]) -> list[tuple[Mapping[str, str | None], int]]:
        sql = f"SELECT id, {', '.join(KIND_COLUMNS)} FROM kinds WHERE id IN ({LISTED})"
        rows = self._database.execute(sql, [dump(list(counts))])
        return [(dict(zip(KIND_COLUMNS, values, strict=True)), counts[kind]) for kind, *values in rows]

    def _tag_sets(self, counts: Mapping[int, int]) -> list[tuple[Sequence[str], int]]:
        rows = self._database.execute(f"SELECT id, tags FROM tag_sets WHERE id IN ({LISTED})", [dump(list(counts))])
        return [(json.loads(tags), counts[tag_set]) for tag_set, tags in rows]

    def _newest_first(self, selection: Selection, wanted: float) -> Clause:
        """Return the rest of a query for the runs of `selection`, of which the newest `wanted` are read."""
        condition, values = all_of(selection.clauses)
        if selection.located:
            return f"runs r WHERE {condition} {NEWEST_FIRST}", values
        if self._are_frequent(selection, wanted):
            return f"runs r INDEXED BY by_update WHERE {condition} {NEWEST_FIRST}", values
        groups, values = all_of(selection.groups)
        rest, more = all_of([*selection.times, *selection.others])
        grouped = f"(SELECT kind AS k, tag_set AS s FROM counts WHERE {groups})"
        joined = f"{grouped} CROSS JOIN runs r ON r.kind = k AND r.tag_set = s"  # CROSS: SQLite keeps the order
        return f"{joined} WHERE {rest} {NEWEST_FIRST}", [*values, *more]

    def _are_frequent(self, selection: Selection, wanted: float) -> bool:
        """Return true if reading runs in order of update is faster than sorting all runs of the groups.

        In order, about `runs / matching` runs are passed for each match; SQLite does not know the numbers.
        """
        if not selection.groups:
            return True
        condition, values = all_of(selection.groups)
        sql = f"SELECT (SELECT sum(runs) FROM counts WHERE {condition}), (SELECT max(rowid) FROM runs)"
        matching, runs = self._database.execute(sql, values).fetchone()
        return bool(matching) and min(wanted, matching) * runs < SORTED_ROW * matching**2

    def _candidates(self, query: Mapping[str, Any], filters: Filters, wanted: float) -> Iterator[Document]:
        source, values = self._newest_first(select(filters) & push_down(normalized(query)), wanted)
        rows = self._database.execute(f"SELECT r.rowid FROM {source}", values)
        deadline = monotonic() + FIND_BUDGET_S
        # In Python and by time, because the cost of a filter depends on its patterns, not on its number of runs.
        while batch := rows.fetchmany(ROWS_BETWEEN_CHECKS):
            if monotonic() > deadline:
                raise SlowFilterError(
                    f"the filter took over {FIND_BUDGET_S:g} s; narrow it by status, interaction or date"
                )
            yield from self._documents([row for (row,) in batch])

    def _documents(self, rows: Sequence[int]) -> Iterator[Document]:
        sql = f"SELECT run, document FROM documents WHERE run IN ({LISTED})"
        documents = dict(self._database.execute(sql, [dump(rows)]))
        return (from_json(documents[row]) for row in rows)

    def _row_of(self, run_id: str) -> int | None:
        row = self._database.execute("SELECT rowid FROM runs WHERE id = ?", [run_id]).fetchone()
        return int(row[0]) if row else None

    def _columns(self, document: Document, numbers: dict[Hashable, int]) -> list[Any]:
        """Return the values of `RUN_COLUMNS`; `numbers` holds the known numbers of kinds and sets of tags."""
        kind, tags = run_schema.kind(document), dump(run_schema.tags(document))
        if kind not in numbers:
            numbers[kind] = self._number(FIND_KIND, INSERT_KIND, kind)
        if tags not in numbers:
            numbers[tags] = self._tag_set(tags)
        return [*run_schema.columns(document), numbers[kind], numbers[tags]]

    def _tag_set(self, tags: str) -> int:
        number = self._number(
            "SELECT id FROM tag_sets WHERE tags = ?", "INSERT INTO tag_sets (tags) VALUES (?)", [tags]
        )
        self._database.execute(f"INSERT OR IGNORE INTO tags SELECT value, ? FROM ({LISTED})", [number, tags])
        return number

    def _number(self, find: str, insert: str, values: Sequence[Any]) -> int:
        row = self._database.execute(find, values).fetchone()
        return int(row[0]) if row else self._database.execute(insert, values).lastrowid or 0

    def _build_tables(self) -> None:
        """Create the tables of a new file, and rebuild those of a file with another version."""
        with self._transaction():
            if self._database.execute("PRAGMA user_version").fetchone()[0] == run_schema.VERSION:
                return
            for statement in run_schema.TABLES:
                self._database.execute(statement)
            if self._database.execute("SELECT EXISTS (SELECT 1 FROM documents)").fetchone()[0]:
                log.info("rebuilding the tables of a file of another version; a million runs take about two minutes")
            numbers: dict[Hashable, int] = {}
            for row, document in self._database.execute("SELECT run, document FROM documents ORDER BY run"):
                self._database.execute(INSERT_RUN, [row, *self._columns(from_json(document), numbers)])
            for statement in run_schema.INDEXES:  # last: an index of all rows is sorted, not built row by row
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {run_schema.VERSION}")

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
        database.executescript(run_schema.PRAGMAS)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _sorted(filters: Filters, sort: Sequence[SortKey]) -> Clause:
    """Return the rest of a query for the runs that pass `filters`, in the order of `sort`."""
    condition, values = all_of(select(filters).clauses)
    terms, paths = order(sort)
    return f"runs r WHERE {condition} {terms}", [*values, *paths]
