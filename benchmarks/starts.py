"""Start of a server: time to its first responses, and memory after them: `python -m benchmarks.starts`.

The second table shows the share of the SDK, which every server that uses it pays, and of the HTTP client.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

import anyio
import click

from benchmarks import pipes, report
from benchmarks.driver import LEGACY, MIB, Usage
from benchmarks.peers import OURS, Environment, Peer, fixed_api, inherited, peers

WITH_SANDBOX = Peer("runs-mcp with a sandbox", (*OURS.command, "--sandbox"))
IMPORTED = {
    "Python alone": "",
    "`import mcp_types`": "import mcp_types",
    "`import mcp.server.lowlevel`": "import mcp.server.lowlevel",
    "`import mcp.server.mcpserver`": "import mcp.server.mcpserver",
    "the SDK and `import httpx`": "import mcp.server.lowlevel, httpx",
    "the SDK, `httpx` and `import aiohttp`": "import mcp.server.lowlevel, httpx, aiohttp",
}
USED = """
import psutil, sys, time
sys.stdout.write(f"{time.process_time()} {psutil.Process().memory_info().rss}")
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Milliseconds from the start of the process to its first responses, and its usage after them."""

    listed_ms: float
    called_ms: float
    cpu_ms: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Imported:
    """Usage of a process that has imported modules."""

    cpu_ms: float
    memory_mib: float


async def started(peer: Peer, environment: Environment) -> Start:
    """Start a server over stdio, list its tools and call one of them."""
    began = perf_counter()
    async with pipes.started(peer.command, environment, LEGACY) as (session, process):
        await session.request("tools/list", {})
        listed = perf_counter()
        await session.call("list_runs", {"limit": 10})
        called, usage = perf_counter(), Usage(process.pid)
        return Start((listed - began) * 1_000, (called - began) * 1_000, usage.busy_s() * 1_000, usage.memory_mib())


async def starts(of: Sequence[Peer], rounds: int) -> str:
    """Measure the start of each server, in turns."""
    taken: dict[str, list[Start]] = defaultdict(list)
    async with fixed_api() as environment:
        for number in range(rounds + 1):
            report.progress(f"start {number} of {rounds}")
            for peer in of:
                start = await started(peer, environment)
                if number:  # the first round reads the files from the disk
                    taken[peer.name].append(start)
    ours = _medians(taken[OURS.name])
    rows = [_row(peer.name, _medians(taken[peer.name]), ours) for peer in of]
    return report.table(["server, over stdio", "`tools/list`, ms", "a call, ms", "CPU ms", "memory, MiB"], rows)


def _row(name: str, start: Start, ours: Start) -> Sequence[str]:
    return [
        name,
        f"{start.listed_ms:.0f} ({ours.listed_ms / start.listed_ms:.2f})",
        f"{start.called_ms:.0f} ({ours.called_ms / start.called_ms:.2f})",
        f"{start.cpu_ms:.0f} ({ours.cpu_ms / start.cpu_ms:.2f})",
        f"{start.memory_mib:.0f} ({ours.memory_mib / start.memory_mib:.2f})",
    ]


def _medians(taken: Sequence[Start]) -> Start:
    return Start(
        median(start.listed_ms for start in taken),
        median(start.called_ms for start in taken),
        median(start.cpu_ms for start in taken),
        median(start.memory_mib for start in taken),
    )


async def imported(statement: str) -> Imported:
    """Execute `statement` in a new process."""
    command = [sys.executable, "-c", statement + USED]
    printed = (await anyio.run_process(command, env=inherited())).stdout.split()
    return Imported(float(printed[0]) * 1_000, int(printed[1]) / MIB)


async def imports(rounds: int) -> str:
    """Measure the processor time and memory of importing parts of the SDK and of the HTTP client, in turns."""
    taken: dict[str, list[Imported]] = defaultdict(list)
    for _ in range(rounds):
        for name, statement in IMPORTED.items():
            taken[name].append(await imported(statement))
    rows = [
        [name, f"{min(one.cpu_ms for one in of):.0f}", f"{min(one.memory_mib for one in of):.0f}"]
        for name, of in taken.items()
    ]
    return report.table(["in a process", "CPU ms", "memory, MiB"], rows)


async def measure_tables(of: Sequence[Peer], rounds: int) -> str:
    """Return the tables, in Markdown."""
    return "\n\n".join([await starts(of, rounds), await imports(rounds)])


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Starts of each server; the figures are medians.")
@report.write_option
def main(*, rounds: int, write: bool) -> None:
    """Compare the start of servers of the same API."""
    run = partial(measure_tables, [*peers(), WITH_SANDBOX], rounds)
    report.publish("starts", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
