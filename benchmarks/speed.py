"""Latency and cost of calls compared with other servers of the same API: `python -m benchmarks.speed`.

All servers run in front of the same API and are measured in turns, so that a busy moment of the machine affects all of
them. Compare the ratios: milliseconds depend on the machine.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
import click

from benchmarks import report
from benchmarks.driver import Measurement
from benchmarks.peers import OURS, Peer, Place, Server, Transport, fixed_api, peers, places, start_server

CALLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "list_runs of 10": ("list_runs", {"limit": 10}),
    "list_runs of 100": ("list_runs", {"limit": 100}),
    "get_run of 2 KB": ("get_run", {"run_id": "small"}),
    "get_run of 200 KB": ("get_run", {"run_id": "large"}),
}
TRANSPORTS: Sequence[Transport] = ("stdio", "HTTP")
Turns = Mapping[tuple[Place, int], Measurement]


async def interleaved(
    servers: Mapping[Place, Server], call: str, callers: Sequence[int], rounds: int, seconds: float
) -> Turns:
    """Measure a call with each server and number of callers, in turns."""
    turns: dict[tuple[Place, int], Measurement] = defaultdict(Measurement)
    for number in callers:
        for server in servers.values():
            await server.measure(*CALLS[call], callers=number, calls=max(1, 20 // number))
        for _ in range(rounds):
            for place, server in servers.items():
                turns[place, number].add(await server.measure(*CALLS[call], callers=number, seconds=seconds))
    return turns


def table(call: str, over: Transport, callers: Sequence[int], turns: Turns) -> str:
    """Return the table for a call."""
    heads = [f"{call}, over {over}", "protocol"]
    for number in callers:
        heads += [f"p50 / p99 ms, {number} caller{'s' * (number > 1)}", "calls/s"]
    rows: dict[Place, list[str]] = defaultdict(list)
    for (place, _), measurement in turns.items():
        rows[place] += [
            f"{measurement.percentile(50):.2f} / {measurement.percentile(99):.1f}",
            f"{measurement.calls_s:,.0f}",
        ]
    whole = {place: _whole(turns, place, callers) for place in rows}
    ours = {place.era: measurement for place, measurement in whole.items() if place.peer == OURS}
    lines = [
        [place.peer.name, place.era, *cells, *_costs(whole[place], ours.get(place.era))]
        for place, cells in rows.items()
    ]
    return report.table([*heads, "CPU ms a call", "bytes"], lines)


def _whole(turns: Turns, place: Place, callers: Sequence[int]) -> Measurement:
    whole = Measurement()
    for number in callers:
        whole.add(turns[place, number])
    return whole


def _costs(measurement: Measurement, ours: Measurement | None) -> Sequence[str]:
    """Return the cells for processor time and bytes, with the ratio of our figures to theirs."""
    time, size = f"{measurement.cpu_ms:.2f}", f"{measurement.answer_bytes:,}"
    if ours is None:
        return [time, size]
    return [
        f"{time} ({ours.cpu_ms / measurement.cpu_ms:.2f})",
        f"{size} ({ours.answer_bytes / measurement.answer_bytes:.2f})",
    ]


async def measure_tables(
    of: Sequence[Peer],
    *,
    calls: Iterable[str],
    over: Iterable[Transport],
    callers: Sequence[int],
    rounds: int,
    seconds: float,
) -> str:
    """Return the tables, in Markdown."""
    tables = []
    async with fixed_api() as environment:
        for transport in over:
            async with AsyncExitStack() as stack:
                servers = {
                    place: await stack.enter_async_context(start_server(place, environment))
                    for place in places(of, transport)
                }
                for call in calls:
                    report.progress(f"{call}, over {transport}")
                    turns = await interleaved(servers, call, callers, rounds, seconds)
                    tables.append(table(call, transport, callers, turns))
    return "\n\n".join(tables)


@click.command()
@click.option(
    "--only",
    "calls",
    multiple=True,
    type=click.Choice(list(CALLS)),
    default=CALLS,
    help="Call to measure; can be repeated.",
)
@click.option(
    "--over", multiple=True, type=click.Choice(TRANSPORTS), default=TRANSPORTS, help="Transport; can be repeated."
)
@click.option(
    "--callers",
    multiple=True,
    type=int,
    default=(1, 8, 64),
    show_default=True,
    help="Concurrent callers; can be repeated.",
)
@click.option("--rounds", default=3, show_default=True, help="Rounds for each server.")
@click.option("--seconds", default=0.5, show_default=True, help="Duration of a round.")
@report.write_option
def main(
    *,
    calls: Sequence[str],
    over: Sequence[Transport],
    callers: Sequence[int],
    rounds: int,
    seconds: float,
    write: bool,
) -> None:
    """Compare calls of servers of the same API."""
    run = partial(measure_tables, peers(), calls=calls, over=over, callers=callers, rounds=rounds, seconds=seconds)
    report.publish("speed", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
