"""Streams of runs: their events, and their behaviour when the connection breaks."""

import gzip
import json
from collections.abc import AsyncIterator
from itertools import pairwise, zip_longest
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.api import (
    Chunk,
    Closed,
    NotFoundError,
    ProtocolError,
    ResponseTooLargeError,
    RunsClient,
    StreamInterruptedError,
)
from runs_mcp.api.stream import read_events
from tests.api.conftest import BASE, TOKEN, Closing, Open

pytestmark = pytest.mark.anyio

EVENTS = {"content-type": "text/event-stream; charset=utf-8"}
CLOSE = 'event: close\ndata: {"status":"completed"}\n\n'
CLOSED = Closed({"status": "completed"})


async def read(client: RunsClient, run_id: str = "r1", *, into: list[Any] | None = None) -> list[Any]:
    """Return the events of a stream; `into` also holds the events of a stream that breaks."""
    seen = [] if into is None else into
    async with client.stream_run(run_id) as events:
        async for event in events:
            seen.append(event)
    return seen


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            'data: "Hello "\n\ndata: "world"\n\n', [Chunk("Hello ", "Hello "), Chunk("world", "world")], id="wire"
        ),
        pytest.param('event: chunk\ndata: {"a": 1}\n\n', [Chunk('{"a":1}', {"a": 1})], id="document"),
        pytest.param('event: message\ndata: "x"\n\n', [Chunk("x", "x")], id="named message"),
        pytest.param("data: not json\n\n", [Chunk("not json", "not json")], id="not JSON"),
        pytest.param("data: 7\n\n", [Chunk("7", 7)], id="a number"),
        pytest.param('data: "a\ndata: b"\n\n', [Chunk('"a\nb"', '"a\nb"')], id="over two lines"),
        pytest.param(': comment\n\ndata: "x"\n\n: ping\n\n', [Chunk("x", "x")], id="comments"),
        pytest.param('id: 1\ndata: "x"\n\n: ping\n\n: ping\n\n', [Chunk("x", "x")], id="keep-alives after an id"),
        pytest.param('data: ""\n\ndata: null\n\ndata: "x"\n\n', [Chunk("x", "x")], id="empty pieces"),
        pytest.param('event: progress\ndata: 1\n\ndata: "x"\n\n', [Chunk("x", "x")], id="events unheard of"),
        pytest.param('data: "日本\\n語"\n\n', [Chunk("日本\n語", "日本\n語")], id="not ASCII"),
        pytest.param('\ufeffdata: "x"\n\n', [Chunk("x", "x")], id="a byte order mark"),
        pytest.param(
            'data: "a\\ud83d"\n\ndata: "\\ude00b"\n\n',
            [Chunk("a", "a"), Chunk("😀b", "😀b")],
            id="a surrogate pair across two chunks",
        ),
        pytest.param(
            'data: "\\ud83d"\n\ndata: "\\ude00"\n\n', [Chunk("😀", "😀")], id="a surrogate pair in halves alone"
        ),
        pytest.param('data: "a\\ud83d"\n\ndata: "b"\n\n', [Chunk("a", "a"), Chunk("�b", "�b")], id="half a pair"),
        pytest.param('data: "a\\ud83d"\n\n', [Chunk("a", "a"), Chunk("�", "�")], id="half a pair at the end"),
    ],
)
async def test_a_stream_is_read_as_chunks(
    router: respx.MockRouter, open_client: Open, body: str, expected: list[Chunk]
) -> None:
    router.route().mock(return_value=httpx.Response(200, headers=EVENTS, text=body + CLOSE))
    async with open_client() as client:
        assert await read(client) == [*expected, CLOSED]


@pytest.mark.parametrize(
    ("data", "expected"),
    [("data: \n", ""), ("data: odd\n", "odd"), ("data: null\n", None), ("data\n", "")],
)
async def test_a_close_event_with_any_data_ends_the_stream(
    router: respx.MockRouter, open_client: Open, data: str, expected: Any
) -> None:
    body = f'data: "x"\n\nevent: close\n{data}\ndata: "after"\n\n'
    router.route().mock(return_value=httpx.Response(200, headers=EVENTS, text=body))
    async with open_client() as client:
        assert await read(client) == [Chunk("x", "x"), Closed(expected)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing at all"),
        pytest.param('data: "x"\n\n', id="no close"),
        pytest.param('data: "x"\n\nevent: close\ndata: {}\n', id="half a close"),
    ],
)
async def test_an_end_without_close_is_an_interruption(router: respx.MockRouter, open_client: Open, body: str) -> None:
    route = router.route().mock(return_value=httpx.Response(200, headers=EVENTS, text=body))
    async with open_client(max_retries=4) as client:
        with pytest.raises(StreamInterruptedError):
            await read(client)
    assert route.call_count == 1, "a stream is never opened again"


class Pieces(Closing):
    """A body that arrives in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


class Breaking(Closing):
    """A stream whose connection breaks after its first piece."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __aiter__(self) -> Any:
        yield b'data: "x"\n\n'
        raise self._error


@pytest.mark.parametrize("error", [httpx.ReadError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
async def test_a_broken_connection_is_an_interruption_after_the_received_chunks(
    router: respx.MockRouter, open_client: Open, error: Exception
) -> None:
    stream = Breaking(error)
    router.route().mock(return_value=httpx.Response(200, headers=EVENTS, stream=stream))
    seen: list[Any] = []
    async with open_client() as client:
        with pytest.raises(StreamInterruptedError) as broken:
            await read(client, into=seen)
    assert seen == [Chunk("x", "x")]
    assert stream.closed
    assert broken.value.__context__ is None


async def test_a_reader_that_leaves_early_closes_the_connection(router: respx.MockRouter, open_client: Open) -> None:
    stream = Breaking(AssertionError("read on"))
    router.route().mock(return_value=httpx.Response(200, headers=EVENTS, stream=stream))
    async with open_client() as client, client.stream_run("r1") as events:
        await anext(aiter(events))
    assert stream.closed


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        pytest.param(httpx.Response(404, json={"message": "Run not found"}), NotFoundError, id="status"),
        pytest.param(httpx.Response(200, json={"id": "r1"}), ProtocolError, id="not events"),
    ],
)
async def test_a_response_other_than_a_stream_is_an_error(
    router: respx.MockRouter, open_client: Open, response: httpx.Response, kind: type[Exception]
) -> None:
    router.route().mock(return_value=response)
    async with open_client() as client:
        with pytest.raises(kind):
            await read(client)


@pytest.mark.parametrize(
    "kind", ["Text/Event-Stream", "text/event-stream ; charset=utf-8", "TEXT/EVENT-STREAM;charset=latin-1"]
)
async def test_a_content_type_is_compared_as_http_does(router: respx.MockRouter, open_client: Open, kind: str) -> None:
    route = router.route().mock(
        return_value=httpx.Response(200, headers={"content-type": kind}, content=f'data: "é"\n\n{CLOSE}'.encode())
    )
    async with open_client() as client:
        assert await read(client) == [Chunk("é", "é"), CLOSED]
    assert route.call_count == 1


async def test_a_compressed_stream_is_read(router: respx.MockRouter, open_client: Open) -> None:
    content = gzip.compress(f'data: "x"\n\n{CLOSE}'.encode())
    coded = {**EVENTS, "content-encoding": "gzip"}
    router.route().mock(return_value=httpx.Response(200, headers=coded, stream=Pieces([content[:20], content[20:]])))
    async with open_client() as client:
        assert await read(client) == [Chunk("x", "x"), CLOSED]


async def test_a_stream_in_nested_codings_is_refused(router: respx.MockRouter, open_client: Open) -> None:
    """A few KiB can expand to more than the memory of the machine."""
    nested, body = {**EVENTS, "content-encoding": "gzip, gzip"}, Pieces([])
    router.route().mock(return_value=httpx.Response(200, headers=nested, stream=body))
    async with open_client() as client:
        with pytest.raises(ProtocolError, match="content coding"):
            await read(client)
    assert body.closed


async def test_an_event_above_the_limit_ends_the_stream(router: respx.MockRouter, open_client: Open) -> None:
    small, large = f'data: "{"x" * 60_000}"\n\n', f'data: "{"x" * 120_000}"\n\n'
    stream = Pieces([small.encode()] * 5 + [large.encode()])
    router.route().mock(return_value=httpx.Response(200, headers=EVENTS, stream=stream))
    seen: list[Any] = []
    async with open_client(max_response_bytes=100_000) as client:
        with pytest.raises(ResponseTooLargeError):
            await read(client, into=seen)
    assert len(seen) == 5


@pytest.mark.parametrize("in_query", [False, True])
async def test_a_stream_is_authenticated_by_header_or_optionally_by_parameter(
    router: respx.MockRouter, open_client: Open, in_query: bool
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, headers=EVENTS, text=CLOSE))
    async with open_client(token_in_query=in_query, execution_timeout_s=600) as client:
        await read(client)
        await read(client, "a/b")
    first, second = (call.request for call in route.calls)
    assert str(first.url.copy_with(query=None)) == f"{BASE['composable']}/runs/r1/stream"
    assert second.url.raw_path.decode().startswith("/api/v1/runs/a%2Fb/stream")
    assert first.headers["accept"] == "text/event-stream"
    assert first.headers.get("authorization") == (None if in_query else f"Bearer {TOKEN}")
    assert dict(first.url.params) == ({"access_token": TOKEN} if in_query else {})
    assert first.extensions["timeout"]["read"] == 600


def cut(content: bytes, places: list[int]) -> list[bytes]:
    """`content` in pieces that may end in the middle of a character."""
    ends = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[start:end] for start, end in pairwise(ends)]


async def body(pieces: list[bytes]) -> AsyncIterator[bytes]:
    """A body that arrives in these pieces."""
    for piece in pieces:
        yield piece


TEXTS = some.lists(some.text(min_size=1), max_size=20)
FILLERS = some.lists(some.sampled_from(["", ": ping\n\n", "event: odd\ndata: 1\n\n", "retry: 5\n\n"]), max_size=20)


@given(TEXTS, FILLERS, some.lists(some.integers(0, 10_000), max_size=30), some.sampled_from(["\n", "\r\n", "\r"]))
async def test_texts_arrive_whole_and_in_order_at_any_chunk_boundaries(
    texts: list[str], fillers: list[str], places: list[int], newline: str
) -> None:
    sent = "".join(
        f"{filler}data: {json.dumps(text)}\n\n" for text, filler in zip_longest(texts, fillers, fillvalue="") if text
    )
    content = (sent + CLOSE).replace("\n", newline).encode()
    read = [event async for event in read_events(body(cut(content, places)), max_event_bytes=100_000)]
    assert [event.text for event in read if isinstance(event, Chunk)] == texts
    assert read[-1] == CLOSED


@given(some.binary(max_size=300), some.lists(some.integers(0, 300), max_size=5))
async def test_random_bytes_are_read_to_their_end_as_an_interruption(noise: bytes, places: list[int]) -> None:
    read = read_events(body(cut(noise, places)), max_event_bytes=100_000)
    with pytest.raises(StreamInterruptedError):
        _ = [event async for event in read]
