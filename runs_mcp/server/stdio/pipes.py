"""MCP messages over the standard streams of the process, on the event loop instead of in threads.

The SDK's transport reads and writes in threads, which takes several times as long per message, and nothing can stop its
read. It stays in use where the standard streams are not pipes: a terminal, a file, Windows.
"""

import json
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
    JSONRPCNotification,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

PIECE = 65_536
MOST_UNREAD = 1_000
"""Answers that may wait for the client to read them before its further messages are left unread."""


class Incoming:
    """The messages of the client, each read when the SDK asks for it."""

    def __init__(self, messages: AsyncGenerator[SessionMessage]) -> None:
        self._messages = messages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        return await anext(self._messages)

    async def receive(self) -> SessionMessage:
        """Return the next message.

        Raises:
            EndOfStream: The input has ended.
        """
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def aclose(self) -> None:
        """Stop reading."""
        await self._messages.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Outgoing:
    """The messages to the client; those that become ready during a write share the next one."""

    def __init__(self) -> None:
        self._lines = bytearray()
        self._unread = 0
        self._closed = False
        self._ready = anyio.Event()
        self._taken = anyio.Event()

    async def send(self, message: SessionMessage) -> None:
        """Queue `message`, and wait while the client has not read enough of the messages before it.

        Raises:
            ClosedResourceError: The stream is closed.
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
        """Wait until the client has read enough of its answers to send more requests."""
        while self._unread > MOST_UNREAD:
            await self._taken.wait()

    async def write(self, sink: int) -> None:
        """Write queued messages until the stream is closed and the queue is empty.

        Raises:
            ConnectionError: The client is gone.
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
        """Close the stream for further messages."""
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
    """Yield the stream of the client's messages and the stream of messages to it.

    A message above `max_bytes` is refused unread. Stray writes to standard output go to standard error meanwhile.
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
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return _refusal_of(line)
    # A request whose id is no string or integer parses as a notification, and its sender would wait forever.
    if isinstance(message, JSONRPCNotification) and b'"id"' in line and "id" in json.loads(line):
        return _refusal_of(line)
    return SessionMessage(message)


def _refusal_of(line: bytes) -> JSONRPCError:
    """Return the error for a line that is not a message, with the id of the request if it can be read."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return _refusal(PARSE_ERROR, "The line is not valid JSON.")
    known = _id(parsed["id"]) if isinstance(parsed, dict) and "id" in parsed and "method" in parsed else None
    expected = "`params` is an object, `id` a string or an integer, and text is valid Unicode"
    return _refusal(INVALID_REQUEST, f"The line is not a JSON-RPC 2.0 message: in one, {expected}.", known)


def _id(given: object) -> RequestId | None:
    """Return the id of a request as an error can carry it: 1.0 is the integer 1; other types are no ids."""
    match given:
        case bool():
            return None
        case int():
            return given
        case float() if given.is_integer():
            return int(given)
        case str() if given.encode(errors="ignore").decode() == given:  # lone surrogates cannot be written
            return given
        case _:
            return None


def _refusal(code: int, message: str, request_id: RequestId | None = None) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


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
    if too_long:
        yield None
    elif held.strip():
        yield bytes(held)


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
    """Yield descriptors of both pipes that nothing else in the process can read or write."""
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
