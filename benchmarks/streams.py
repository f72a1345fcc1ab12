"""Delay of the text of one run and of a thousand runs: `python -m benchmarks.streams`.

The API adds to each chunk the time at which it was sent, from a clock that all processes share. The client reads this
time from the progress that arrives, and counts chunks that are missing or out of order.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic, monotonic_ns, process_time
from uuid import uuid4

import anyio
import click
import httpx

from benchmarks import report
from benchmarks.api import STAMP
from benchmarks.driver import LEGACY, CallError, percentile
from benchmarks.peers import OURS, PLAIN, Environment, Peer, Place, Server, fixed_api, peers, places, start_server

AT_ONCE = replace(OURS, name="runs-mcp, flush_ms 0", settings=(("RUNS_MCP_STREAMING__FLUSH_MS", "0"),))
LOOK_S = 0.25
"""Seconds between two measurements of the memory of a server."""
LONGEST_S = 120
"""Seconds after which unfinished streams are abandoned."""
KIB_IN_MIB = 1024
CHUNKS, PER_S = 500, 100
"""A single stream. Its last chunk waits while servers read the ended run; among 100 chunks, it would be the p99."""


@dataclass(slots=True)
class Received:
    """Chunks received from the streams of a server."""

    delays_ms: list[float] = field(default_factory=list)
    notifications: int = 0
    out_of_order: int = 0
    began_ns: int = 0
    """Time at which the first chunk was sent."""

    def reader(self) -> "Reader":
        """Return a reader for another stream."""
        return Reader(self)


class Reader:
    """Receiver of the progress of one stream."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self.next = 0
        """Number of the next chunk."""

    def __call__(self, line: bytes) -> None:
        """Count the chunks in a progress notification."""
        now = monotonic_ns()
        self._received.notifications += 1
        for number, stamp in STAMP.findall(line):
            if int(number) != self.next:
                self._received.out_of_order += 1
            self.next = int(number) + 1
            self._received.began_ns = self._received.began_ns or int(stamp)
            self._received.delays_ms.append((now - int(stamp)) / 1_000_000)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Measurements of many concurrent streams."""

    received: Received
    lost: int
    open_after_s: float
    """Seconds until all streams were open, which is when they start."""
    kib_a_stream: float
    cpu_us_a_chunk: float
    driver_busy: float
    """Processor use of the client; near 1, the client limits the measurement."""


def stream_ids(number: int, chunks: int, per_s: int) -> Sequence[str]:
    """Return ids of runs that deliver `chunks` chunks, `per_s` per second, once all their streams are open."""
    group = uuid4().hex
    return [f"stream-{group}-{index}x{chunks}x{per_s}x{number}" for index in range(number)]


async def one_stream(of: Sequence[Place], rounds: int, chunks: int, per_s: int) -> str:
    """Measure one stream at a time, for each server in turns."""
    received: dict[Place, Received] = defaultdict(Received)
    async with fixed_api() as environment, AsyncExitStack() as stack:
        servers = {place: await stack.enter_async_context(start_server(place, environment)) for place in of}
        for number in range(rounds):
            report.progress(f"one stream, round {number + 1} of {rounds}")
            for place, server in servers.items():
                await server.session.call("list_runs", {"limit": 10})
                [run] = stream_ids(1, chunks, per_s)
                await server.session.call("stream_run", {"run_id": run}, received[place].reader())
    heads = ["one stream", "over", "protocol", "p50 ms", "p99", "notifications a chunk", "lost, out of order"]
    return report.table(
        heads, [_one_row(place, chunks_of_place, rounds * chunks) for place, chunks_of_place in received.items()]
    )


def _one_row(place: Place, received: Received, chunks: int) -> Sequence[str]:
    return [
        *(place.peer.name, place.over, place.era),
        *(f"{percentile(received.delays_ms, 50):.2f}", f"{percentile(received.delays_ms, 99):.1f}"),
        f"{received.notifications / chunks:.2f}",
        f"{chunks - len(received.delays_ms)}, {received.out_of_order}",
    ]


async def crowd(server: Server, *, streams: int, chunks: int, per_s: int) -> Crowd:
    """Measure many concurrent streams of a server."""
    received = Received()
    await server.session.call("list_runs", {"limit": 10})
    resting, busy, driving, began = server.usage.memory_mib(), server.usage.busy_s(), process_time(), monotonic()
    highest = resting

    async def look() -> None:
        nonlocal highest
        while True:
            highest = max(highest, server.usage.memory_mib())
            await anyio.sleep(LOOK_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await _all_followed(server, received, stream_ids(streams, chunks, per_s))
        tasks.cancel_scope.cancel()
    whole = streams * chunks
    return Crowd(
        received,
        lost=whole - len(received.delays_ms),
        open_after_s=max(received.began_ns / 1_000_000_000 - began, 0),
        kib_a_stream=(highest - resting) * KIB_IN_MIB / streams,
        cpu_us_a_chunk=(server.usage.busy_s() - busy) * 1_000_000 / whole,
        driver_busy=(process_time() - driving) / (monotonic() - began),
    )


async def _all_followed(server: Server, received: Received, runs: Sequence[str]) -> Sequence[Reader]:
    """Follow these runs until they end or fail; return their readers."""
    readers = [received.reader() for _ in runs]

    async def follow(run: str, reader: Reader) -> None:
        try:
            await server.session.call("stream_run", {"run_id": run}, reader)
        except (CallError, OSError, anyio.IncompleteRead, anyio.BrokenResourceError) as error:
            report.progress(f"a stream failed: {error}")  # missing chunks count as lost

    with anyio.move_on_after(LONGEST_S):
        async with anyio.create_task_group() as tasks:
            for run, reader in zip(runs, readers, strict=True):
                tasks.start_soon(follow, run, reader)
    return readers


async def many_streams(of: Sequence[Place], streams: int, chunks: int, per_s: int) -> str:
    """Measure many concurrent streams of each server, one server after the other."""
    crowds: dict[Place, Crowd] = {}
    async with fixed_api() as environment:
        for place in of:
            report.progress(f"{streams:,} streams, {place.peer.name}, {place.over}, {place.era}")
            async with start_server(place, environment) as server:
                crowds[place] = await crowd(server, streams=streams, chunks=chunks, per_s=per_s)
    ours = {place.era: measured for place, measured in crowds.items() if place.peer == OURS and place.over == "HTTP"}
    heads = [f"{streams:,} streams, each {chunks} chunks at {per_s} a second", "over", "protocol", "p50 ms", "p99"]
    heads += ["lost, out of order", "all open after s", "CPU µs a chunk", "KiB a stream", "the client was busy"]
    return report.table(heads, [_crowd_row(place, measured, ours.get(place.era)) for place, measured in crowds.items()])


def _crowd_row(place: Place, crowd: Crowd, ours: Crowd | None) -> Sequence[str]:
    delays = crowd.received.delays_ms or [float("nan")]
    return [
        *(place.peer.name, place.over, place.era),
        *(f"{percentile(delays, 50):,.0f}", f"{percentile(delays, 99):,.0f}"),
        *(f"{crowd.lost}, {crowd.received.out_of_order}", f"{crowd.open_after_s:.1f}"),
        f"{crowd.cpu_us_a_chunk:.0f}" + (f" ({ours.cpu_us_a_chunk / crowd.cpu_us_a_chunk:.2f})" if ours else ""),
        f"{crowd.kib_a_stream:.0f}",
        f"{crowd.driver_busy:.2f}",
    ]


async def one_run_for_many(of: Sequence[Place], callers: int, chunks: int, per_s: int) -> str:
    """Measure one run that many callers follow."""
    rows = []
    async with fixed_api() as environment:
        for place in of:
            report.progress(f"{callers} callers of one run, {place.peer.name}, {place.era}")
            async with start_server(place, environment) as server:
                [run] = stream_ids(1, chunks, per_s)
                readers = await _all_followed(server, Received(), [run] * callers)
                whole = sum(reader.next == chunks for reader in readers)
                rows.append([place.peer.name, place.era, f"{await _opened(run, environment)}", f"{whole} of {callers}"])
    heads = [f"{callers} callers follow one run, over HTTP", "protocol", "streams opened at the API", "heard all"]
    return report.table(heads, rows)


async def _opened(run: str, environment: Environment) -> int:
    async with httpx.AsyncClient() as http:
        answer: Mapping[str, int] = (await http.get(f"{environment['API_URL']}/opened/{run}")).json()
    return answer["opened"]


async def measure_tables(of: Sequence[Peer], *, rounds: int, streams: int, seconds: int, per_s: int) -> str:
    """Return the tables, in Markdown."""
    streaming = [peer for peer in of if peer.streams]
    met_once = [AT_ONCE, *streaming]
    crowded = [*places(streaming, "HTTP"), Place(OURS, "stdio", LEGACY)]
    return "\n\n".join(
        [
            await one_stream([*places(met_once, "stdio"), *places(met_once, "HTTP")], rounds, CHUNKS, PER_S),
            await many_streams(crowded, streams, seconds * per_s, per_s),
            await one_run_for_many(places([OURS, PLAIN], "HTTP"), 50, 100, 50),
        ]
    )


@click.command()
@click.option("--rounds", default=2, show_default=True, help="Streams of each server in the first table.")
@click.option("--streams", default=1_000, show_default=True, help="Concurrent streams in the second table.")
@click.option("--seconds", default=2, show_default=True, help="Duration of each concurrent stream.")
@click.option("--per-s", default=50, show_default=True, help="Chunks per second of each concurrent stream.")
@report.write_option
def main(*, rounds: int, streams: int, seconds: int, per_s: int, write: bool) -> None:
    """Compare the streams of servers of the same API."""
    run = partial(measure_tables, peers(), rounds=rounds, streams=streams, seconds=seconds, per_s=per_s)
    report.publish("streams", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
