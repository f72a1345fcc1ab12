"""A real Redis, while a test lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

import anyio
from anyio.abc import Process


@dataclass(frozen=True, slots=True)
class Redis:
    """Where it is, and its process."""

    url: str
    process: Process


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[Redis]:
    """A Redis that keeps nothing on disk, at a socket in `folder`."""
    place = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(place), "--save", "", "--dir", str(folder)]
    async with await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=None) as process:
        try:
            await _listening(place)
            yield Redis(f"unix://{place}", process)
        finally:
            if process.returncode is None:
                process.kill()


async def _listening(place: Path) -> None:
    while True:
        try:
            stream = await anyio.connect_unix(place)
        except OSError:
            await anyio.sleep(0.01)  # nothing tells when a server is there but that it is
            continue
        await stream.aclose()
        return
