"""The HTTP protocol of a connection: that of uvicorn, with a deadline for the headers of each request."""

import asyncio  # noqa: TID251 - uvicorn's protocols are asyncio's

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 20.0
"""Seconds that a caller has to send the headers of a request."""


class HttpProtocol(H11Protocol):
    """A connection that closes if its next request does not begin in time.

    Without the deadline, connections that send headers slowly or not at all would stay open forever (slowloris).
    docs/decisions/http-parser.md explains why it is based on h11 and not on httptools.
    """

    headers_s = HEADERS_S
    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._expect_headers()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        complete: bool = getattr(self.cycle, "response_complete", True)  # there is no cycle before the first request
        if not complete:
            self._cancel()  # the headers have arrived; `MessageReader` limits the time of the body
        elif self._deadline is None:
            self._expect_headers()

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
