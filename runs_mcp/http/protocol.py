"""The HTTP protocol of a connection: that of uvicorn, with limits on all that does not reach the application."""

import asyncio  # noqa: TID251 - uvicorn's protocols are asyncio's

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 20.0
"""Seconds that a caller has to send the headers of a request."""
MAX_HEADER_BYTES = 32 * 1024
MOST_PIPELINED = 8
"""Maximum number of requests that wait for the response to an earlier request of their connection."""


class HttpProtocol(HttpToolsProtocol):
    """A connection that closes if the headers of its next request do not arrive in time, or are too large.

    Without the deadline, connections that send headers slowly or not at all would stay open forever (slowloris).
    The headers after a body in chunks (trailers) are limited in size too, and ignored.
    docs/decisions/http-parser.md explains the choice of httptools, and why values of headers are stripped.
    """

    headers_s = HEADERS_S
    _deadline: asyncio.TimerHandle | None = None
    _in_headers = False
    _unused_bytes = 0
    """Bytes received since the last headers or part of a body were complete."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._expect_headers()

    @override
    def data_received(self, data: bytes) -> None:
        self._unused_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unused_bytes > MAX_HEADER_BYTES:
            self.send_400_response("The headers are too large.")
        elif self._deadline is None and self.cycle.response_complete:
            # Data ends uvicorn's timer of idle connections, also if it is the body of a request that was refused.
            self._expect_headers()

    @override
    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_PIPELINED:
            raise httptools.HttpParserError("too many requests wait for their turn")  # ends the parsing of `data`
        super().on_message_begin()
        self._in_headers = True
        if self._deadline is None:
            self._expect_headers()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_headers:
            super().on_header(name, value.strip(b" \t"))  # RFC 9112, section 5.1

    @override
    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._unused_bytes = 0
        self._cancel()  # `MessageReader` limits the time of the body
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._unused_bytes = 0
        super().on_body(body)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(self.headers_s, self.transport.close)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
