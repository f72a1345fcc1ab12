"""MCP messages over the standard streams of the process, on the event loop instead of in threads.

The SDK's own transport reads and writes in threads: several times the time of a message, and a read that nothing can
stop. It stays in use where the standard streams are no pipes: a terminal, a file, Windows.
"""

import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

PIECE = 65_536
MOST_UNREAD = 1_000
"""Answers that may wait for a client to read before nothing more is read of it."""


class Incoming:
    """What the client sends, read when the SDK asks for the next message."""

    def __init__(self, messages: AsyncGenerator[SessionMessage]) -> None:
        self._messages = messages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        return await anext(self._messages)

    async def receive(self) -> SessionMessage:
        """The next message.

        Raises:
            EndOfStream: there is none.
        """
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def aclose(self) -> None:
        """Read no more."""
        await self._messages.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Outgoing:
    """What the client is sent: messages that become ready while others are being written are one write."""

    def __init__(self) -> None:
        self._lines = bytearray()
        self._unread = 0
        self._closed = False
        self._ready = anyio.Event()
        self._taken = anyio.Event()

    async def send(self, message: SessionMessage) -> None:
        """Have `message` written, and wait while the client has not read enough of what came before.

        Raises:
            ClosedResourceError: nothing is written any more.
        """
        if self._closed:
            raise anyio.ClosedResourceError
        self._lines += _line(message)
        self._ready.set()
        if len(self._lines) > PIECE:
            self._unread += 1
            try:
                await self._taken.wait()
            finally:
                self._unread -= 1

    async def room(self) -> None:
        """Wait until the client has read so much that it may ask for more."""
        while self._unread > MOST_UNREAD:
            await self._taken.wait()

    async def write(self, sink: int) -> None:
        """Write what is sent until all of it is written and nothing more will be.

        Raises:
            ConnectionError: the client is gone.
        """
        while self._lines or not self._closed:
            await self._ready.wait()
            lines, self._lines = self._lines, bytearray()
            if not self._closed:
                self._ready = anyio.Event()
            self._taken.set()
            self._taken = anyio.Event()
            await _write(sink, lines)

    async def aclose(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._ready.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


Reading = Incoming | MemoryObjectReceiveStream[SessionMessage | Exception]
Writing = Outgoing | MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def stdio(*, max_bytes: int) -> AsyncIterator[tuple[Reading, Writing]]:
    """What the client sends and what it is sent, while the block lasts; a message above `max_bytes` is refused unread.

    Stray writes to standard output go to standard error meanwhile.
    """
    if not (_is_pipe(0) and _is_pipe(1)):
        async with stdio_server() as streams:
            yield streams
            return
    with _standard_streams() as (source, sink):
        outgoing = Outgoing()
        incoming = Incoming(_messages(source, outgoing, max_bytes))
        async with anyio.create_task_group() as tasks, outgoing:

            async def write() -> None:
                with suppress(ConnectionError):
                    await outgoing.write(sink)
                    return
                tasks.cancel_scope.cancel()  # the client is gone

            tasks.start_soon(write)
            yield incoming, outgoing


async def _messages(source: int, outgoing: Outgoing, max_bytes: int) -> AsyncGenerator[SessionMessage]:
    async for line in _lines(source, max_bytes):
        match _message(line, max_bytes):
            case JSONRPCError() as refusal:
                await outgoing.send(SessionMessage(refusal))
            case message:
                yield message
        await outgoing.room()


def _message(line: bytes | None, max_bytes: int) -> SessionMessage | JSONRPCError:
    if line is None:
        return _refusal(INVALID_REQUEST, f"The message is larger than {max_bytes:,} bytes, and was not read.")
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError:
        return _refusal(PARSE_ERROR, "The line is no message of JSON-RPC 2.0.")


def _refusal(code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=message))


def _line(message: SessionMessage) -> bytes:
    """Return the line that carries a message."""
    return message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"


async def _lines(source: int, max_bytes: int) -> AsyncGenerator[bytes | None]:
    """Yield lines until the end of input; None stands for a line longer than `max_bytes`."""
    held, too_long = bytearray(), False
    while piece := await _read(source):
        held += piece
        if b"\n" in piece:
            *lines, rest = held.split(b"\n")
            for line in lines:
                if too_long or len(line) > max_bytes:
                    yield None
                elif line.strip():
                    yield bytes(line)
                too_long = False
            held = rest
        if len(held) > max_bytes:
            held.clear()
            too_long = True


async def _read(source: int) -> bytes:
    await anyio.wait_readable(source)
    try:
        return os.read(source, PIECE)
    except ConnectionError:
        return b""


async def _write(sink: int, lines: bytearray) -> None:
    left = memoryview(lines)
    while left:
        try:
            left = left[os.write(sink, left) :]
        except BlockingIOError:
            await anyio.wait_writable(sink)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


@contextmanager
def _standard_streams() -> Iterator[tuple[int, int]]:
    """Both pipes for ourselves, so that nothing else in the process can read or write a byte of the protocol."""
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    os.set_blocking(sink, False)
    try:
        yield source, sink
    finally:
        os.set_blocking(sink, True)
        os.dup2(source, 0)
        os.dup2(sink, 1)
        os.close(source)
        os.close(sink)
