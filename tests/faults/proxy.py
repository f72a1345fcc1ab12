"""A proxy between the server and the Runs API that injects faults, reproducible by a seed."""

import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

GONE = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError)
PLAIN = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n{}\r\n"
Fault = Callable[[SocketStream, bytes], Awaitable[None]]


class FaultyProxy:
    """A proxy that forwards one request per connection. A share of them meets a fault, before or after the API."""

    def __init__(self, api_url: str, *, share: float, seed: int) -> None:
        parts = urlsplit(api_url)
        self._api = (parts.hostname or "", parts.port or 80)
        self._random = random.Random(seed)
        self.share = share
        """The share of requests that meet a fault, from 0 to 1."""
        self.met: Counter[str] = Counter()
        """The number of requests that met each fault."""
        self.url = ""
        self._faults: dict[str, Fault] = {
            "503 with Retry-After, unseen by the API": self._unavailable,
            "429, unseen by the API": self._limited,
            "502, unseen by the API": self._bad_gateway,
            "connection dropped before the API saw it": self._drop,
            "connection reset after the API answered": self._lose,
            "500 in place of the API's answer": self._fail,
            "answer cut short": self._cut,
            "answer never comes": self._stall,
            "answer goes silent in the middle": self._fall_silent,
        }

    async def handle(self, client: SocketStream) -> None:
        """Serve one connection: one request and its answer."""
        try:
            async with client:
                request = await _request(client)
                name = self._random.choice(list(self._faults)) if self._random.random() < self.share else ""
                self.met[name or "none"] += 1
                await self._faults.get(name, self._forward)(client, request)
        except GONE:
            self.met["left by the server"] += 1

    async def _forward(self, client: SocketStream, request: bytes) -> None:
        async with await anyio.connect_tcp(*self._api) as api:
            await api.send(request)
            async for piece in api:
                await client.send(piece)

    async def _unavailable(self, client: SocketStream, request: bytes) -> None:
        await client.send(PLAIN.format("503 Service Unavailable", "Retry-After: 0\r\n").encode())

    async def _limited(self, client: SocketStream, request: bytes) -> None:
        await client.send(PLAIN.format("429 Too Many Requests", "").encode())

    async def _bad_gateway(self, client: SocketStream, request: bytes) -> None:
        await client.send(PLAIN.format("502 Bad Gateway", "").encode())

    async def _drop(self, client: SocketStream, request: bytes) -> None:
        _reset(client)

    async def _lose(self, client: SocketStream, request: bytes) -> None:
        await self._answer(request)
        _reset(client)

    async def _fail(self, client: SocketStream, request: bytes) -> None:
        await self._answer(request)
        await client.send(PLAIN.format("500 Internal Server Error", "").encode())

    async def _cut(self, client: SocketStream, request: bytes) -> None:
        await client.send(await self._answer(request, at_most=self._random.randint(20, 600)))

    async def _stall(self, client: SocketStream, request: bytes) -> None:
        await self._answer(request)
        await client.receive()

    async def _fall_silent(self, client: SocketStream, request: bytes) -> None:
        await client.send(await self._answer(request, at_most=self._random.randint(20, 600)))
        await client.receive()

    async def _answer(self, request: bytes, *, at_most: int = 10_000_000) -> bytes:
        """Forward a request and return the API's answer, up to `at_most` bytes."""
        answer = b""
        async with await anyio.connect_tcp(*self._api) as api:
            await api.send(request)
            async for piece in api:
                answer += piece
                if len(answer) >= at_most:
                    break
        return answer[:at_most]


async def _request(client: SocketStream) -> bytes:
    """Return a whole request, changed to close its connection."""
    incoming = BufferedByteReceiveStream(client)
    head = (await incoming.receive_until(b"\r\n\r\n", 65_536)).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await incoming.receive_exactly(int(headers.get("content-length", 0)))
    kept = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "connection": "close"}.items())
    return f"{first}\r\n{kept}\r\n".encode("latin-1") + body


def _reset(client: SocketStream) -> None:
    """Let the connection end with a reset instead of an orderly close."""
    raw = client.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def faulty(api_url: str, *, share: float, seed: int) -> AsyncIterator[FaultyProxy]:
    """A proxy in front of the API at `api_url` for the duration of the block."""
    proxy = FaultyProxy(api_url, share=share, seed=seed)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        proxy.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.start_soon(listener.serve, proxy.handle)
        yield proxy
        tasks.cancel_scope.cancel()
