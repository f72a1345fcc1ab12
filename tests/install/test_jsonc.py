"""JSON with comments: one entry changes, and every other character is preserved."""

import json
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.cli.install import jsonc
from runs_mcp.cli.install.jsonc import NotEditableError

PATH = ("servers", "runs")
ENTRY = {"command": "/x/runs-mcp", "args": ["serve", "--sandbox"]}
TRIVIA = ["", "", " ", "\t", "\n", "\n    ", "\r\n", '// {"a": 1,} \n', "// end\r\n", '/* "b": [, */', "/**/"]

NAMES = some.text(some.sampled_from('ab"\\/{,:é☃ '), max_size=6)
SCALARS = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | NAMES
ANYTHING = some.recursive(
    SCALARS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = some.dictionaries(NAMES, ANYTHING, max_size=3)
SERVERS = some.dictionaries(NAMES, OBJECTS, max_size=3)


class Editor:
    """A writer of values with spaces, comments and trailing commas wherever they are allowed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def __call__(self, value: Any) -> str:
        """Return the text of `value`."""
        match value:
            case dict():
                text = self._list([f"{self(key)}:{self(one)}" for key, one in value.items()], "{}")
            case list():
                text = self._list([self(one) for one in value], "[]")
            case _:
                text = json.dumps(value, ensure_ascii=self._random.random() < 0.5)
        return f"{self._trivia()}{text}{self._trivia()}"

    def _list(self, items: list[str], brackets: str) -> str:
        trailing = f",{self._trivia()}" if items and self._random.random() < 0.5 else ""
        return f"{brackets[0]}{self._trivia()}{','.join(items)}{trailing}{brackets[1]}"

    def _trivia(self) -> str:
        return self._random.choice(TRIVIA)


EDITORS = some.integers(0, 2**32).map(lambda seed: Editor(Random(seed)))


def survives(before: str, after: str) -> bool:
    """Return true if `after` contains all characters of `before`, in the same order."""
    rest = iter(after)
    return all(character in rest for character in before)


def comments(text: str) -> list[str]:
    found = re.findall(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*.*?\*/', text, re.DOTALL)
    return [one for one in found if one.startswith("/")]


@given(EDITORS, OBJECTS, SERVERS)
def test_a_new_entry_changes_no_other_character(
    editor: Editor, others: dict[str, Any], servers: dict[str, Any]
) -> None:
    before = editor({**others, "servers": servers})
    after = jsonc.insert(before, PATH, ENTRY)
    assert jsonc.read(after) == {**others, "servers": {**servers, "runs": ENTRY}}
    assert survives(before, after)
    assert comments(after) == comments(before)
    assert jsonc.insert(after, PATH, ENTRY) == after


@given(EDITORS, OBJECTS)
def test_a_missing_table_of_servers_is_added(editor: Editor, others: dict[str, Any]) -> None:
    before = editor(others)
    after = jsonc.insert(before, PATH, ENTRY)
    assert jsonc.read(after) == {**others, "servers": {"runs": ENTRY}}
    assert survives(before, after)
    assert comments(after) == comments(before)


@given(EDITORS, OBJECTS, SERVERS)
def test_removing_a_new_entry_restores_the_text(
    editor: Editor, others: dict[str, Any], servers: dict[str, Any]
) -> None:
    before = editor({**others, "servers": servers})
    after = jsonc.remove(jsonc.insert(before, PATH, ENTRY), PATH)
    assert "".join(after.split()) == "".join(before.split())
    assert jsonc.read(after) == {**others, "servers": servers}


@given(EDITORS, OBJECTS, SERVERS)
def test_an_existing_entry_changes_only_where_it_differs(
    editor: Editor, others: dict[str, Any], servers: dict[str, Any]
) -> None:
    held = {"command": "old", "disabled": True, "env": {"A": "b"}}
    before = editor({**others, "servers": {**servers, "runs": held}})
    after = jsonc.insert(before, PATH, {**ENTRY, "env": {"C": "d"}})
    runs = {**held, **ENTRY, "env": {"A": "b", "C": "d"}}
    assert jsonc.read(after) == {**others, "servers": {**servers, "runs": runs}}
    assert survives(before.replace('"old"', ""), after)
    assert comments(after) == comments(before)


@given(EDITORS, OBJECTS, SERVERS)
def test_an_entry_is_removed_and_nothing_else(editor: Editor, others: dict[str, Any], servers: dict[str, Any]) -> None:
    before = editor({"servers": {"runs": {}, **servers}, **others})
    after = jsonc.remove(before, PATH)
    assert jsonc.read(after) == {**others, "servers": servers}
    assert survives(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", '{\n  "servers": {\n    "runs": {}\n  }\n}\n', id="an empty file"),
        pytest.param("// mine\n", '// mine\n\n{\n  "servers": {\n    "runs": {}\n  }\n}\n', id="only a comment"),
        pytest.param("{}", '{\n  "servers": {\n    "runs": {}\n  }\n}', id="an empty object"),
        pytest.param('{"a": 1}', '{"a": 1, "servers": {"runs": {}}}', id="one line"),
        pytest.param(
            '{\n    "a": 1 // one  \n}\n',
            '{\n    "a": 1, // one  \n    "servers": {\n        "runs": {}\n    }\n}\n',
            id="four spaces, and a comment that stays where it is",
        ),
        pytest.param(
            '{\r\n\t"servers": {\r\n\t\t"a": {},\r\n\t},\r\n}',
            '{\r\n\t"servers": {\r\n\t\t"a": {},\r\n\t\t"runs": {},\r\n\t},\r\n}',
            id="tabs, trailing commas and the newlines of Windows",
        ),
        pytest.param(
            '{\n  "servers": {\n    // "runs": {}\n  }\n}\n',
            '{\n  "servers": {\n    // "runs": {}\n    "runs": {}\n  }\n}\n',
            id="commented out",
        ),
    ],
)
def test_a_new_entry_follows_the_layout_of_the_file(before: str, after: str) -> None:
    assert jsonc.insert(before, PATH, {}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param('{"servers": {\n  "runs": {},\n  "a": {}\n}}', '{"servers": {\n  "a": {}\n}}', id="first"),
        pytest.param('{"servers": {\n  "a": {},\n  "runs": {}\n}}', '{"servers": {\n  "a": {}\n}}', id="last"),
        pytest.param('{"servers": {"a": {}, "runs": {}, "b": {}}}', '{"servers": {"a": {}, "b": {}}}', id="between"),
        pytest.param('{"servers": {"a": {}, "runs": {}, }}', '{"servers": {"a": {}, }}', id="trailing comma"),
        pytest.param('{"servers": {"runs": {}}}', '{"servers": {}}', id="alone"),
        pytest.param(
            '{"servers": {\n  "a": {}, // a\n  "runs": {} // mine\n}}',
            '{"servers": {\n  "a": {} // a\n // mine\n}}',
            id="comments stay",
        ),
        pytest.param('{"servers": {"a": {}}}', '{"servers": {"a": {}}}', id="not there"),
        pytest.param('{"a": 1}', '{"a": 1}', id="no servers"),
    ],
)
def test_an_entry_is_removed_with_its_comma_and_line(before: str, after: str) -> None:
    assert jsonc.remove(before, PATH) == after


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('{"a": 1', "It is not valid JSON: Expecting ',' delimiter: line 1", id="cut short"),
        pytest.param("{'a': 1}", "It is not valid JSON", id="single quotes"),
        pytest.param('{"a": [,]}', "It is not valid JSON", id="a comma alone"),
        pytest.param('{"a": 1,,}', "It is not valid JSON", id="two commas"),
        pytest.param('{"a": 1} /* open', "It is not valid JSON", id="an open comment"),
        pytest.param('{"a": "http://x', "It is not valid JSON", id="an open text"),
        pytest.param("[]", "It does not hold a JSON object", id="a list"),
        pytest.param("[" * 100_000, "It is not valid JSON", id="too deep"),
        pytest.param('{"servers": []}', '"servers" is not an object there', id="servers as a list"),
        pytest.param('{"servers": {}, "servers": {}}', '"servers" occurs more than once', id="servers twice"),
    ],
)
def test_unsafe_changes_are_refused(text: str, says: str) -> None:
    with pytest.raises(NotEditableError, match=re.escape(says)):
        jsonc.insert(text, PATH, ENTRY)
