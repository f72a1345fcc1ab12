"""Runs as lines of text: cells on one line, and times to the minute, in UTC."""

import pytest

from runs_mcp.api import Run
from runs_mcp.server.render import tables


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("2026-11-19T14:30:12.345Z", "2026-11-19 14:30", id="UTC"),
        pytest.param("2026-11-27T01:30:00+02:00", "2026-11-26 23:30", id="another zone"),
        pytest.param("2026-11-19T14:30:12+00:00", "2026-11-19 14:30", id="an offset of zero"),
        pytest.param("2026-11-19 14:30", "2026-11-19 14:30", id="a space and no zone"),
        pytest.param("20261119T143012Z", "2026-11-19 14:30", id="without separators"),
        pytest.param("2026-11-19", "2026-11-19 00:00", id="a date"),
        pytest.param("0001-01-01T00:00:00+14:00", "", id="before the calendar"),
        pytest.param("yesterday", "", id="no time"),
        pytest.param(1795098612, "2026-11-19 14:30", id="seconds since 1970"),
        pytest.param(17, "", id="another number"),
    ],
)
def test_the_time_of_creation_is_shown_to_the_minute_in_utc(sent: object, shown: str) -> None:
    assert tables.of_runs([Run({"created_at": sent})])[tables.CREATED] == (shown,)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("gpt-4o (EU), 2.5", "gpt-4o (EU), 2.5", id="plain"),
        pytest.param("a|b", "a|b", id="a bar inside a word"),
        pytest.param("a | b", "a ¦ b", id="what separates cells"),
        pytest.param(" a  b\n\tc ", "a b c", id="spaces and line feeds"),
        pytest.param("Größe €", "Größe €", id="letters beyond ASCII"),
        pytest.param("a\u202eb\x7f", "a<U+202E>b<U+007F>", id="hidden characters"),
        pytest.param("", "", id="empty"),
        pytest.param("x" * 161, "x" * 160 + "…", id="too long"),
    ],
)
def test_a_cell_imitates_no_column_and_no_line(text: str, shown: str) -> None:
    assert tables.cell(text) == shown
