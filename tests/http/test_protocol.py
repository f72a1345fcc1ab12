"""The HTTP protocol of a connection: parsing of headers, and requests refused before the application."""

from urllib.parse import urlsplit

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.http.protocol import MAX_HEADER_BYTES, MOST_PIPELINED, HttpProtocol
from tests.upstream import listening

pytestmark = pytest.mark.anyio
REQUEST = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = f"{REQUEST}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\n"
"""A request with a body in chunks, without the end that can follow trailers."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the value of the header `x-echo`."""
    value = dict(scope["headers"]).get(b"x-echo", b"none")
    await PlainTextResponse(b"<" + value + b">")(scope, receive, send)


async def echo_after_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole request, and answer like `echo`."""
    await Request(scope, receive).body()
    await echo(scope, receive, send)


async def answer_to(*parts: str | anyio.Event, app: ASGIApp = echo) -> str:
    """Send a request in parts and return the whole response, up to the end of the connection.

    An event delays the parts after it until it is set.
    """
    async with listening(lambda _: app, http=HttpProtocol) as url:
        at = urlsplit(url)
        async with await anyio.connect_tcp(str(at.hostname), at.port or 0) as connection:
            received = b""
            with anyio.fail_after(10):
                for part in parts:
                    await (connection.send(part.encode()) if isinstance(part, str) else part.wait())
                async for data in connection:
                    received += data
    return received.decode()


@pytest.mark.parametrize(
    "line", ["X-Echo: a value", "X-Echo:a value", "X-Echo:   a value  ", "x-echo:\ta value\t"], ids=repr
)
async def test_whitespace_around_the_value_of_a_header_is_not_part_of_it(line: str) -> None:
    assert (await answer_to(f"{REQUEST}{line}\r\nConnection: close\r\n\r\n")).endswith("<a value>")


async def test_a_malformed_url_is_a_400() -> None:
    assert (await answer_to("GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n")).startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="two lengths of the body"),
        pytest.param("Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two values of Content-Length"),
        pytest.param("Transfer-Encoding: chunked, identity\r\n\r\n", id="chunked is not the last encoding"),
        pytest.param("X-Echo : a value\r\n\r\n", id="a space before the colon"),
        pytest.param("X-Echo: a\0value\r\n\r\n", id="a control character"),
        pytest.param("X-Echo: a\rX-Other: b\r\n\r\n", id="a carriage return alone"),
        pytest.param(" X-Echo: a value\r\n\r\n", id="a continued line"),
    ],
)
async def test_a_request_that_proxies_could_read_differently_is_a_400(headers: str) -> None:
    assert (await answer_to(REQUEST + headers)).startswith("HTTP/1.1 400 ")


async def test_headers_that_arrive_in_parts_are_refused_once_they_are_too_large() -> None:
    largest = f"{REQUEST}X-Echo: ".ljust(MAX_HEADER_BYTES, "y")
    answer = await answer_to(largest[:-1], "y", "y")
    assert answer.startswith("HTTP/1.1 400 ")
    assert answer.endswith("The headers are too large.")


async def test_headers_after_the_body_are_ignored() -> None:
    answer = await answer_to(CHUNKED, "X-Echo: late\r\n\r\n", app=echo_after_the_body)
    assert answer.endswith("<none>")


@pytest.mark.parametrize("trailer", ["X-Echo: late\r\n" * 5_000, "X-Echo: " + "y" * 50_000], ids=["many", "large"])
async def test_headers_after_the_body_are_refused_once_they_are_too_large(trailer: str) -> None:
    body_read = anyio.Event()

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        body_read.set()
        await receive()

    assert (await answer_to(CHUNKED, body_read, trailer, app=reading)).startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("length", "rest"), [(3, "a"), (0, "\r\n")], ids=["a part of the body", "an empty line before the next request"]
)
async def test_a_connection_that_sends_no_request_after_a_response_is_closed(
    length: int, rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(lambda _: echo, http=HttpProtocol) as url:
        at = urlsplit(url)
        async with await anyio.connect_tcp(str(at.hostname), at.port or 0) as connection:
            await connection.send(f"{REQUEST}Content-Length: {length}\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"<none>"):
                received += await connection.receive()
            monkeypatch.setattr(HttpProtocol, "headers_s", 0.05)
            await connection.send(rest.encode())
            with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
                await connection.receive()


async def test_a_connection_whose_body_is_complete_after_the_response_serves_the_next_request() -> None:
    refused = f"{REQUEST}Content-Length: 3\r\n\r\n"
    answer = await answer_to(refused, "abc", f"{REQUEST}X-Echo: second\r\nConnection: close\r\n\r\n")
    assert answer.endswith("<second>")


async def test_requests_are_answered_in_the_order_of_a_connection() -> None:
    requests = [f"{REQUEST}Content-Length: 0\r\nX-Echo: {number}\r\n\r\n" for number in range(MOST_PIPELINED)]
    answer = await answer_to("".join(requests), f"{REQUEST}X-Echo: last\r\nConnection: close\r\n\r\n")
    assert [line.rpartition("<")[2] for line in answer.split(">")[:-1]] == [*map(str, range(MOST_PIPELINED)), "last"]


async def test_a_connection_with_too_many_requests_at_once_is_closed() -> None:
    served = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(scope)
        await echo(scope, receive, send)

    answer = await answer_to("GET /mcp HTTP/1.1\r\n\r\n" * 1_000, app=counting)
    assert "HTTP/1.1 400 " in answer
    assert len(served) <= MOST_PIPELINED + 1
