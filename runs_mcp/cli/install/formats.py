"""Formats of configuration files, as the installer edits them: JSON with comments and TOML."""

from collections.abc import Sequence
from typing import Any, Protocol

Keys = Sequence[str]
"""The keys that lead to an entry, outermost first."""


class NotEditableError(Exception):
    """The file cannot be edited safely; the text is a sentence that says why."""


class Format(Protocol):
    """Reads a file, and changes one entry in its text without touching anything else."""

    LANGUAGE: str
    """As Markdown names it."""

    def read(self, text: str) -> dict[str, Any]:
        """Return the parsed text.

        Raises:
            NotEditableError: it does not parse, or holds no table.
        """

    def insert(self, text: str, path: Keys, entry: dict[str, Any]) -> str:
        """The text with `entry` at `path`, merged into an entry that is there already.

        Raises:
            NotEditableError: what is there is in the way.
        """

    def remove(self, text: str, path: Keys) -> str:
        """The text without the entry at `path`.

        Raises:
            NotEditableError: it is written in a way that cannot be taken out alone.
        """


def found(tree: dict[str, Any], path: Keys) -> Any:
    """Return the value of `tree` at `path`; None if it is absent."""
    value: Any = tree
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def merged(held: Any, entry: Any) -> Any:
    """`entry`, with what `held` has beside it."""
    if not (isinstance(held, dict) and isinstance(entry, dict)):
        return entry
    return {**held, **{key: merged(held.get(key), value) for key, value in entry.items()}}
