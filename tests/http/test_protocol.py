"""The HTTP protocol of a connection: how headers are read, and the requests that are refused before the application."""

from urllib.parse import urlsplit

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from runs_mcp.http.protocol import MAX_HEADER_BYTES, HttpProtocol
from tests.upstream import listening

pytestmark = pytest.mark.anyio
REQUEST = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the value of the header `x-echo`."""
    value = dict(scope["headers"]).get(b"x-echo", b"none")
    await PlainTextResponse(b"<" + value + b">")(scope, receive, send)


async def answer_to(*parts: str) -> str:
    """Return all that the server sends for a request in these parts, until it closes the connection."""
    async with listening(lambda _: echo, http=HttpProtocol) as url:
        at = urlsplit(url)
        async with await anyio.connect_tcp(str(at.hostname), at.port or 0) as connection:
            received = b""
            with anyio.fail_after(10):
                for part in parts:
                    await connection.send(part.encode())
                async for data in connection:
                    received += data
    return received.decode()


@pytest.mark.parametrize(
    "line", ["X-Echo: a value", "X-Echo:a value", "X-Echo:   a value  ", "x-echo:\ta value\t"], ids=repr
)
async def test_whitespace_around_the_value_of_a_header_is_not_part_of_it(line: str) -> None:
    assert (await answer_to(f"{REQUEST}{line}\r\nConnection: close\r\n\r\n")).endswith("<a value>")


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
