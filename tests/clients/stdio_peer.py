"""A server over stdio that receives raw lines from a test."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.clients.processes import CLEAN

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "peer", "version": "1"}}
CALL = {"jsonrpc": "2.0", "id": "x", "method": "tools/call"}


class Peer:
    """A server process and its messages."""

    def __init__(self, process: Process) -> None:
        assert process.stdout
        self.process = process
        self._received = BufferedByteReceiveStream(process.stdout)

    async def send(self, message: str | bytes) -> None:
        """Send a line unchanged."""
        assert self.process.stdin
        await self.process.stdin.send((message.encode() if isinstance(message, str) else message) + b"\n")

    async def next(self) -> dict[str, Any]:
        """Return the next message."""
        return dict(json.loads(await self._received.receive_until(b"\n", 10_000_000)))

    async def answer_to(self, request_id: str) -> dict[str, Any]:
        """Return the answer to a request, and skip the messages before it."""
        while (message := await self.next()).get("id") != request_id:
            pass
        return message


@asynccontextmanager
async def started(arguments: Sequence[str], environment: Mapping[str, str] = CLEAN) -> AsyncIterator[Peer]:
    """Run a server in a separate process for the duration of the block; yield it after its handshake."""
    command = [sys.executable, *arguments]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment) as process:
        peer = Peer(process)
        await peer.send(json.dumps({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": HELLO}))
        await peer.answer_to("hello")
        await peer.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        yield peer
        process.terminate()
