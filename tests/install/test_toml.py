"""TOML: one table changes, and every other character stays."""

import re
import tomllib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.cli.install import toml
from runs_mcp.cli.install.formats import NotEditableError

PATH = ("servers", "runs")
ENTRY = {"command": "/x/runs-mcp", "args": ["serve", "--sandbox"]}
RUNS = '[servers.runs]  # mine\ncommand = "old" # why\nenabled = true\n'
TRIVIA = ["", "", "\n", "# [servers.runs]\n", "  # a = '''\n"]
SETTINGS = [
    "a = 1\n",
    'b = """\n[servers.runs]\n# no comment\\""" ""\n"""\n',
    "c = '''\n[servers.runs]\n'''' # four quotes\n",
    "d = [ # [\n  'x]', # ]\n  { e = '[' }, \n]\n",
    '"f # g" = "#"  # h\n',
    'i.j."k.l" = \'"\'\n',
    "m = 2026-11-24T10:00:00Z\n",
]
TABLES = ["[t]\n", "[[u]]\n", '[v . "w]"] # x\n', "[servers]\n", "[servers.a]\ncommand = 'a'\n", "[servers.a.env]\n"]


def written(seed: int) -> tuple[str, str]:
    """The settings and some of the tables of a file, in any order, with comments between: and then other tables."""
    random = Random(seed)

    def lines(choices: list[str]) -> str:
        return "".join(random.choice(TRIVIA) + one for one in random.sample(choices, random.randint(0, len(choices))))

    tables = [header + lines(SETTINGS) for header in random.sample(TABLES, random.randint(0, len(TABLES)))]
    cut = random.randint(0, len(tables))
    return lines(SETTINGS) + "".join(tables[:cut]), random.choice(TRIVIA) + "".join(tables[cut:])


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


FILES = some.integers(0, 2**32).map(written).filter(lambda parts: is_toml("".join(parts)))


@given(FILES)
def test_a_new_table_is_appended_and_removed_without_trace(parts: tuple[str, str]) -> None:
    before = "".join(parts)
    after = toml.insert(before, PATH, ENTRY)
    said = tomllib.loads(before)
    assert toml.read(after) == {**said, "servers": {**said.get("servers", {}), "runs": ENTRY}}
    assert after.startswith(before)
    assert toml.insert(after, PATH, ENTRY) == after
    assert toml.remove(after, PATH) == before


@given(FILES)
def test_an_existing_table_is_changed_only_in_its_differences(parts: tuple[str, str]) -> None:
    head, tail = parts
    after = toml.insert(head + RUNS + tail, PATH, ENTRY)
    changed = '[servers.runs]  # mine\ncommand = "/x/runs-mcp" # why\nenabled = true\nargs = ["serve", "--sandbox"]\n'
    assert after == head + changed + tail


@given(FILES)
def test_removing_a_table_removes_only_the_table_and_its_subtables(parts: tuple[str, str]) -> None:
    head, tail = parts
    inside = "# stays\n[servers.runs.env]\nA = 'b'\n"
    before = f"{head}{RUNS}{tail}{inside}"
    assert toml.remove(before, PATH).replace("\n", "") == f"{head}{tail}# stays\n".replace("\n", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", '[servers.runs]\ncommand = "x"\n', id="an empty file"),
        pytest.param("a = 1", 'a = 1\n\n[servers.runs]\ncommand = "x"\n', id="no newline at the end"),
        pytest.param("a = 1\r\n", 'a = 1\r\n\r\n[servers.runs]\r\ncommand = "x"\r\n', id="the newlines of Windows"),
        pytest.param("[servers.runs]\n\n[b]\n", '[servers.runs]\ncommand = "x"\n\n[b]\n', id="an empty table"),
        pytest.param("[servers.runs]\r\na = 1", '[servers.runs]\r\na = 1\r\ncommand = "x"', id="at the very end"),
        pytest.param("[servers.runs]\n'command' = [\n1]# c\n", "[servers.runs]\n'command' = \"x\"# c\n", id="a list"),
    ],
)
def test_a_table_follows_the_style_of_the_file(before: str, after: str) -> None:
    assert toml.insert(before, PATH, {"command": "x"}) == after


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("a = ", "It is not TOML: Invalid value", id="cut short"),
        pytest.param("a = 1\na = 2", "It is not TOML: Cannot overwrite a value", id="twice"),
        pytest.param('servers.runs.command = "y"', "servers.runs has no header of its own", id="no header"),
        pytest.param('[servers.runs]\ncommand.x = "y"', "servers.runs.command is written in parts", id="in parts"),
    ],
)
def test_a_table_that_cannot_be_changed_safely_is_refused(text: str, says: str) -> None:
    with pytest.raises(NotEditableError, match=re.escape(says)):
        toml.insert(text, PATH, ENTRY)
