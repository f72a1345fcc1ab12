"""Growth of the cost of a call with the number of runs and of earlier calls: `python -m benchmarks.growth`.

The first measurement uses sandboxes with one, a thousand and a hundred thousand runs. The second makes many calls and
compares the last eighth with the second; the first eighth warms up.
"""

import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import click

from benchmarks import report
from benchmarks.driver import LEGACY, MIB, MODERN, Measurement, Usage
from benchmarks.peers import OURS, Environment, Place, Server, fixed_api, inherited, start_server
from benchmarks.speed import CALLS as FIXED
from benchmarks.speed import TRANSPORTS
from runs_mcp.sandbox import DEMO_KEY
from runs_mcp.sandbox.content import samples
from runs_mcp.sandbox.storage.run_store import RunStore
from tests.ports import LOOPBACK, free_ports, wait_for_server

NEWEST = "66a1f0c2e4b0a1b2c3d4ffff"
PLACES = (Place(OURS, "stdio", LEGACY), Place(OURS, "HTTP", LEGACY), Place(OURS, "HTTP", MODERN))
RUNS = (1, 1_000, 100_000)
CALLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "list_runs of 1": ("list_runs", {"limit": 1}),
    "get_run": ("get_run", {"run_id": NEWEST}),
    "compute_run_facets": ("compute_run_facets", {}),
}
MIXED = ("list_runs of 10", "get_run of 2 KB")
CALLERS = 8
SLICES = 8


@asynccontextmanager
async def sandbox(runs: int) -> AsyncIterator[tuple[Environment, Usage]]:
    """Start a sandbox with `runs` runs, the newest of which is always the same.

    Yield the environment for a server, and the resource usage of the sandbox.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "runs.sqlite")
        await anyio.to_thread.run_sync(_fill, file, runs)
        [port] = free_ports(1)
        command = [sys.executable, "-m", "runs_mcp", "sandbox", "--port", str(port), "--data", str(file)]
        async with await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as process:
            try:
                await wait_for_server(port)
                environment = {
                    **inherited(),
                    "RUNS_MCP_API__BASE_URL": f"http://{LOOPBACK}:{port}/api/v1",
                    "RUNS_MCP_API__AUTH__KIND": "api_key",
                    "RUNS_MCP_API__AUTH__VALUE": DEMO_KEY,
                    "RUNS_MCP_API__AUTH__TOKEN_URL": f"http://{LOOPBACK}:{port}/auth/token",
                }
                yield environment, Usage(process.pid)
            finally:
                process.kill()


def _fill(file: Path, runs: int) -> None:
    now = datetime.now(UTC)
    store = RunStore(file)
    store.add(samples.generate(runs - 1, now=now))
    store.add([{**next(iter(samples.generate(1, now=now))), "id": NEWEST, "updated_at": now.isoformat()}])
    store.close()


async def by_runs(sizes: Sequence[int], rounds: int, seconds: float) -> str:
    """Measure calls with each number of runs, in turns."""
    turns = {(call, size): Measurement() for call in CALLS for size in sizes}
    async with AsyncExitStack() as stack:
        servers: dict[int, Server] = {}
        for size in sizes:
            report.progress(f"a sandbox with {size:,} runs")
            environment, _ = await stack.enter_async_context(sandbox(size))
            servers[size] = await stack.enter_async_context(start_server(PLACES[0], environment))
        for number in range(rounds + 1):
            for call, (tool, arguments) in CALLS.items():
                for size, server in servers.items():
                    measurement = await server.measure(tool, arguments, callers=1, seconds=seconds)
                    if number:  # the first round warms up
                        turns[call, size].add(measurement)
    heads = ["runs in the sandbox"]
    for size in sizes:
        heads += [f"{size:,}: CPU ms", "p50 ms"]
    rows = []
    for call in CALLS:
        costs = [turns[call, size] for size in sizes]
        cells = [cell for cost in costs for cell in (f"{cost.cpu_ms:.2f}", f"{cost.percentile(50):.2f}")]
        rows.append([call, *cells, f"{costs[-1].cpu_ms / costs[0].cpu_ms:.2f}"])
    return report.table([*heads, "CPU, last / first"], rows)


@dataclass(frozen=True, slots=True)
class Slice:
    """A number of calls, and the memory and open files of the server after them."""

    measurement: Measurement
    memory_mib: float
    files: int


async def by_calls(calls: int, over: Collection[str]) -> str:
    """Measure the cost of calls and the memory of the server as the number of calls grows."""
    slices: dict[Place, list[Slice]] = {place: [] for place in PLACES if place.over in over}
    async with fixed_api() as environment, AsyncExitStack() as stack:
        servers = {place: await stack.enter_async_context(start_server(place, environment)) for place in slices}
        for number in range(SLICES):
            report.progress(f"calls, slice {number + 1} of {SLICES}")
            for place, server in servers.items():
                slices[place].append(await _slice(server, calls // SLICES))
    heads = [f"{calls:,} calls, {CALLERS} callers", "protocol"]
    for what in ("CPU ms a call", "p50 ms", "memory, MiB"):
        heads += [f"{what}, 2nd eighth", "last"]
    return report.table([*heads, "bytes a call kept", "open files"], [_grown(*slice_) for slice_ in slices.items()])


async def _slice(server: Server, calls: int) -> Slice:
    whole = Measurement()
    for call in MIXED:
        each = calls // len(MIXED) // CALLERS
        whole.add(await server.measure(*FIXED[call], callers=CALLERS, calls=each))
    return Slice(whole, server.usage.memory_mib(), server.usage.files())


def _grown(place: Place, slices: Sequence[Slice]) -> Sequence[str]:
    early, late = slices[1], slices[-1]
    between = sum(slice_.measurement.calls for slice_ in slices[2:])
    return [
        *(place.over, place.era),
        *_ratio(early.measurement.cpu_ms, late.measurement.cpu_ms, 2),
        *_ratio(early.measurement.percentile(50), late.measurement.percentile(50), 2),
        *_ratio(early.memory_mib, late.memory_mib, 1),
        f"{(late.memory_mib - early.memory_mib) * MIB / between:.0f}",
        f"{early.files}, then {late.files}",
    ]


def _ratio(early: float, late: float, digits: int) -> Sequence[str]:
    return [f"{early:.{digits}f}", f"{late:.{digits}f} ({late / early:.2f})"]


async def measure_tables(*, runs: Sequence[int], calls: int, over: Collection[str], rounds: int, seconds: float) -> str:
    """Return the tables, in Markdown."""
    return "\n\n".join([await by_runs(runs, rounds, seconds), await by_calls(calls, over)])


@click.command()
@click.option("--runs", multiple=True, type=int, default=RUNS, show_default=True, help="Runs in the sandbox.")
@click.option("--calls", default=50_000, show_default=True, help="Calls over each transport.")
@click.option(
    "--over",
    multiple=True,
    type=click.Choice(TRANSPORTS),
    default=TRANSPORTS,
    help="Transport of the calls; can be repeated.",
)
@click.option("--rounds", default=3, show_default=True, help="Rounds for each number of runs.")
@click.option("--seconds", default=1.0, show_default=True, help="Duration of a round.")
@report.write_option
def main(*, runs: Sequence[int], calls: int, over: Collection[str], rounds: int, seconds: float, write: bool) -> None:
    """Measure the growth of the cost of calls."""
    run = partial(measure_tables, runs=runs, calls=calls, over=over, rounds=rounds, seconds=seconds)
    report.publish("growth", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
