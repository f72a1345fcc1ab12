"""TOML, changed in place: a table is found by its header, and reaches to its last setting."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runs_mcp.cli.install.formats import Keys, NotEditableError, found

LANGUAGE = "toml"

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*|[\[\]{}\n]",
    re.DOTALL,
)
_NAME = re.compile(r"""\s*(?:"[^"]*"|'[^']*'|[\w-]+)[ \t]*=[ \t]*""")
_BLANK_LINE = re.compile(r"(?<=\n)\r?\n\Z")


def read(text: str) -> dict[str, Any]:
    """Return the parsed text."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEditableError(f"It is not TOML: {error}.") from None


def insert(text: str, path: Keys, entry: dict[str, Any]) -> str:
    """Return the text with `entry` as a table at `path`: a new table at the end, or merged into the existing table."""
    newline = "\r\n" if "\r\n" in text else "\n"
    held = found(read(text), path)
    if held is None:
        gap = "" if not text.strip() else newline if text.endswith("\n") else newline * 2
        lines = [f"[{'.'.join(path)}]", *(f"{key} = {_written(value)}" for key, value in entry.items())]
        return text + gap + "".join(line + newline for line in lines)
    for key, value in entry.items():
        if held.get(key) != value:
            text = _put(text, path, key, value, newline)
    return text


def remove(text: str, path: Keys) -> str:
    """The text without the table at `path` and those inside it, and without the blank line before each."""
    read(text)
    for table in reversed(list(_tables(text))):
        if table.path[: len(path)] == tuple(path):
            text = _BLANK_LINE.sub("", text[: table.start]) + text[table.end :]
    return text


def _put(text: str, path: Keys, key: str, value: Any, newline: str) -> str:
    table = next((table for table in _tables(text) if table.path == tuple(path)), None)
    if table is None:
        raise NotEditableError(f"{'.'.join(path)} has no header of its own in there.")
    setting = next((line for line in table.settings if key in tomllib.loads(line.text)), None)
    if setting is None:
        before = text[: table.end].rstrip("\r\n")
        return f"{before}{newline}{key} = {_written(value)}{text[len(before) :]}"
    if (name := _NAME.match(setting.text)) is None:
        raise NotEditableError(f"{'.'.join(path)}.{key} is written in parts in there.")
    return f"{text[: setting.start + name.end()]}{_written(value)}{text[setting.stop :]}"


def _written(value: Any) -> str:
    """A text, or a list of texts: JSON writes those as TOML does."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Line:
    """A header, a setting or nothing; a setting may go over several lines of the file."""

    text: str
    start: int
    stop: int
    """Where it stops, but for space, comment and newline."""
    end: int


@dataclass(slots=True)
class _Table:
    path: tuple[str, ...]
    start: int
    end: int
    settings: list[_Line] = field(default_factory=list)


def _tables(text: str) -> Iterator[_Table]:
    """The tables that have a header, in the order of the file."""
    table: _Table | None = None
    for line in _lines(text):
        if line.text.lstrip().startswith("["):
            if table:
                yield table
            table = _Table(tuple(_names(tomllib.loads(line.text))), line.start, line.end)
        elif table and line.text.strip():
            table.settings.append(line)
            table.end = line.end
    if table:
        yield table


def _names(tree: Any) -> Iterator[str]:
    while tree:
        [(name, tree)] = tree.items()
        yield name
        tree = tree[0] if isinstance(tree, list) else tree


def _lines(text: str) -> Iterator[_Line]:
    start, depth, comment = 0, 0, None
    for token in _TOKEN.finditer(text + "\n"):
        match token[0][0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "#" if not depth:
                comment = token.start()
            case "\n" if not depth:
                content = text[start : token.start() if comment is None else comment].rstrip()
                yield _Line(content, start, start + len(content), min(token.end(), len(text)))
                start, comment = token.end(), None
