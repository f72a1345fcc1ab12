"""Costs relative to a simple server with the same SDK, measured in one run and compared with generous bounds.

`python -m benchmarks` measures more servers; docs/benchmarks.md has the figures.
"""

from collections import defaultdict
from contextlib import AsyncExitStack
from statistics import median

import pytest

from benchmarks.driver import LEGACY
from benchmarks.peers import OURS, PLAIN, Place, Transport, fixed_api, start_server
from benchmarks.speed import CALLS
from benchmarks.streams import Crowd, crowd

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROUNDS = 3
CALLERS = 8
CALLS_OF_EACH = 20


@pytest.mark.parametrize(
    ("over", "call", "time", "size"),
    [
        ("stdio", "list_runs of 10", 0.6, 0.6),
        ("stdio", "list_runs of 100", 0.7, 0.7),
        ("stdio", "get_run of 2 KB", 0.6, 1),
        # Both servers share uvicorn and the SDK's transport, which take most of a call over HTTP.
        ("HTTP", "list_runs of 10", 1, 0.6),
    ],
)
async def test_a_call_takes_a_fraction_of_the_processor_time_and_of_the_bytes(
    over: Transport, call: str, time: float, size: float
) -> None:
    seconds: dict[Place, list[float]] = defaultdict(list)
    sizes: dict[Place, int] = {}
    ours, plain = (Place(peer, over, LEGACY) for peer in (OURS, PLAIN))
    async with fixed_api() as environment, AsyncExitStack() as stack:
        servers = {place: await stack.enter_async_context(start_server(place, environment)) for place in (ours, plain)}
        for server in servers.values():
            await server.measure(*CALLS[call], callers=CALLERS, calls=5)
        for _ in range(ROUNDS):
            for place, server in servers.items():
                taken = await server.measure(*CALLS[call], callers=CALLERS, calls=CALLS_OF_EACH)
                seconds[place].append(taken.busy_s)
                sizes[place] = taken.answer_bytes
    assert median(seconds[ours]) < time * median(seconds[plain])
    assert sizes[ours] < size * sizes[plain]


async def test_many_streams_take_a_fraction_of_the_processor_time_and_lose_nothing() -> None:
    crowds: dict[str, Crowd] = {}
    async with fixed_api() as environment:
        for peer in (OURS, PLAIN):
            async with start_server(Place(peer, "HTTP", LEGACY), environment) as server:
                crowds[peer.name] = await crowd(server, streams=50, chunks=100, per_s=100)
    assert [(one.lost, one.received.out_of_order) for one in crowds.values()] == [(0, 0)] * 2
    assert crowds[OURS.name].cpu_us_a_chunk < 0.7 * crowds[PLAIN.name].cpu_us_a_chunk
