"""The tables that hold runs, and the columns taken from a run.

The documents are the runs; all other tables are made from them. Filters read a narrow table. Its runs with equal values
in the fields that facets count share a kind, and runs with equal tags share a set of tags. `counts` holds the number of
runs of each kind with each set of tags, so that facets read no runs.
"""

import json
from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

VERSION = 2
"""The version of the tables, in `PRAGMA user_version`. Files with another version are rebuilt from their documents."""
COUNT_NEW = (
    "INSERT INTO counts VALUES (new.kind, new.tag_set, 1) ON CONFLICT (kind, tag_set) DO UPDATE SET runs = runs + 1;"
)
UNCOUNT_OLD = (
    "UPDATE counts SET runs = runs - 1 WHERE kind = old.kind AND tag_set = old.tag_set;"
    "DELETE FROM counts WHERE kind = old.kind AND tag_set = old.tag_set AND runs = 0;"
)
TABLES = (
    *(f"DROP TABLE IF EXISTS {name}" for name in ("runs", "kinds", "tag_sets", "tags", "counts")),
    "CREATE TABLE IF NOT EXISTS documents (run INTEGER PRIMARY KEY, document TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (prompt, parameters, result)",
    """CREATE TABLE runs (
      id TEXT NOT NULL, kind INTEGER NOT NULL, tag_set INTEGER NOT NULL, parent TEXT, object TEXT,
      created_by TEXT, created_at TEXT, updated_at TEXT
    )""",
    """CREATE TABLE kinds (
      id INTEGER PRIMARY KEY, odd INTEGER NOT NULL, root INTEGER NOT NULL, status TEXT, interaction TEXT,
      interaction_name TEXT, environment TEXT, environment_name TEXT, model TEXT, finish_reason TEXT
    )""",
    "CREATE INDEX kinds_by_status ON kinds (status, interaction, environment, model)",
    "CREATE TABLE tag_sets (id INTEGER PRIMARY KEY, tags TEXT NOT NULL UNIQUE)",
    "CREATE TABLE tags (tag TEXT NOT NULL, tag_set INTEGER NOT NULL, PRIMARY KEY (tag, tag_set)) WITHOUT ROWID",
    """CREATE TABLE counts (
      kind INTEGER NOT NULL, tag_set INTEGER NOT NULL, runs INTEGER NOT NULL, PRIMARY KEY (kind, tag_set)
    ) WITHOUT ROWID""",
    "CREATE INDEX counts_by_tag_set ON counts (tag_set)",
    f"CREATE TRIGGER run_inserted AFTER INSERT ON runs BEGIN {COUNT_NEW} END",
    f"CREATE TRIGGER run_deleted AFTER DELETE ON runs BEGIN {UNCOUNT_OLD} END",
    f"CREATE TRIGGER run_moved AFTER UPDATE OF kind, tag_set ON runs BEGIN {UNCOUNT_OLD} {COUNT_NEW} END",
)
INDEXES = (
    "CREATE UNIQUE INDEX by_id ON runs (id)",
    # In the order of a list; the columns of filters follow, so that only runs on the page are read from the table.
    "CREATE INDEX by_update ON runs (updated_at, kind, tag_set, created_at)",
    "CREATE INDEX by_parent ON runs (parent, updated_at, kind, tag_set)",
    "CREATE INDEX by_kind ON runs (kind, tag_set, created_at)",
    "CREATE INDEX by_creation ON runs (created_at)",
)
# WAL lets a second process read while this process writes. A power failure can lose the last runs, because of NORMAL.
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
COLUMNS = ("id", "parent", "object", "created_by", "created_at", "updated_at")
KIND_COLUMNS = (
    "odd",
    "root",
    "status",
    "interaction",
    "interaction_name",
    "environment",
    "environment_name",
    "model",
    "finish_reason",
)
WORD_COLUMNS = ("prompt", "parameters", "result")
EXECUTION_SETTINGS = "execution_settings"
"""The field of a run that its execution reads. No response contains it."""
LISTED = "SELECT value FROM json_each(?)"
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dump(value: Any) -> str:
    """Return `value` as compact JSON."""
    return ENCODER.encode(value)


def columns(document: Document) -> list[Any]:
    """Return the values of `COLUMNS`."""
    return [value if isinstance(value, str | int | None) else None for value in map(document.get, COLUMNS)]


def kind(document: Document) -> tuple[Any, ...]:
    """Return the values of `KIND_COLUMNS`; `odd` is true if a value has a wrong type, so that SQL never drops runs."""
    interaction, environment = _reference(document, "interaction"), _reference(document, "environment")
    names = (interaction.get("id"), interaction.get("name"), environment.get("id"), environment.get("name"))
    values = (document.get("status"), *names, document.get("modelId"), document.get("finish_reason"))
    return (
        _is_odd(document),
        document.get("parent") is None,
        *(value if isinstance(value, str) else None for value in values),
    )


def tags(document: Document) -> list[str]:
    """Return the tags of a run, sorted and without duplicates."""
    listed = document.get("tags")
    return sorted({tag for tag in listed if isinstance(tag, str)}) if isinstance(listed, list) else []


def words(document: Document) -> list[str]:
    """Return the texts of `WORD_COLUMNS`, in which search looks for words."""
    return [_text(document.get(name)) for name in WORD_COLUMNS]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else dump(value)


def _is_odd(document: Document) -> bool:
    interaction, environment = _reference(document, "interaction"), _reference(document, "environment")
    plain = [document.get(name) for name in ("id", "status", "modelId", "parent", "created_at", "updated_at")]
    plain += [interaction.get("id"), environment.get("id")]
    tag_list = document.get("tags", [])
    return (
        not all(value is None or isinstance(value, str) for value in plain)
        or not all(isinstance(document.get(name, {}), dict) for name in ("interaction", "environment"))
        or not (isinstance(tag_list, list) and all(isinstance(tag, str) for tag in tag_list))
    )


def _reference(document: Document, name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}
