"""What keeps the memory that a stream takes: `python -m benchmarks.kept`.

Streams are opened and write next to nothing, so that what they keep is the least that a stream costs.
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
from benchmarks.peers import SERVERS, Peer, Place, Server, fixed_api, met
from benchmarks.streams import some_runs

TRACED = Peer("runs-mcp", (sys.executable, str(SERVERS / "traced.py"), "serve"), ("--http", "--port"))
PLACES = [Place(TRACED, "stdio", LEGACY), Place(TRACED, "HTTP", LEGACY), Place(TRACED, "HTTP", MODERN)]
OWNERS = ("ours", "the SDK", "uvicorn", "aiohttp", "the event loop")
SECONDS = 60
Kept = Mapping[str, float]
"""KiB by whose code asked for them."""


async def newly_kept(server: Server, said: Path) -> Kept:
    """What a server has come to keep since it was last asked."""
    os.kill(server.usage.pid, signal.SIGUSR1)
    kept: Kept = json.loads(await to_thread.run_sync(said.read_text))
    return kept


async def by_streams(place: Place, streams: int) -> Kept:
    """What so many streams keep, all open."""
    heard: set[str] = set()
    all_heard = anyio.Event()
    with TemporaryDirectory() as folder:
        said = Path(folder) / "kept"
        os.mkfifo(said)
        async with fixed_api() as environment, met(place, {**environment, "KEPT": str(said)}) as server:

            async def follow(run: str) -> None:
                await server.session.call("stream_run", {"run_id": run}, partial(listen, run))

            def listen(run: str, _: bytes) -> None:
                heard.add(run)
                if len(heard) == streams:
                    all_heard.set()

            [warm] = some_runs(1, 10, 50)
            await server.session.call("stream_run", {"run_id": warm})
            await newly_kept(server, said)
            async with anyio.create_task_group() as tasks:
                for run in some_runs(streams, SECONDS, 1):
                    tasks.start_soon(follow, run)
                await all_heard.wait()
                kept = await newly_kept(server, said)
                tasks.cancel_scope.cancel()
    return kept


async def measured(streams: int) -> str:
    """The table, in Markdown."""
    rows = []
    for place in PLACES:
        report.progress(f"{streams} streams, {place.over}, {place.era}")
        kept = await by_streams(place, streams)
        parts = [kept.get(name, 0) / streams for name in OWNERS]
        rows.append([place.over, place.era, *(f"{part:.0f}" for part in parts), f"{sum(parts):.0f}"])
    heads = [f"KiB that one of {streams} open streams keeps, over", "protocol", *OWNERS, "in all"]
    return report.table(heads, rows)


@click.command()
@click.option("--streams", default=200, show_default=True, help="How many streams are open.")
@report.write_option
def main(*, streams: int, write: bool) -> None:
    """Measure what keeps the memory that a stream takes."""
    report.publish("kept", anyio.run(partial(measured, streams), backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
