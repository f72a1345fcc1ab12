"""The HTTP protocol of a connection: that of uvicorn, with limits on the headers of each request."""

import asyncio  # noqa: TID251 - uvicorn's protocols are asyncio's

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 20.0
"""Seconds that a caller has to send the headers of a request."""
MAX_HEADER_BYTES = 32 * 1024


class HttpProtocol(HttpToolsProtocol):
    """A connection that closes if the headers of its next request do not arrive in time, or are too large.

    Without the deadline, connections that send headers slowly or not at all would stay open forever (slowloris).
    docs/decisions/http-parser.md explains the choice of httptools, and why values of headers are stripped.
    """

    headers_s = HEADERS_S
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._expect_headers()

    @override
    def data_received(self, data: bytes) -> None:
        # The first part of a later request is not counted: it can contain the end of the previous body.
        expected = self._deadline
        super().data_received(data)
        if expected is not None and self._deadline is expected:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.send_400_response("The headers are too large.")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._expect_headers()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value.strip(b" \t"))  # RFC 9112, section 5.1

    @override
    def on_headers_complete(self) -> None:
        self._cancel()  # `MessageReader` limits the time of the body
        super().on_headers_complete()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self.headers_s, self.transport.close)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
