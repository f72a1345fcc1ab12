"""JSON with comments and trailing commas, as editors write their settings, edited in place."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

INDENT = "  "
Keys = Sequence[str]
"""The keys that lead to a value, outermost first."""

_STRING = r'"(?:[^"\\]|\\.)*+"'
_COMMENT = re.compile(rf"{_STRING}|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
# A comma right after an opening bracket is matched with the bracket, so that the parser sees and rejects it.
_COMMA = re.compile(rf"{_STRING}|[\[{{]\s*,|,(?=\s*[\]}}])", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_COMMA_AFTER = re.compile(r"\s*,")
_BLANKS = re.compile(r"[ \t]*(?=\r?\n)")
_REST_OF_LINE = re.compile(r"[ \t]*\r?\n")


class NotEditableError(Exception):
    """The file cannot be edited safely; the text is a sentence with the reason."""


def found(tree: dict[str, Any], path: Keys) -> Any:
    """Return the value of `tree` at `path`; None if it is absent."""
    value: Any = tree
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def merged(held: Any, entry: Any) -> Any:
    """Return `entry` with the members that only `held` has."""
    if not (isinstance(held, dict) and isinstance(entry, dict)):
        return entry
    return {**held, **{key: merged(held.get(key), value) for key, value in entry.items()}}


def read(text: str) -> dict[str, Any]:
    """Return the parsed text; `{}` if it holds only space and comments."""
    return _Document(text).value


def insert(text: str, path: Keys, entry: Any) -> str:
    """Return the text with `entry` at `path`, merged into an existing entry.

    Raises:
        NotEditableError: the text does not parse, or a key of `path` holds no object.
    """
    held = found(read(text), path)
    if held == entry:
        return text
    if not (isinstance(held, dict) and isinstance(entry, dict)):
        return _put(text, path, entry)
    for key, value in entry.items():
        text = insert(text, [*path, key], value)
    return text


def remove(text: str, path: Keys) -> str:
    """Return the text without the member at `path`, its comma, and the lines that held nothing else.

    Raises:
        NotEditableError: the text does not parse, or a key of `path` holds no object.
    """
    document = _Document(text)
    outer: _Object | None = document.root
    for key in path[:-1]:
        outer = outer and document.inside(outer, key)
    if outer is None or (member := outer.member(path[-1])) is None:
        return text
    around = text[outer.start + 1 : member.start] + text[member.end : outer.end - 1]
    if not around.strip(" \t\r\n,"):
        return f"{text[: outer.start]}{{}}{text[outer.end :]}"
    start, end = member.start, member.end
    if (comma := document.comma_of(outer, member)) is not None:
        text = text[:comma] + text[comma + 1 :]
        start, end = (start - 1, end - 1) if comma < start else (start, end)
    return _without(text, start, end)


def _put(text: str, path: Keys, value: Any) -> str:
    document = _Document(text)
    outer = document.root
    for depth, key in enumerate(path[:-1], start=1):
        if (inner := document.inside(outer, key)) is None:
            return document.with_member(outer, key, _nested(path[depth:], value))
        outer = inner
    return document.with_member(outer, path[-1], value)


def _nested(path: Keys, value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _without(text: str, start: int, end: int) -> str:
    """Return `text` without the characters from `start` to `end`, and without lines that held nothing else."""
    line = text.rfind("\n", 0, start) + 1
    rest = _REST_OF_LINE.match(text, end)
    if rest and not text[line:start].strip(" \t"):
        return text[:line] + text[rest.end() :]
    return text[:start].rstrip(" \t") + text[end:]


@dataclass(frozen=True, slots=True)
class _Member:
    """The positions of a member of an object: its key, its value, and the text that follows."""

    name: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """The positions of an object: its bracket, the text that follows it, and its members."""

    start: int
    end: int
    members: tuple[_Member, ...]

    def member(self, name: str) -> _Member | None:
        """Return the member of that name; None if it is absent.

        Raises:
            NotEditableError: the name occurs more than once.
        """
        match [member for member in self.members if member.name == name]:
            case []:
                return None
            case [member]:
                return member
            case _:
                raise NotEditableError(f'"{name}" occurs more than once.')


class _Document:
    """A text, and the same text as strict JSON: comments and trailing commas are blanked, so offsets are equal."""

    def __init__(self, text: str) -> None:
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.bare = _without_comments(text)
        if not self.bare.strip():
            text = f"{text}{self.newline if text.strip() else ''}{{}}{self.newline}"
            self.bare = _without_comments(text)
        self.text = text
        self._strict = _COMMA.sub(lambda match: " " if match[0] == "," else match[0], self.bare)
        self.value = _parsed(self._strict)
        self.root = self._object(self._past_space(0))
        self._indent = self._indent_at(self.root.members[0].start) if self._is_spread(self.root) else INDENT

    def inside(self, outer: _Object, key: str) -> _Object | None:
        """Return the object that `outer` holds under `key`; None if the key is absent.

        Raises:
            NotEditableError: the value is not an object.
        """
        if (member := outer.member(key)) is None:
            return None
        if self._strict[member.value] != "{":
            raise NotEditableError(f'"{key}" is not an object there.')
        return self._object(member.value)

    def comma_after(self, member: _Member) -> int | None:
        """Return the position of the comma that follows a member; None if there is no comma."""
        comma = _COMMA_AFTER.match(self.bare, member.end)
        return comma.end() - 1 if comma else None

    def comma_of(self, outer: _Object, member: _Member) -> int | None:
        """Return the position of the comma to remove with a member: right after it, else before it; None if absent."""
        after = self.comma_after(member)
        ends = [other.end for other in outer.members if other.end < member.start]
        if ends and (after is None or self.text[member.end : after].strip()):
            return self.bare.index(",", ends[-1])
        return after

    def with_member(self, outer: _Object, name: str, value: Any) -> str:
        """Return the text with the value of a member replaced, or with a new member at the end of `outer`."""
        if member := outer.member(name):
            written = self._written(value, self._indent_at(member.start), spread=self._is_spread(outer))
            return f"{self.text[: member.value]}{written}{self.text[member.end :]}"
        if outer.members and not self._is_spread(outer):
            last = outer.members[-1].end
            return f"{self.text[:last]}, {_key(name)}{self._written(value)}{self.text[last:]}"
        return self._with_line(outer, name, value)

    def _with_line(self, outer: _Object, name: str, value: Any) -> str:
        """Return the text with a new member of `outer` on a line of its own, after everything else in the object."""
        last = outer.members[-1] if outer.members else None
        indent = self._indent_at(last.start) if last else self._indent_at(outer.start) + self._indent
        trailing = last and self.comma_after(last) is not None
        at = len(self.text[: outer.end - 1].rstrip(" \t\r\n"))
        if blanks := _BLANKS.match(self.text, at):  # blanks may end a comment
            at = blanks.end()
        line = f"{self.newline}{indent}{_key(name)}{self._written(value, indent, spread=True)}{',' if trailing else ''}"
        if not last and "\n" not in self.text[at : outer.end]:
            line += self.newline + self._indent_at(outer.start)
        text = f"{self.text[:at]}{line}{self.text[at:]}"
        return text if last is None or trailing else f"{text[: last.end]},{text[last.end :]}"

    def _written(self, value: Any, indent: str = "", *, spread: bool = False) -> str:
        written = json.dumps(value, indent=self._indent if spread else None, ensure_ascii=False)
        return written.replace("\n", self.newline + indent)

    def _is_spread(self, outer: _Object) -> bool:
        return bool(outer.members) and "\n" in self.text[outer.start : outer.members[0].start]

    def _indent_at(self, at: int) -> str:
        line = self.text[self.text.rfind("\n", 0, at) + 1 :]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _object(self, start: int) -> _Object:
        members = list(self._members(start))
        return _Object(start, self._past_space(members[-1].end if members else start + 1) + 1, tuple(members))

    def _members(self, start: int) -> Iterator[_Member]:
        decode = json.JSONDecoder().raw_decode
        at = self._past_space(start + 1)
        while self._strict[at] != "}":
            name, colon = decode(self._strict, at)
            value = self._past_space(self._past_space(colon) + 1)
            _, end = decode(self._strict, value)
            yield _Member(name, at, value, end)
            at = self._past_space(end)
            if self._strict[at] == ",":
                at = self._past_space(at + 1)

    def _past_space(self, at: int) -> int:
        space = _SPACE.match(self._strict, at)
        return space.end() if space else at


def _key(name: str) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}: "


def _without_comments(text: str) -> str:
    return _COMMENT.sub(lambda match: match[0] if match[0][0] == '"' else re.sub(r"[^\r\n]", " ", match[0]), text)


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEditableError(f"It is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise NotEditableError("It does not hold a JSON object.")
    return value
