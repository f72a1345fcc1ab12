"""Runs API with fixed responses, fast enough that benchmarks measure the server in front of it.

`python -m benchmarks.api` prints its port and ends when its standard input ends.

The runs `small` and `large` exist. `stream-GROUP-NUMBERxCHUNKSxRATExTOGETHER` is a run that delivers CHUNKS chunks,
RATE per second, as soon as TOGETHER streams of its group are open. Each chunk contains its number and the time at
which it was sent, from the monotonic clock that all processes share. `POST /runs` creates such a run from its `data`.
`GET /opened/RUN` returns how often the stream of a run was opened, `POST /end` ends all open streams after their next
chunk, and `GET /sent` returns the number of chunks of all ended streams.
"""

import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from time import monotonic, monotonic_ns
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic_core import to_json

SMALL_CHARS, LARGE_CHARS = 1_500, 200_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
UNKNOWN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
GONE = (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError)
ROOT = "/api/v1"
STREAMED = re.compile(r"stream-(\w+)-\d+x(\d+)x(\d+)x(\d+)")
TICK_S = 0.005
STAMP = re.compile(rb"(\d+)@(\d+);")
"""A chunk: its number and the time at which it was sent, in nanoseconds of the monotonic clock."""


def run(number: int) -> dict[str, Any]:
    """Return a run as it appears in a list."""
    now = datetime.now(UTC).isoformat()
    return {
        "id": f"66a1f0c2e4b0a1b2c3d4{number:04}",
        "status": "failed" if number % 5 == 0 else "completed",
        "interaction": {"id": "66a1f0c2e4b0a1b2c3d40001", "name": "ReviewContract"},
        "environment": {"id": "66b2f0c2e4b0a1b2c3d4e001", "name": "OpenAI production"},
        "modelId": "gpt-4o",
        "created_at": now,
        "updated_at": now,
        "execution_time": 1200 + number,
        "token_use": {"prompt": 900, "result": 120, "total": 1020},
        "tags": ["nightly"],
        "project": {"id": "66a1f0c2e4b0a1b2c3d4f001", "name": "Demo"},
        "account": {"id": "66a1f0c2e4b0a1b2c3d4f000", "name": "Demo"},
        **({"error": {"code": "timeout", "message": "The model timed out after 60 s."}} if number % 5 == 0 else {}),
    }


def facets() -> dict[str, Any]:
    """Return counts for all facets."""
    names = ("environments", "interactions", "models", "tags", "status")
    return {name: [{"_id": f"value-{number}", "count": 10 * number} for number in range(1, 9)] for name in names}


def answered(body: Any) -> bytes:
    """Return the HTTP response with `body` as JSON."""
    encoded = to_json(body)
    return HEAD % len(encoded) + encoded


FIXED: Mapping[str, bytes] = {
    **{
        f"GET {ROOT}/runs?limit={limit}": answered([run(number) for number in range(limit)])
        for limit in (10, 11, 100, 101)  # a server that reports the end of the list requests one row more than it shows
    },
    f"GET {ROOT}/runs/small": answered({**run(1), "id": "small", "result": {"text": "word " * (SMALL_CHARS // 5)}}),
    f"GET {ROOT}/runs/large": answered({**run(1), "id": "large", "result": {"text": "word " * (LARGE_CHARS // 5)}}),
    f"POST {ROOT}/runs/facets": answered({**facets(), "total": 360}),
}


class Stream:
    """An open stream, written directly to its socket: one loop serves a thousand streams without tasks."""

    def __init__(self, descriptor: int, chunks: int, per_s: int) -> None:
        self.ended = anyio.Event()
        self.written = 0
        """Number of written chunks."""
        self._descriptor, self._chunks, self._per_s = descriptor, chunks, per_s
        self._began = float("inf")
        self._pending = bytearray(STREAM_HEAD)

    def begin(self) -> None:
        """Start to write."""
        self._began = monotonic()

    def end(self) -> None:
        """End after the next chunk, if more would follow."""
        self._chunks = min(self._chunks, self.written + 1)

    def write_due(self) -> None:
        """Write the chunks that are due, as far as the socket accepts them."""
        due = min(max(monotonic() - self._began, 0) * self._per_s, self._chunks)
        while self.written < int(due):
            self._event(b'data: "%d@%d;"\n\n' % (self.written, monotonic_ns()))
            self.written += 1
            if self.written == self._chunks:
                self._event(b"event: close\ndata: {}\n\n")
                self._pending += b"0\r\n\r\n"
        if not self._pending:
            return
        try:
            del self._pending[: os.write(self._descriptor, self._pending)]
        except BlockingIOError:
            return
        except ConnectionError:
            self.ended.set()
        if self.written == self._chunks and not self._pending:
            self.ended.set()

    def _event(self, event: bytes) -> None:
        self._pending += b"%x\r\n%s\r\n" % (len(event), event)


class Api:
    """The responses and the open streams."""

    def __init__(self) -> None:
        self._numbers = count()
        self._streams: set[Stream] = set()
        self._waiting: dict[str, list[Stream]] = defaultdict(list)
        self._opened = Counter[str]()
        self._ended: set[str] = set()
        self._sent = 0

    async def serve(self, connection: SocketStream) -> None:
        """Answer the requests of a connection."""
        incoming = BufferedByteReceiveStream(connection)
        async with connection:
            try:
                while True:
                    head = await incoming.receive_until(b"\r\n\r\n", 65_536)
                    length = re.search(rb"(?i)content-length: (\d+)", head)
                    body = await incoming.receive_exactly(int(length[1])) if length and length[1] != b"0" else b""
                    method, path, _ = head.decode().split(" ", 2)
                    path = path.replace("&offset=0", "").replace("offset=0&", "")
                    if path.endswith("/stream"):
                        await self._stream(path.split("/")[-2], connection.extra(SocketAttribute.raw_socket).fileno())
                    else:
                        await connection.send(self._answer(f"{method} {path}", body))
            except GONE:
                return

    async def write(self) -> None:
        """Write to the open streams until cancelled."""
        while True:
            await anyio.sleep(TICK_S)
            for stream in self._streams:
                stream.write_due()

    async def _stream(self, run_id: str, descriptor: int) -> None:
        found = STREAMED.fullmatch(run_id)
        assert found, run_id
        chunks, per_s, together = map(int, found.groups()[1:])
        self._opened[run_id] += 1
        stream = Stream(descriptor, chunks, per_s)
        self._streams = {*self._streams, stream}
        self._waiting[found[1]].append(stream)
        if len(self._waiting[found[1]]) == together:
            for stream in self._waiting.pop(found[1]):
                stream.begin()
        await stream.ended.wait()
        self._streams = self._streams - {stream}
        self._ended.add(run_id)
        self._sent += stream.written

    def _answer(self, request: str, body: bytes) -> bytes:
        if known := FIXED.get(request):
            return known
        name = request.rpartition("/")[2]
        if request == f"POST {ROOT}/runs":
            data = json.loads(body)["data"]
            return self._run(f"stream-{next(self._numbers)}-0x{data['chunks']}x{data['per_s']}x1")
        if "/opened/" in request:
            return answered({"opened": self._opened[name]})
        if request == f"GET {ROOT}/sent":
            return answered({"sent": self._sent})
        if request == f"POST {ROOT}/end":
            for stream in self._streams:
                stream.end()
            return answered({})
        return self._run(name) if STREAMED.fullmatch(name) else UNKNOWN

    def _run(self, run_id: str) -> bytes:
        status = "completed" if run_id in self._ended else "processing" if self._opened[run_id] else "created"
        done = {"result": {"text": "done"}} if status == "completed" else {}
        return answered({**run(1), "id": run_id, "status": status, **done})


async def main() -> None:
    """Serve until standard input ends."""
    api = Api()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=4096)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, api.serve)
        tasks.start_soon(api.write)
        sys.stdout.write(f"{listener.extra(SocketAttribute.local_port)}\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
