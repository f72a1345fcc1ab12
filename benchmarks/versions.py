"""Two installed versions of `runs-mcp`, measured in turns: `python -m benchmarks.versions --other PATH`.

Processor time of calls is the lowest of the rounds, since a busy machine only adds to it; other figures are medians.
A figure in brackets is this version divided by the other.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from statistics import median

import anyio
import click

from benchmarks import report
from benchmarks.driver import percentile
from benchmarks.peers import OURS, Peer, Place, Transport, fixed_api, places, start_server
from benchmarks.speed import CALLS, TRANSPORTS
from benchmarks.streams import AT_ONCE, Crowd, Received, crowd, stream_ids

CALLERS, CALLS_EACH = 8, 10
CHUNKS, PER_S = 100, 50
FIGURES: Mapping[str, Callable[[Crowd], float]] = {
    "CPU µs a chunk": lambda crowd: crowd.cpu_us_a_chunk,
    "p50 ms": lambda crowd: percentile(crowd.received.delays_ms, 50),
    "p99 ms": lambda crowd: percentile(crowd.received.delays_ms, 99),
    "KiB a stream": lambda crowd: crowd.kib_a_stream,
    "lost, out of order": lambda crowd: crowd.lost + crowd.received.out_of_order,
}
"""Figures of a thousand streams."""


def other_version(command: Path) -> Peer:
    """Return the version whose command `runs-mcp` is `command`."""
    return replace(OURS, name="the other", command=(str(command), "serve"))


async def processor_time(of: Sequence[Peer], over: Transport, rounds: int) -> str:
    """Measure the processor time of each call."""
    rows = []
    async with fixed_api() as environment, AsyncExitStack() as stack:
        servers = {
            place: await stack.enter_async_context(start_server(place, environment)) for place in places(of, over)
        }
        for call, (tool, arguments) in CALLS.items():
            report.progress(f"{call}, over {over}")
            lowest: dict[Place, float] = defaultdict(lambda: inf)
            for _ in range(rounds):
                for place, server in servers.items():
                    measurement = await server.measure(tool, arguments, callers=CALLERS, calls=CALLS_EACH)
                    lowest[place] = min(lowest[place], measurement.cpu_ms)
            rows += [_row(f"{call}, CPU ms", place, of[1], lowest) for place in servers if place.peer == of[0]]
    return _table(of, rows)


async def one_stream(of: Sequence[Peer], over: Transport, rounds: int) -> str:
    """Measure the delay of the chunks of one stream, each sent at once."""
    received: dict[Place, list[Received]] = defaultdict(list)
    async with fixed_api() as environment, AsyncExitStack() as stack:
        servers = {
            place: await stack.enter_async_context(start_server(place, environment)) for place in places(of, over)
        }
        for number in range(rounds):
            report.progress(f"one stream over {over}, round {number + 1} of {rounds}")
            for place, server in servers.items():
                received[place].append(chunks := Received())
                [run] = stream_ids(1, 2 * CHUNKS, 2 * PER_S)
                await server.session.call("stream_run", {"run_id": run}, chunks.reader())
    rows = []
    for percent in (50, 99):
        delays = {
            place: median(percentile(each.delays_ms, percent) for each in rounds_of)
            for place, rounds_of in received.items()
        }
        name = f"a chunk of one stream, p{percent} ms"
        rows += [_row(name, place, of[1], delays) for place in received if place.peer == of[0]]
    return _table(of, rows)


async def many_streams(of: Sequence[Peer], over: Transport, rounds: int, streams: int) -> str:
    """Measure many concurrent streams; each round starts new servers."""
    crowds: dict[Place, list[Crowd]] = defaultdict(list)
    async with fixed_api() as environment:
        for number in range(rounds):
            report.progress(f"{streams:,} streams over {over}, round {number + 1} of {rounds}")
            for place in places(of, over):
                async with start_server(place, environment) as server:
                    crowds[place].append(await crowd(server, streams=streams, chunks=CHUNKS, per_s=PER_S))
    rows = [
        _row(f"{streams:,} streams, {name}", place, of[1], {key: median(map(figure, crowds[key])) for key in crowds})
        for name, figure in FIGURES.items()
        for place in crowds
        if place.peer == of[0]
    ]
    return _table(of, rows)


def _row(name: str, place: Place, other: Peer, figures: Mapping[Place, float]) -> Sequence[str]:
    """Return a row with the figure of `place` and that of the other version in the same place."""
    ours, theirs = figures[place], figures[replace(place, peer=other)]
    ratio = f" ({ours / theirs:.2f})" if theirs else ""
    return [name, place.over, place.era, f"{theirs:.2f}", f"{ours:.2f}{ratio}"]


def _table(of: Sequence[Peer], rows: Sequence[Sequence[str]]) -> str:
    return report.table(["", "over", "protocol", of[1].name, of[0].name], rows)


async def measure_tables(other: Path, *, over: Sequence[Transport], rounds: int, streams: int) -> str:
    """Return the tables, in Markdown."""
    pair = [
        replace(OURS, name="this version"),
        other_version(other),
    ]
    at_once = [replace(peer, settings=AT_ONCE.settings) for peer in pair]
    tables = []
    for transport in over:
        tables.append(await processor_time(pair, transport, rounds))
        if streams:
            tables.append(await one_stream(at_once, transport, rounds))
            tables.append(await many_streams(pair, transport, 3, streams))
    return "\n\n".join(tables)


@click.command()
@click.option(
    "--other",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Command `runs-mcp` of the other version, in its own virtual environment.",
)
@click.option(
    "--over", multiple=True, type=click.Choice(TRANSPORTS), default=TRANSPORTS, help="Transport; can be repeated."
)
@click.option("--rounds", default=15, show_default=True, help="Rounds for each call, and streams of each server.")
@click.option("--streams", default=1_000, show_default=True, help="Concurrent streams, in three rounds; 0 for none.")
@report.write_option
def main(*, other: Path, over: Sequence[Transport], rounds: int, streams: int, write: bool) -> None:
    """Compare two installed versions of runs-mcp."""
    run = partial(measure_tables, other, over=over, rounds=rounds, streams=streams)
    report.publish("versions", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
