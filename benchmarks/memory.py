"""Memory of an open stream by component: `python -m benchmarks.memory`.

The streams deliver almost no text, so the figures are the minimum for a stream.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import click
from anyio import to_thread

from benchmarks import report
from benchmarks.driver import LEGACY, MODERN
from benchmarks.peers import SERVERS, Peer, Place, Server, fixed_api, start_server
from benchmarks.streams import stream_ids

TRACED = Peer("runs-mcp", (sys.executable, str(SERVERS / "traced.py"), "serve"), ("--http", "--port"))
PLACES = [Place(TRACED, "stdio", LEGACY), Place(TRACED, "HTTP", LEGACY), Place(TRACED, "HTTP", MODERN)]
OWNERS = ("ours", "the SDK", "uvicorn", "httpx", "aiohttp", "the event loop")
SECONDS = 60
Allocated = Mapping[str, float]
"""KiB by the component that allocated them."""


async def newly_allocated(server: Server, pipe: Path) -> Allocated:
    """Return the memory that the server has allocated since the previous call and not released."""
    os.kill(server.usage.pid, signal.SIGUSR1)
    allocated: Allocated = json.loads(await to_thread.run_sync(pipe.read_text))
    return allocated


async def by_streams(place: Place, streams: int) -> Allocated:
    """Measure the memory of `streams` open streams."""
    received: set[str] = set()
    all_heard = anyio.Event()
    with TemporaryDirectory() as folder:
        pipe = Path(folder) / "memory"
        os.mkfifo(pipe)
        async with fixed_api() as environment, start_server(place, {**environment, "MEMORY_PIPE": str(pipe)}) as server:

            async def follow(run: str) -> None:
                await server.session.call("stream_run", {"run_id": run}, partial(listen, run))

            def listen(run: str, _: bytes) -> None:
                received.add(run)
                if len(received) == streams:
                    all_heard.set()

            [warm] = stream_ids(1, 10, 50)
            await server.session.call("stream_run", {"run_id": warm})
            await newly_allocated(server, pipe)
            async with anyio.create_task_group() as tasks:
                for run in stream_ids(streams, SECONDS, 1):
                    tasks.start_soon(follow, run)
                await all_heard.wait()
                allocated = await newly_allocated(server, pipe)
                tasks.cancel_scope.cancel()
    return allocated


async def measure_tables(streams: int) -> str:
    """Return the table, in Markdown."""
    rows = []
    for place in PLACES:
        report.progress(f"{streams} streams, {place.over}, {place.era}")
        allocated = await by_streams(place, streams)
        parts = [allocated.get(name, 0) / streams for name in OWNERS]
        rows.append([place.over, place.era, *(f"{part:.0f}" for part in parts), f"{sum(parts):.0f}"])
    heads = [f"KiB for each of {streams} open streams, over", "protocol", *OWNERS, "total"]
    return report.table(heads, rows)


@click.command()
@click.option("--streams", default=200, show_default=True, help="Number of open streams.")
@report.write_option
def main(*, streams: int, write: bool) -> None:
    """Measure the memory of an open stream by component."""
    report.publish(
        "memory", anyio.run(partial(measure_tables, streams), backend_options={"use_uvloop": True}), write=write
    )


if __name__ == "__main__":
    main()
