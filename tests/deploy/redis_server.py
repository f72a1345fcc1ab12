"""A real Redis for the duration of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

import anyio
from anyio.abc import Process

from tests.ports import LOOPBACK, free_ports, wait_for_server


@dataclass(frozen=True, slots=True)
class Redis:
    """The URL of a Redis server, and its process."""

    url: str
    process: Process


@asynccontextmanager
async def redis_server(folder: Path, *options: str, port: int | None = None) -> AsyncIterator[Redis]:
    """Start a Redis that works in `folder` without saving anything, at `port` or else any free port."""
    port = port or free_ports(1)[0]
    command = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", str(folder), *options]
    async with await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=None) as process:
        try:
            await wait_for_server(port)
            yield Redis(f"redis://{LOOPBACK}:{port}/0", process)
        finally:
            if process.returncode is None:
                process.kill()
