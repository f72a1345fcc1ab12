"""Formats of configuration files: reading them, and the text of an entry in each."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runs_mcp.cli.install import jsonc
from runs_mcp.cli.install.jsonc import NotEditableError

Entry = dict[str, Any]
"""The settings of one server: texts, booleans, numbers and lists of texts."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of configuration files."""

    name: str
    """The name that Markdown uses."""
    snippet: Callable[[str, str, Entry], str]
    """Writes a file with a single entry: the table's key, the server's name and the entry."""
    read: Callable[[str], dict[str, Any]] | None = None
    """Parses a file, or raises `NotEditableError`; None for a format that is only printed."""


def _json_snippet(key: str, name: str, entry: Entry) -> str:
    return jsonc.insert("", (key, name), entry)


# JSON's texts, booleans, numbers and lists of texts are valid values in both TOML and YAML.
def _toml_snippet(key: str, name: str, entry: Entry) -> str:
    settings = [f"{setting} = {_value(value)}\n" for setting, value in entry.items()]
    return "".join([f"[{key}.{name}]\n", *settings])


def _yaml_snippet(key: str, name: str, entry: Entry) -> str:
    settings = [f"    {setting}: {_value(value)}\n" for setting, value in entry.items()]
    return "".join([f"{key}:\n  {name}:\n", *settings])


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEditableError(f"It is not valid TOML: {error}.") from None


JSON = Format("json", _json_snippet, jsonc.read)
TOML = Format("toml", _toml_snippet, _read_toml)
YAML = Format("yaml", _yaml_snippet)
