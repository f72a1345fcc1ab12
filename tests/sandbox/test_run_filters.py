"""Filters of the run store: pages and counts of random runs equal those of a loop over the runs."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.sandbox.storage import run_store
from runs_mcp.sandbox.storage.run_filters import Filters
from runs_mcp.sandbox.storage.run_store import RunStore
from tests.sandbox.sandbox_client import JsonObject

TIMES = [f"2026-01-0{day}T12:00:00.000Z" for day in range(1, 6)]
IDS = [f"r{number}" for number in range(12)]
WORDS = ("bee", "hive", "honey")


def reference(prefix: str) -> some.SearchStrategy[JsonObject]:
    return some.sampled_from(
        [{"id": f"{prefix}{number}", "name": f"{prefix} number {number % 2}"} for number in (1, 2, 3)]
    )


def run() -> some.SearchStrategy[JsonObject]:
    words = some.lists(some.sampled_from(WORDS), max_size=3).map(" ".join)
    return some.fixed_dictionaries(
        {"interaction": reference("i"), "tags": some.lists(some.sampled_from("abc"), unique=True), "prompt": words},
        optional={
            "status": some.sampled_from(["created", "completed", "failed"]),
            "environment": reference("e"),
            "modelId": some.sampled_from(["m1", "m2"]),
            "finish_reason": some.sampled_from(["stop", "error"]),
            "parent": some.sampled_from(IDS),
            "object": some.sampled_from(["o1", "o2"]),
            "created_by": some.sampled_from(["u1", "u2"]),
            "created_at": some.sampled_from(TIMES),
            "updated_at": some.sampled_from(TIMES),
        },
    )


def several(*values: str) -> some.SearchStrategy[list[str]]:
    return some.lists(some.sampled_from(values), max_size=2)


def filters() -> some.SearchStrategy[Filters]:
    """Filters of up to three fields, because few runs pass more."""
    fields: dict[str, some.SearchStrategy[object]] = {
        "statuses": several("created", "completed", "failed", "unknown"),
        "interactions": several("i1", "i2", "i3"),
        "environments": several("e1", "e2"),
        "models": several("m1", "m2"),
        "tags": several("a", "b", "c"),
        "any_tags": several("a", "b", "c"),
        "exclude_tags": several("a", "b"),
        "parents": several(*IDS),
        "run_ids": several(*IDS),
        "roots": some.booleans(),
        "text": some.sampled_from(WORDS),
        "name": some.sampled_from(["NUMBER 1", "I", "e"]),
        "object": some.sampled_from(["o1", "o2"]),
        "finish_reason": some.sampled_from(["stop", "error"]),
        "created_by": some.sampled_from(["u1", "u2"]),
        "start": some.sampled_from(TIMES),
        "end": some.sampled_from(TIMES),
    }
    chosen = some.lists(some.sampled_from(sorted(fields)), max_size=3, unique=True)
    values = chosen.flatmap(lambda names: some.fixed_dictionaries({name: fields[name] for name in names}))
    return values.map(lambda given: Filters(**given))  # type: ignore[arg-type] # each field has its own strategy


def passes(run: JsonObject, only: Filters) -> bool:
    tags = set(run["tags"])
    listed = (
        (only.statuses, run.get("status")),
        (only.interactions, run["interaction"]["id"]),
        (only.environments, run.get("environment", {}).get("id")),
        (only.models, run.get("modelId")),
        (only.parents, run.get("parent")),
        (only.run_ids, run["id"]),
    )
    single = ("object", "finish_reason", "created_by")
    return (
        all(value in values for values, value in listed if values)
        and all(run.get(name) == getattr(only, name) for name in single if getattr(only, name))
        and set(only.tags) <= tags
        and (not only.any_tags or bool(set(only.any_tags) & tags))
        and not set(only.exclude_tags) & tags
        and (only.roots is None or ("parent" not in run) is only.roots)
        and (only.text is None or only.text in run["prompt"].split())
        and (only.name is None or only.name.lower() in run["interaction"]["name"])
        and (only.start is None or run.get("created_at", "") >= only.start)
        and (only.end is None or ("created_at" in run and run["created_at"] < only.end))
    )


def check(store: RunStore, runs: list[JsonObject], only: Filters) -> None:
    """Compare pages and counts of the store with a loop over `runs`, the last created first."""
    passing = [run for run in runs if passes(run, only)]
    newest = sorted(passing, key=lambda run: run.get("updated_at", ""), reverse=True)
    assert store.page(only, limit=-1) == newest
    assert store.page(only, limit=2, offset=1) == newest[1:3]
    counted = store.breakdown(only)
    assert counted.total == len(passing)
    for field, name in (("status", "status"), ("model", "modelId"), ("finish_reason", "finish_reason")):
        expected = Counter(run.get(name) for run in passing)
        assert {count.id: count.count for count in counted.counts(field)} == expected
    for field in ("interaction", "environment"):
        named = Counter((run.get(field, {}).get("id"), run.get(field, {}).get("name")) for run in passing)
        assert {(count.id, count.name): count.count for count in counted.counts(field)} == named
    assert {count.id: count.count for count in counted.counts("tag")} == Counter(
        t for run in passing for t in run["tags"]
    )


@pytest.mark.parametrize("sorted_row", [0, 1_000_000], ids=["by kind", "in order"])
@given(
    some.lists(run(), min_size=1, max_size=len(IDS)),
    some.lists(some.tuples(some.integers(0, len(IDS) - 1), run() | some.none()), max_size=4),
    some.lists(filters(), min_size=1, max_size=6),
)
def test_pages_and_counts_equal_those_of_a_loop(
    sorted_row: int, written: list[JsonObject], changes: list[tuple[int, JsonObject | None]], queries: list[Filters]
) -> None:
    runs = {run_id: {"id": run_id, **one} for run_id, one in zip(IDS, written, strict=False)}
    store = RunStore(None)
    store.add(runs.values())
    for number, change in changes:  # a replacement, or None for a deletion
        run_id = IDS[number]
        if change is None:
            assert store.delete(run_id) is (runs.pop(run_id, None) is not None)
        elif store.replace({"id": run_id, **change}):
            runs[run_id] = {"id": run_id, **change}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_store, "SORTED_ROW", sorted_row)
        for only in [Filters(), *queries]:
            check(store, list(runs.values())[::-1], only)
    store.close()


OLD_TABLES = """
CREATE TABLE runs (id TEXT NOT NULL UNIQUE, odd INTEGER NOT NULL, status TEXT, kind INTEGER, tag_set INTEGER);
CREATE TABLE kinds (id INTEGER PRIMARY KEY, kind TEXT NOT NULL UNIQUE);
CREATE TABLE documents (run INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE tags (tag TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (tag, run)) WITHOUT ROWID;
CREATE INDEX tags_by_run ON tags (run);
CREATE VIRTUAL TABLE words USING fts5 (prompt, parameters, result);
CREATE INDEX by_status ON runs (status, kind, tag_set);
"""
"""The tables of files without a version, with some of their columns."""


def test_the_tables_of_an_old_file_are_rebuilt_from_its_documents(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    file = tmp_path / "runs.db"
    old = sqlite3.connect(file)
    old.executescript(OLD_TABLES)
    old.execute("INSERT INTO runs VALUES ('r1', 0, 'failed', 1, 2)")
    old.execute(
        """INSERT INTO documents VALUES (4, '{"id": "r1", "status": "failed", "tags": ["a"], "prompt": "bee"}')"""
    )
    old.execute("INSERT INTO words (rowid, prompt) VALUES (4, 'bee')")
    old.commit()
    old.close()
    for _ in range(2):  # first rebuilt, then opened unchanged
        store = RunStore(file)
        only = Filters(statuses=["failed"], tags=["a"], text="bee")
        assert [run["id"] for run in store.page(only, limit=10)] == ["r1"]
        assert [count.id for count in store.breakdown(Filters()).counts("tag")] == ["a"]
        store.close()
    assert caplog.text.count("rebuilding the tables of a file of another version") == 1
