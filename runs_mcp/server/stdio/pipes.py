"""MCP messages over the standard streams of the process, on the event loop instead of in threads.

The SDK's transport reads and writes in threads. This takes several times as long per message, and a read in a thread
cannot be interrupted, so SIGTERM could not end the process. The SDK's transport is used if the standard streams are not
pipes: for terminals and files, and on Windows (docs/decisions/stdio-streams.md).
"""

import json
import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
import orjson
from anyio.abc import ObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

PIECE = 65_536
MOST_UNREAD = 1_000
"""Maximum number of responses that wait for the client to read them before its further messages are not read."""


class Outgoing(ObjectSendStream[SessionMessage]):
    """The messages to the client. Messages that are queued during a write are written together by the next write."""

    def __init__(self) -> None:
        self._lines = bytearray()
        self._unread = 0
        self._closed = False
        self._ready = anyio.Event()
        self._taken = anyio.Event()

    async def send(self, message: SessionMessage) -> None:
        """Queue `message`, and wait until the client has read enough of the earlier messages.

        Raises:
            ClosedResourceError: the stream is closed.
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
        """Wait until the client has read enough of its responses."""
        while self._unread > MOST_UNREAD:
            await self._taken.wait()

    async def write(self, sink: int) -> None:
        """Write queued messages until the stream is closed and the queue is empty.

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
        """Close the stream for further messages."""
        self._closed = True
        self._ready.set()


Reading = AsyncIterator[SessionMessage | Exception]
Writing = ObjectSendStream[SessionMessage]


@asynccontextmanager
async def stdio(*, max_bytes: int) -> AsyncIterator[tuple[Reading, Writing]]:
    """Yield the stream of the client's messages and the stream of messages to it.

    Messages larger than `max_bytes` are refused without being kept. In the block, standard output is redirected to
    standard error: a stray `print` of a library would otherwise break the protocol ("stdio": the server must not write
    anything to stdout that is not a valid MCP message).
    """
    if not (_is_pipe(0) and _is_pipe(1)):
        async with stdio_server() as streams:
            yield streams
            return
    with _standard_streams() as (source, sink):
        outgoing = Outgoing()
        async with anyio.create_task_group() as tasks, outgoing:

            async def write() -> None:
                with suppress(ConnectionError):
                    await outgoing.write(sink)
                    return
                tasks.cancel_scope.cancel()  # the client has closed its end, so no response can be delivered

            tasks.start_soon(write)
            yield _messages(source, outgoing, max_bytes), outgoing


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
    # A request with an id that is neither a string nor an integer parses as a notification, and its sender would wait
    # forever. MCP does not allow the id null either ("Requests").
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
    """Return the id of a request if an error can carry it; 1.0 is the integer 1. None for any other type."""
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
    # Results can be long: orjson takes a third of the time of the model. It rejects integers beyond 64 bits.
    if isinstance(response := message.message, JSONRPCResponse):
        with suppress(TypeError):
            return orjson.dumps(dict(response), option=orjson.OPT_APPEND_NEWLINE)
    return message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"


async def _lines(source: int, max_bytes: int) -> AsyncGenerator[bytes | None]:
    """Yield lines until the end of the input, and None for a line longer than `max_bytes`."""
    # Lines are split at LF only. JSON text may contain U+2028 unescaped, at which `str.splitlines` would split.
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
        # The rest of a long line is read and dropped, because the next message begins after it.
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
        return b""  # a reset socket is the end of the input


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
    """Yield private descriptors of both pipes, and replace the standard descriptors in the block."""
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    # `wait_writable` does not guarantee room for a whole message, so a blocking write would stop the event loop.
    os.set_blocking(sink, False)
    try:
        yield source, sink
    finally:
        # The flag belongs to the pipe, which the parent process may share.
        os.set_blocking(sink, True)
        os.dup2(source, 0)
        os.dup2(sink, 1)
        os.close(source)
        os.close(sink)
