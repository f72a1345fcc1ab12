"""How the server stands beside one built plainly of the same SDK: ratios of one run, held to generous bounds.

`python -m benchmarks.speed` measures all of it, beside more servers; docs/benchmarks.md has the figures.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import psutil
import pytest

from benchmarks.speed.__main__ import CALLS, OURS, PLAIN, fixed_api, python_servers
from benchmarks.speed.driver import Session, cold_start_ms, session

pytestmark = pytest.mark.anyio

ROUNDS = 3
CALLERS = 8
CALLS_A_ROUND = 150
SERVERS = {name: command for name, command in python_servers().items() if name in (OURS, PLAIN)}


@pytest.mark.parametrize(
    ("call", "time", "size"),
    [("list_runs of 10", 0.6, 0.6), ("list_runs of 100", 0.7, 0.7), ("get_run of 2 KB", 0.6, 1)],
)
async def test_a_call_takes_a_fraction_of_the_processor_time_and_of_the_bytes(
    call: str, time: float, size: float
) -> None:
    tool, arguments = CALLS[call]
    seconds: Mapping[str, list[float]] = {name: [] for name in SERVERS}
    sizes: dict[str, int] = {}
    async with fixed_api() as environment, AsyncExitStack() as stack:
        started: dict[str, tuple[Session, psutil.Process]] = {}
        for name, command in SERVERS.items():
            one, opened = await stack.enter_async_context(session(command, environment))
            await one.measure(tool, arguments, callers=CALLERS, calls=50)
            started[name] = one, psutil.Process(opened.pid)
        for _ in range(ROUNDS):
            for name, (one, process) in started.items():
                before = busy_s(process)
                figures = await one.measure(tool, arguments, callers=CALLERS, calls=CALLS_A_ROUND)
                seconds[name].append(busy_s(process) - before)
                sizes[name] = figures.bytes_a_call
    assert median(seconds[OURS]) < time * median(seconds[PLAIN])
    assert sizes[OURS] < size * sizes[PLAIN]


async def test_the_first_questions_are_answered_in_a_fraction_of_the_time(tmp_path: Path) -> None:
    taken: Mapping[str, list[float]] = {name: [] for name in SERVERS}
    async with fixed_api() as environment:
        for _ in range(ROUNDS + 1):
            for name, command in SERVERS.items():
                taken[name].append(await cold_start_ms(command, {**environment, "XDG_CACHE_HOME": str(tmp_path)}))
    first, *others = taken[OURS]
    plain = median(taken[PLAIN][1:])
    assert median(others) < 0.5 * plain
    assert first < 3 * plain, "the very first start has no answers to give from"


def busy_s(process: psutil.Process) -> float:
    """Seconds that a process has kept a processor busy."""
    times = process.cpu_times()
    return times.user + times.system
