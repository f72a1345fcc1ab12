"""Logs: one JSON line per event on stderr; an unread pipe never blocks the server."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from runs_mcp.observability import logs
from runs_mcp.observability.audit import record_start
from tests.clients.processes import http_process
from tests.http_client import http_client

PIPE_BYTES = 65_536
Reader = Callable[[], list[bytes]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Redirect logs to a pipe; yield a function that reads its lines."""
    source, sink = os.pipe()
    os.set_blocking(source, False)
    held = b""

    def lines() -> list[bytes]:
        nonlocal held
        held += os.read(source, PIPE_BYTES)
        *whole, held = held.split(b"\n")
        return whole

    with open(sink, "w", encoding="utf-8") as stderr:  # noqa: PTH123 - of a descriptor
        monkeypatch.setattr(sys, "stderr", stderr)
        yield lines
    os.close(source)


@pytest.fixture
def log(read: Reader) -> Iterator[Callable[[str], None]]:
    """Yield a function that logs a text."""
    before = logging.root.handlers[:], logging.root.level
    logs.configure("info")
    yield logging.getLogger("test").info
    logging.root.handlers[:], logging.root.level = before


def test_lines_without_room_in_the_pipe_are_dropped_and_counted(read: Reader, log: Callable[[str], None]) -> None:
    for _ in range(100):
        log("x" * 1_000)
    kept = [json.loads(line) for line in read() if line]
    assert 20 < len(kept) < 100
    log("y")
    [last] = [json.loads(line) for line in read() if line.endswith(b"}")][-1:]
    assert (last["event"], last["dropped_before"]) == ("y", 100 - len(kept))
    log("z")
    assert [json.loads(line).keys() for line in read()] == [{"time", "level", "logger", "event"}]


def test_a_truncated_line_leaves_the_next_line_intact(read: Reader, log: Callable[[str], None]) -> None:
    log("x" * 2 * PIPE_BYTES)
    cut = read()
    log("y")
    rest, whole = read()
    assert cut == []
    assert rest.count(b"x") > PIPE_BYTES // 2
    assert json.loads(whole)["event"] == "y"


def test_text_that_could_deceive_a_reader_is_made_visible(read: Reader, log: Callable[[str], None]) -> None:
    log("run \u202eevil\u202c \u009b31m \u200b\ue000 \u2028 caf\u00e9 \u65e5\u672c")
    [line] = read()
    assert line.decode().count("\\u") == 6
    for hidden in "\u202e\u202c\u009b\u200b\ue000\u2028":
        assert hidden not in line.decode()
    assert "caf\u00e9 \u65e5\u672c" in line.decode()


def test_lines_carry_the_fields_of_their_context(read: Reader, log: Callable[[str], None]) -> None:
    with logs.Context(caller="ci"), logs.Context(run_id="r1"):
        log("inside")
        record_start("r2", interaction="Review", model=None)
    log("outside")
    inside, started, outside = [json.loads(line) for line in read()]
    assert (inside["caller"], inside["run_id"]) == ("ci", "r1")
    assert started.items() >= {"event": "run started", "caller": "ci", "run_id": "r2", "interaction": "Review"}.items()
    assert outside.keys() == {"time", "level", "logger", "event"}


@pytest.mark.anyio
@pytest.mark.slow
async def test_a_service_with_an_unread_log_continues_to_answer() -> None:
    async with http_process() as (url, _), http_client() as http:
        for _ in range(600):
            assert (await http.get(f"{url}/nothing")).status_code == 404
