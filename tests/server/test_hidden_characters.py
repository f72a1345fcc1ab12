"""Invisible characters, and characters that reorder visible text, are escaped in every answer that people read."""

import pytest

from runs_mcp.observability.mask import one_line, show_hidden
from runs_mcp.server.render.results import written_call


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("invoice\u202efdp.exe", "invoice<U+202E>fdp.exe", id="right-to-left override"),
        pytest.param("\u2066a\u2069", "<U+2066>a<U+2069>", id="isolates"),
        pytest.param("\x9b2J", "<U+009B>2J", id="one-byte control sequence introducer"),
        pytest.param("\x1b[2J", "<U+001B>[2J", id="escape sequence"),
        pytest.param("a\rb", "a<U+000D>b", id="carriage return that overwrites a line"),
        pytest.param("pay\u200bpal", "pay<U+200B>pal", id="zero-width space"),
        pytest.param("\U000e0041", "<U+E0041>", id="tag character"),
        pytest.param("\u3164", "<U+3164>", id="Hangul filler"),
        pytest.param("\ud800", "<U+D800>", id="half a character"),
    ],
)
def test_hidden_characters_are_written_out(text: str, shown: str) -> None:
    assert show_hidden(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("line\n\tnext", id="line feed and tab"),
        pytest.param("10\u00a0000\u202f€", id="spaces that do not break"),
        pytest.param("क्\u200dष שלום", id="joined letters and a right-to-left script"),
        pytest.param("👩\u200d👩\u200d👧 ❤\ufe0f", id="composed emoji"),
    ],
)
def test_readable_text_stays_as_it_is(text: str) -> None:
    assert show_hidden(text) == text


def test_line_breaks_in_a_line_are_escaped() -> None:
    assert one_line("a\r\nb\u2028c\x85d\x1b") == "a b c d<U+001B>"


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        pytest.param("né 日本語", "né 日本語", id="letters"),
        pytest.param("👩\u200d👧", "👩\u200d👧", id="a composed emoji"),
        pytest.param('a"b\nc', r"a\"b\nc", id="a quotation mark and a line feed"),
        pytest.param("pay\u200bpal", r"pay\u200bpal", id="a zero-width space"),
        pytest.param("x\u202ey", r"x\u202ey", id="a right-to-left override"),
        pytest.param("\ud800", r"\ud800", id="half a character"),
    ],
)
def test_arguments_of_written_calls_are_readable_and_hide_nothing(tag: str, written: str) -> None:
    assert written_call("list_runs", {"tag": tag}) == f'list_runs(tag="{written}")'
