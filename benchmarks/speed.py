"""How fast calls are answered, beside other servers of the same API: `python -m benchmarks.speed`.

Every server is started here, all have the same API behind them, and they take turns, so that a busy moment of the
machine meets all of them. What matters are the ratios.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
import click

from benchmarks import report
from benchmarks.driver import Turn
from benchmarks.peers import OURS, Peer, Place, Server, Transport, fixed_api, met, peers, places

CALLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "list_runs of 10": ("list_runs", {"limit": 10}),
    "list_runs of 100": ("list_runs", {"limit": 100}),
    "get_run of 2 KB": ("get_run", {"run_id": "small"}),
    "get_run of 200 KB": ("get_run", {"run_id": "large"}),
}
TRANSPORTS: Sequence[Transport] = ("stdio", "HTTP")
Turns = Mapping[tuple[Place, int], Turn]


async def interleaved(
    servers: Mapping[Place, Server], call: str, callers: Sequence[int], rounds: int, seconds: float
) -> Turns:
    """Every server's turns at a call, by so many callers."""
    turns: dict[tuple[Place, int], Turn] = defaultdict(Turn)
    for number in callers:
        for server in servers.values():
            await server.turn(*CALLS[call], callers=number, calls=max(1, 20 // number))
        for _ in range(rounds):
            for place, server in servers.items():
                turns[place, number].add(await server.turn(*CALLS[call], callers=number, seconds=seconds))
    return turns


def table(call: str, over: Transport, callers: Sequence[int], turns: Turns) -> str:
    """What came of a call."""
    heads = [f"{call}, over {over}", "protocol"]
    for number in callers:
        heads += [f"p50 / p99 ms, {number} caller{'s' * (number > 1)}", "calls/s"]
    rows: dict[Place, list[str]] = defaultdict(list)
    for (place, _), one in turns.items():
        rows[place] += [f"{one.percentile(50):.2f} / {one.percentile(99):.1f}", f"{one.calls_s:,.0f}"]
    whole = {place: _whole(turns, place, callers) for place in rows}
    ours = {place.era: one for place, one in whole.items() if place.peer == OURS}
    lines = [
        [place.peer.name, place.era, *cells, *_costs(whole[place], ours.get(place.era))]
        for place, cells in rows.items()
    ]
    return report.table([*heads, "CPU ms a call", "bytes"], lines)


def _whole(turns: Turns, place: Place, callers: Sequence[int]) -> Turn:
    whole = Turn()
    for number in callers:
        whole.add(turns[place, number])
    return whole


def _costs(turn: Turn, ours: Turn | None) -> Sequence[str]:
    """What a call costs, and what ours costs as a part of it."""
    time, size = f"{turn.cpu_ms:.2f}", f"{turn.answer_bytes:,}"
    if ours is None:
        return [time, size]
    return [f"{time} ({ours.cpu_ms / turn.cpu_ms:.2f})", f"{size} ({ours.answer_bytes / turn.answer_bytes:.2f})"]


async def measured(
    of: Sequence[Peer],
    *,
    calls: Iterable[str],
    over: Iterable[Transport],
    callers: Sequence[int],
    rounds: int,
    seconds: float,
) -> str:
    """The tables, in Markdown."""
    tables = []
    async with fixed_api() as environment:
        for transport in over:
            async with AsyncExitStack() as stack:
                servers = {
                    place: await stack.enter_async_context(met(place, environment)) for place in places(of, transport)
                }
                for call in calls:
                    report.progress(f"{call}, over {transport}")
                    turns = await interleaved(servers, call, callers, rounds, seconds)
                    tables.append(table(call, transport, callers, turns))
    return "\n\n".join(tables)


@click.command()
@click.option("--only", "calls", multiple=True, type=click.Choice(list(CALLS)), default=CALLS, help="What to call.")
@click.option("--over", multiple=True, type=click.Choice(TRANSPORTS), default=TRANSPORTS, help="By which transport.")
@click.option("--callers", multiple=True, type=int, default=(1, 8, 64), show_default=True, help="Callers at once.")
@click.option("--rounds", default=3, show_default=True, help="Turns of each server.")
@click.option("--seconds", default=0.5, show_default=True, help="How long a turn lasts.")
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
    """Measure calls of servers of the same API beside each other."""
    run = partial(measured, peers(), calls=calls, over=over, callers=callers, rounds=rounds, seconds=seconds)
    report.publish("speed", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
