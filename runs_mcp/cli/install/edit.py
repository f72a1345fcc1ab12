"""A change of a configuration file: worked out, shown, and made, with what was there kept beside it."""

import difflib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from runs_mcp.cli.install.clients import Client
from runs_mcp.cli.install.formats import NotEditableError, found, merged
from runs_mcp.observability.masking import mask

MARK = "\ufeff"
"""What some editors put before UTF-8."""
BACKUP = ".runs-mcp.bak"
HIDDEN = '"…"'
OURS = frozenset(["stdio", "serve", "--sandbox", "--config"])
"""Texts that occur in the entries of runs-mcp."""

_TEXT = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*')(\s*[:=])?""")


@dataclass(frozen=True, slots=True)
class Change:
    """The current and the new content of a configuration file, and the texts of it that may be shown."""

    file: Path
    before: str | None
    after: str
    shown: frozenset[str]

    def find_backup(self) -> Path:
        """Return the first free name for a backup: an earlier backup is never overwritten."""
        names = (f"{self.file.name}{BACKUP}{number}" for number in chain([""], count(2)))
        return next(path for path in map(self.file.with_name, names) if not os.path.lexists(path))

    def __str__(self) -> str:
        """As a unified diff in which values of other entries are hidden: some are keys."""
        before = (self.before or "").splitlines()
        lines = difflib.unified_diff(before, self.after.splitlines(), str(self.file), str(self.file), lineterm="")
        return mask("\n".join(_TEXT.sub(self._hidden, line) for line in lines))

    def _hidden(self, text: re.Match[str]) -> str:
        is_key = text[2] is not None
        return text[0] if is_key or text[1][1:-1] in self.shown else HIDDEN


def worked_out(client: Client, file: Path, name: str, entry: dict[str, Any] | None) -> Change:
    """The change that puts `entry` under `name`, or takes away what is there when there is no `entry`.

    Raises:
        NotEditableError: the file does not parse, or it is not safe to change; it is to be left alone.
        OSError: it cannot be read.
    """
    before = _text(file)
    mark, text = (MARK, before[1:]) if before and before.startswith(MARK) else ("", before or "")
    path = (client.key, name)
    tree = client.format.read(text)
    held = found(tree, path)
    if entry is None:
        after = client.format.remove(text, path) if held is not None else text
    else:
        _refuse_another_kind(name, held)
        after = client.format.insert(text, path, entry)
    if _said(client.format.read(after), client.key) != _said(_with(tree, path, entry), client.key):
        raise NotEditableError(f"{name} is written in a way in there that this command cannot change.")
    return Change(file, before, mark + after, OURS.union(_texts(entry)))


def make(change: Change) -> Path | None:
    """Write the file atomically and return its backup; None for a new file. Links and permissions stay.

    Raises:
        NotEditableError: the file has changed since it was read.
        OSError: it cannot be written.
    """
    file = change.file.resolve()
    if _text(file) != change.before:
        raise NotEditableError("It has just been changed by another program; run this again.")
    file.parent.mkdir(parents=True, exist_ok=True)
    if change.before is None:
        _replace(file, change.after, None)
        return None
    status, backup = file.stat(), change.find_backup()
    _replace(backup, change.before, status)
    _replace(file, change.after, status)
    return backup


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise NotEditableError("It is not UTF-8.") from None


def _replace(file: Path, text: str, like: os.stat_result | None) -> None:
    """Write beside `file` and move it there, with the permissions and the owner of `like`, else for us alone."""
    handle, written = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        if like:
            Path(written).chmod(stat.S_IMODE(like.st_mode))
            if hasattr(os, "chown") and os.geteuid() == 0:
                os.chown(written, like.st_uid, like.st_gid)
        Path(written).replace(file)
    except BaseException:
        Path(written).unlink()
        raise


def _refuse_another_kind(name: str, held: Any) -> None:
    if held is not None and not (isinstance(held, dict) and "command" in held):
        raise NotEditableError(f"{name} is another kind of server in there: --remove it first, or choose a --name.")


def _with(tree: dict[str, Any], path: tuple[str, str], entry: dict[str, Any] | None) -> dict[str, Any]:
    """Return `tree` with `entry` merged at `path`, or without the entry at `path` if `entry` is None."""
    key, name = path
    others = {other: server for other, server in tree.get(key, {}).items() if other != name}
    return {**tree, key: others if entry is None else {**others, name: merged(found(tree, path), entry)}}


def _said(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """`tree`, where no table under `key` is the same as an empty one."""
    return {key: {}, **tree}


def _texts(value: Any) -> Iterator[str]:
    """Every text in `value`, as JSON and TOML write it between quotes."""
    match value:
        case str():
            yield json.dumps(value, ensure_ascii=False)[1:-1]
        case dict() | list():
            inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
            for one in inner:
                yield from _texts(one)
