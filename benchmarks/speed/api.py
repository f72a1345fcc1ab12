"""A Runs API of fixed answers, quick enough that what stands before it is what is measured.

python -m benchmarks.speed.api      prints its port; ends with its standard input
"""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic_core import to_json

SMALL_CHARS, LARGE_CHARS = 1_500, 200_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
UNKNOWN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
GONE = (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream)


def run(number: int) -> dict[str, Any]:
    """A run as a list has it."""
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


def answers() -> Mapping[bytes, bytes]:
    """What is answered for each path with its query."""
    bodies: dict[bytes, Any] = {
        b"/api/v1/runs?limit=10": [run(number) for number in range(10)],
        b"/api/v1/runs?limit=100": [run(number) for number in range(100)],
        b"/api/v1/runs/small": {**run(1), "id": "small", "result": {"text": "word " * (SMALL_CHARS // 5)}},
        b"/api/v1/runs/large": {**run(1), "id": "large", "result": {"text": "word " * (LARGE_CHARS // 5)}},
    }
    encoded = {path: to_json(body) for path, body in bodies.items()}
    return {path: HEAD % len(body) + body for path, body in encoded.items()}


async def main() -> None:
    """Serve until standard input ends."""
    known = answers()

    async def serve(connection: SocketStream) -> None:
        incoming = BufferedByteReceiveStream(connection)
        async with connection:
            try:
                while True:
                    head = await incoming.receive_until(b"\r\n\r\n", 65_536)
                    path = head.split(b" ", 2)[1].replace(b"&offset=0", b"").replace(b"offset=0&", b"")
                    await connection.send(known.get(path, UNKNOWN))
            except GONE:
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=2048)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        sys.stdout.write(f"{listener.extra(SocketAttribute.local_port)}\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
