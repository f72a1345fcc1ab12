"""A change of a configuration file: computed, shown, and written after a backup."""

import difflib
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from runs_mcp import files
from runs_mcp.cli.install import jsonc
from runs_mcp.cli.install.clients import Client
from runs_mcp.cli.install.formats import JSON, Entry
from runs_mcp.cli.install.jsonc import NotEditableError, found, merged
from runs_mcp.observability.mask import mask

BYTE_ORDER_MARK = "\ufeff"
BACKUP = ".runs-mcp.bak"
HIDDEN = '"…"'
OURS = frozenset(["stdio", "serve", "--sandbox", "--config"])
"""Texts that occur in the entries of runs-mcp."""

_TEXT = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*')(\s*[:=])?""")


@dataclass(frozen=True, slots=True)
class Change:
    """The current and the new content of a configuration file, and the texts in it that may be shown."""

    file: Path
    before: str | None
    after: str
    shown: frozenset[str]

    def __str__(self) -> str:
        """Return a unified diff that hides the values of other entries, since some are secrets."""
        before = (self.before or "").splitlines()
        lines = difflib.unified_diff(before, self.after.splitlines(), str(self.file), str(self.file), lineterm="")
        return mask("\n".join(_TEXT.sub(self._hidden, line) for line in lines))

    def _hidden(self, text: re.Match[str]) -> str:
        is_key = text[2] is not None
        return text[0] if is_key or text[1][1:-1] in self.shown else HIDDEN


def plan(client: Client, file: Path, name: str, entry: Entry | None) -> Change:
    """Return the change that puts `entry` under `name`, or that removes the entry under `name` if `entry` is None.

    Raises:
        NotEditableError: the file must stay as it is, since it does not parse or cannot be changed safely.
        OSError: it cannot be read.
    """
    if client.format is not JSON:
        raise NotEditableError(f"It is a {client.format.name.upper()} file, and this command edits only JSON.")
    before = _text(file)
    mark, text = _split_mark(before or "")
    path = (client.key, name)
    tree = jsonc.read(text)
    held = found(tree, path)
    if entry is None:
        after = jsonc.remove(text, path) if held is not None else text
    else:
        _refuse_another_kind(name, held, entry)
        after = jsonc.insert(text, path, entry)
    if _with_table(jsonc.read(after), client.key) != _with_table(_with(tree, path, entry), client.key):
        raise NotEditableError(f"This command cannot change {name} in the way it is written there.")
    return Change(file, before, mark + after, OURS.union(_texts(entry)))


def held_entry(client: Client, file: Path, name: str) -> Any:
    """Return the value under `name` in the configuration file; None if it is absent or the format is only printed.

    Raises:
        NotEditableError: the file does not parse.
        OSError: it cannot be read.
    """
    if client.format.read is None:
        return None
    _, text = _split_mark(_text(file) or "")
    return found(client.format.read(text), (client.key, name))


def refuse_unexpected_link(file: Path, home: Path) -> None:
    """Refuse to write through a link that leaves the home folder or leads to a file of another user.

    Raises:
        NotEditableError: such a link leads to the file.
    """
    folder = home if file.is_relative_to(home) else file.parent
    real = file.resolve()
    if real == folder.resolve() / file.relative_to(folder):
        return
    if not real.is_relative_to(folder.resolve()):
        raise _refused(real, f"which is outside {folder}")
    if real.exists() and hasattr(os, "geteuid") and (owner := real.stat().st_uid) != os.geteuid():
        raise _refused(real, f"which belongs to another user (uid {owner})")


def _refused(real: Path, reason: str) -> NotEditableError:
    return NotEditableError(
        f"A symbolic link leads to {real}, {reason}. "
        "To go on, edit that file yourself, or replace the link by a copy of the file and run this again."
    )


def write(change: Change) -> Path | None:
    """Write the file atomically and return its backup; None for a new file. Links and permissions are preserved.

    Raises:
        NotEditableError: the file has changed since it was read.
        OSError: it cannot be written.
    """
    file = change.file.resolve()
    if _text(file) != change.before:
        raise NotEditableError("Another program has just changed it; run this again.")
    file.parent.mkdir(parents=True, exist_ok=True)
    status = file.stat() if change.before is not None else None
    backup = back_up(change.file)
    files.replace(file, change.after, partial(_take_permissions, status))
    return backup


def back_up(file: Path) -> Path | None:
    """Copy `file` beside it and return the copy; None if there is no file. An earlier backup is never overwritten.

    Raises:
        OSError: it cannot be copied.
    """
    text = _text(file)
    if text is None:
        return None
    names = (f"{file.name}{BACKUP}{number}" for number in chain([""], count(2)))
    backup = next(path for path in map(file.with_name, names) if not os.path.lexists(path))
    files.replace(backup, text, partial(_take_permissions, file.stat()))
    return backup


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise NotEditableError("It is not UTF-8.") from None


def _split_mark(text: str) -> tuple[str, str]:
    """Split off the byte order mark that some editors write."""
    return (BYTE_ORDER_MARK, text[1:]) if text.startswith(BYTE_ORDER_MARK) else ("", text)


def _take_permissions(like: os.stat_result | None, replacement: int) -> None:
    """Give `replacement`, a descriptor, the permissions and owner of `like`; a new file is private to the user."""
    if like is None or sys.platform == "win32":
        return
    os.fchmod(replacement, stat.S_IMODE(like.st_mode))
    if os.geteuid() == 0:
        os.fchown(replacement, like.st_uid, like.st_gid)


def _refuse_another_kind(name: str, held: Any, entry: Entry) -> None:
    if held is not None and not (isinstance(held, dict) and ("command" in held) == ("command" in entry)):
        raise NotEditableError(f"{name} is another kind of server there: --remove it first, or choose a --name.")


def _with(tree: dict[str, Any], path: tuple[str, str], entry: Entry | None) -> dict[str, Any]:
    """Return `tree` with `entry` merged at `path`, or without the entry at `path` if `entry` is None."""
    key, name = path
    others = {other: server for other, server in tree.get(key, {}).items() if other != name}
    return {**tree, key: others if entry is None else {**others, name: merged(found(tree, path), entry)}}


def _with_table(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """Return `tree` with an empty table under `key` if it has none."""
    return {key: {}, **tree}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in `value` as JSON writes it between quotes."""
    match value:
        case str():
            yield json.dumps(value, ensure_ascii=False)[1:-1]
        case dict() | list():
            inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
            for item in inner:
                yield from _texts(item)
