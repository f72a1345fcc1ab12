"""The tables that hold runs, and the columns taken from a run.

Filters read a narrow table; documents, tags and words are in separate tables. Runs with equal values in all fields
that facets count share a kind, so that a single query by kind counts all facets.
"""

import json
from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

# Indexes of filters end in `kind` and `tag_set`, so that facets are counted without reading the table.
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
# WAL lets a second process read while this process writes; NORMAL can lose the last runs in a power failure, no more.
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
COLUMNS = tuple(
    (
        "id odd status interaction interaction_name environment environment_name model parent object finish_reason "
        "created_by created_at updated_at"
    ).split()
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
    """Return the values of `COLUMNS`; `odd` is true if a value has a wrong type, so that SQL never drops the run."""
    interaction, environment = _reference(document, "interaction"), _reference(document, "environment")
    plain = [document.get(name) for name in ("id", "status", "modelId", "parent", "created_at", "updated_at")]
    plain += [interaction.get("id"), environment.get("id")]
    tag_list = document.get("tags", [])
    odd = (
        not all(value is None or isinstance(value, str) for value in plain)
        or not all(isinstance(document.get(name, {}), dict) for name in ("interaction", "environment"))
        or not (isinstance(tag_list, list) and all(isinstance(tag, str) for tag in tag_list))
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


def kind(document: Document) -> dict[str, list[str | None]]:
    """Return the values that facets count, except tags: a pair of id and name for each field."""
    names = {"model": "modelId", "status": "status", "finish_reason": "finish_reason"}
    plain = {field: [_string(document.get(name))] * 2 for field, name in names.items()}
    references = {name: _reference(document, name) for name in ("interaction", "environment")}
    named = {name: [_string(value.get("id")), _string(value.get("name"))] for name, value in references.items()}
    return {**named, **plain}


def tags(document: Document) -> list[str]:
    """Return the tags of a run, sorted and without duplicates."""
    listed = document.get("tags")
    return sorted({tag for tag in listed if isinstance(tag, str)}) if isinstance(listed, list) else []


def words(document: Document) -> list[str]:
    """Return the texts of `WORD_COLUMNS`, in which search looks for words."""
    return [_text(document.get(name)) for name in WORD_COLUMNS]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else dump(value)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _reference(document: Document, name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}
