"""Sessions over streamable HTTP: plain HTTP/1.1 with a connection for each concurrent caller."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from typing_extensions import override

from benchmarks.driver import LEGACY, CallError, Era, Listener, Message, Session, is_progress, number_in

PATH = "/mcp"
MOST_HEAD_BYTES = 65_536
KEPT_S = 1
"""Seconds for which an idle connection is reused; servers close idle connections."""


class StatusError(Exception):
    """A request was answered with a status other than 2xx."""


class Connection:
    """A connection to a server, and the response that is being read from it."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.last_used = monotonic()
        self.head = b""
        self._incoming = BufferedByteReceiveStream(stream)

    async def send(self, request: bytes) -> None:
        """Send a request and read the head of its response.

        Raises:
            StatusError: The status is not 2xx.
        """
        await self.stream.send(request)
        self.head = (await self._incoming.receive_until(b"\r\n\r\n", MOST_HEAD_BYTES)).lower()
        if self.head.split(b" ", 2)[1][:1] != b"2":
            raise StatusError(self.head.partition(b"\r\n")[0].decode())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces."""
        if b"transfer-encoding: chunked" in self.head:
            while size := int(await self._incoming.receive_until(b"\r\n", MOST_HEAD_BYTES), 16):
                yield await self._incoming.receive_exactly(size)
                await self._incoming.receive_exactly(2)
            await self._incoming.receive_exactly(2)
        elif size := int(self.header(b"content-length") or 0):
            yield await self._incoming.receive_exactly(size)
        self.last_used = monotonic()

    def header(self, name: bytes) -> bytes:
        """Return a header of the response, in lower case."""
        return self.head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()

    @property
    def is_done(self) -> bool:
        """True if the connection cannot be reused."""
        return monotonic() - self.last_used > KEPT_S or self.header(b"connection") == b"close"


class Endpoint(Session):
    """A session with the server at `host:port`, with `caller` as bearer token, and from the address `source`."""

    def __init__(self, host: str, port: int, era: Era, caller: str = "", source: str | None = None) -> None:
        super().__init__(era)
        self._host, self._port, self._source = host, port, source
        self._idle: list[Connection] = []
        self._lines = [
            f"POST {PATH} HTTP/1.1",
            f"Host: {host}:{port}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            *([f"Authorization: Bearer {caller}"] if caller else []),
        ]

    @override
    async def handshake(self) -> None:
        await super().handshake()
        self._lines.append(f"MCP-Protocol-Version: {self.era}")

    @override
    async def exchange(self, number: int, message: Message, on_notification: Listener | None) -> bytes:
        async with self._sent(message) as connection:
            answer, held = b"", b""
            async for piece in connection.pieces():
                if b"content-type: application/json" in connection.head:
                    answer = piece if not answer else answer + piece
                    continue
                *lines, held = (held + piece).split(b"\n")
                for line in lines:
                    if not line.startswith(b"data: {"):
                        continue
                    if not is_progress(line):
                        answer = line[6:].rstrip()
                    elif on_notification:
                        on_notification(line)
            if number_in(answer) != number:
                raise CallError(f"not answered: {answer[:300]!r}")
            return answer

    @override
    async def notify(self, message: Message) -> None:
        async with self._sent(message) as connection:
            async for _ in connection.pieces():
                pass

    async def aclose(self) -> None:
        """Close every connection."""
        while self._idle:
            await self._idle.pop().stream.aclose()

    @asynccontextmanager
    async def _sent(self, message: Message) -> AsyncIterator[Connection]:
        """Send `message` and yield its connection, which is reused if the response was read completely."""
        connection = await self._connection()
        try:
            await connection.send(self._request(message))
            if self.era == LEGACY and message["method"] == "initialize":
                self._join(connection.header(b"mcp-session-id").decode())
            yield connection
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.stream.aclose()
            raise
        self._idle.append(connection)

    def _join(self, session: str) -> None:
        if session:
            self._lines.append(f"Mcp-Session-Id: {session}")

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_done:
                return connection
            await connection.stream.aclose()
        return Connection(await anyio.connect_tcp(self._host, self._port, local_host=self._source))

    def _request(self, message: Message) -> bytes:
        body = json.dumps(message).encode()
        lines = [*self._lines, *(self._routing(message) if self.era != LEGACY else ()), f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def _routing(self, message: Message) -> list[str]:
        """Return the headers that 2026-07-28 requires to repeat parts of the body."""
        params: Mapping[str, str] = message.get("params", {})
        return [f"Mcp-Method: {message['method']}", *([f"Mcp-Name: {params['name']}"] if "name" in params else [])]


@asynccontextmanager
async def connect(
    host: str, port: int, era: Era, caller: str = "", source: str | None = None
) -> AsyncIterator[Endpoint]:
    """Open a session and complete the handshake."""
    session = Endpoint(host, port, era, caller, source)
    await session.handshake()
    try:
        yield session
    finally:
        await session.aclose()
