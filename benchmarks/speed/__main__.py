"""How fast calls are answered, beside other servers of the same API: `python -m benchmarks.speed`.

Every server is started here, all have the same API behind them, and they take turns, so that a busy moment of the
machine meets all of them. Figures are medians over the rounds; what matters are their ratios.
"""

import os
import subprocess
import sys
import venv
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from subprocess import PIPE
from typing import Any

import anyio
import click
import psutil

from benchmarks.speed.driver import Figures, Session, cold_start_ms, session
from tests.clients import node

HERE = Path(__file__).parent
SERVERS = HERE / "servers"
DOCUMENT = HERE.parent / "runs-openapi.json"
REPORT = HERE.parents[1] / "docs" / "benchmarks.md"
MARKS = ("<!-- speed -->", "<!-- /speed -->")
FASTMCP = "fastmcp==4.1.2"
CALLS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "list_runs of 10": ("list_runs", {"limit": 10}),
    "list_runs of 100": ("list_runs", {"limit": 100}),
    "get_run of 2 KB": ("get_run", {"run_id": "small"}),
    "get_run of 200 KB": ("get_run", {"run_id": "large"}),
}
OURS = "runs-mcp"
PLAIN = "MCPServer, typed results, httpx"
FLOOR = "a loop by hand (the floor)"
MIB = 2**20
Peers = Mapping[str, Sequence[str]]


def python_servers() -> Peers:
    """The command that starts each server that needs nothing but what the tests need."""
    return {
        OURS: [sys.executable, "-m", "runs_mcp", "serve"],
        PLAIN: [sys.executable, str(SERVERS / "plain.py")],
        FLOOR: [sys.executable, str(SERVERS / "floor.py"), "uvloop"],
    }


def peers() -> Peers:
    """The command that starts each server; what they need is installed on the first run, below `.cache/`."""
    ours = python_servers()
    sdks = {"@modelcontextprotocol/sdk": "1.32.2", "@modelcontextprotocol/server": "2.4.0", "zod": "4.4.3"}
    modules = node.installed("peers", sdks)
    for version in (1, 2):
        script = f"typescript-{version}.mjs"
        (modules / script).write_text((SERVERS / script).read_text(encoding="utf-8"), encoding="utf-8")
    run_node = str(node.BIN / "node")
    return {
        OURS: ours[OURS],
        PLAIN: ours[PLAIN],
        FASTMCP.replace("==", " ") + ", generated": [_fastmcp(), str(SERVERS / "generated.py"), str(DOCUMENT)],
        "TypeScript SDK 1.32.2": [run_node, str(modules / "typescript-1.mjs")],
        "TypeScript SDK 2.4.0": [run_node, str(modules / "typescript-2.mjs")],
        FLOOR: ours[FLOOR],
    }


def _fastmcp() -> str:
    folder = node.CACHE / "fastmcp"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", FASTMCP], check=True)  # noqa: S603 - ours
    return str(python)


@asynccontextmanager
async def fixed_api() -> AsyncIterator[Mapping[str, str]]:
    """A fixed API in a process of its own; the variables that tell servers where it is."""
    command = [sys.executable, "-m", "benchmarks.speed.api"]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        port = int(await process.stdout.receive()) if process.stdout else 0
        url = f"http://127.0.0.1:{port}/api/v1"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNS_MCP_")}
        yield {**kept, "API_URL": url, "RUNS_MCP_API__BASE_URL": url, "COMPOSABLE_TOKEN": "benchmark"}
        process.kill()


async def cold_starts(commands: Peers, rounds: int) -> Mapping[str, float]:
    """Median milliseconds from process start to the first `tools/list`."""
    taken: dict[str, list[float]] = defaultdict(list)
    async with fixed_api() as environment:
        for _ in range(rounds + 1):
            for name, command in commands.items():
                taken[name].append(await cold_start_ms(command, environment))
    return {name: median(one[1:]) for name, one in taken.items()}


async def call_figures(
    commands: Peers, calls: Sequence[str], callers: Sequence[int], rounds: int, seconds: float
) -> tuple[Mapping[tuple[str, int, str], Figures], Mapping[str, float]]:
    """Figures for each call, number of callers and server; and the resident memory of each server at rest, in MiB."""
    measured: dict[tuple[str, int, str], list[Figures]] = defaultdict(list)
    async with fixed_api() as environment, AsyncExitStack() as stack:
        sessions: dict[str, Session] = {}
        memory = {}
        for name, command in commands.items():
            sessions[name], process = await stack.enter_async_context(session(command, environment))
            await sessions[name].ask("tools/list", {})
            memory[name] = _memory_mib(psutil.Process(process.pid))
        for call in calls:
            tool, arguments = CALLS[call]
            for number in callers:
                budget = {}
                for name, one in sessions.items():
                    warm = await one.measure(tool, arguments, callers=number, calls=max(30, number))
                    budget[name] = max(4 * number, 50, int(warm.calls_s * seconds))
                for _ in range(rounds):
                    for name, one in sessions.items():
                        figures = await one.measure(tool, arguments, callers=number, calls=budget[name])
                        measured[call, number, name].append(figures)
    return {key: _middle(all_of_it) for key, all_of_it in measured.items()}, memory


def _memory_mib(process: psutil.Process) -> float:
    # Node is started by a small process of its package.
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / MIB


def _middle(rounds: Sequence[Figures]) -> Figures:
    return Figures(
        median(one.p50_ms for one in rounds),
        median(one.p99_ms for one in rounds),
        median(one.calls_s for one in rounds),
        rounds[0].bytes_a_call,
    )


async def report(calls: Sequence[str], callers: Sequence[int], rounds: int, seconds: float) -> str:
    """The tables, in Markdown."""
    commands = peers()
    starts = await cold_starts(commands, rounds)
    figures, memory = await call_figures(commands, calls, callers, rounds, seconds)
    lines = ["| server, over stdio | cold start to `tools/list` | memory at rest |", "|---|---|---|"]
    lines += [f"| {name} | {starts[name]:.0f} ms | {memory[name]:.0f} MiB |" for name in commands]
    for call in calls:
        heads = "".join(f" p50, {number} | p99 | calls/s |" for number in callers)
        lines += ["", f"| {call}; callers |{heads} bytes |", f"|---|{'---|' * 3 * len(callers)}---|"]
        for name in commands:
            cells = [figures[call, number, name] for number in callers]
            shown = "".join(f" {one.p50_ms:.2f} | {one.p99_ms:.1f} | {one.calls_s:,.0f} |" for one in cells)
            lines.append(f"| {name} |{shown} {cells[0].bytes_a_call:,} |")
    return "\n".join(lines)


@click.command()
@click.option(
    "--call", "calls", multiple=True, type=click.Choice(list(CALLS)), default=tuple(CALLS), help="What to call."
)
@click.option("--callers", multiple=True, type=int, default=(1, 8, 64), show_default=True, help="Callers at once.")
@click.option("--rounds", default=5, show_default=True, help="Turns of each server; figures are medians over them.")
@click.option("--seconds", default=1.0, show_default=True, help="About how long a turn lasts.")
@click.option("--write", is_flag=True, help="Write the tables into docs/benchmarks.md.")
def main(*, calls: Sequence[str], callers: Sequence[int], rounds: int, seconds: float, write: bool) -> None:
    """Measure servers of the same API beside each other."""
    text = anyio.run(partial(report, calls, callers, rounds, seconds), backend_options={"use_uvloop": True})
    click.echo(text)
    if write:
        head, _, rest = REPORT.read_text(encoding="utf-8").partition(MARKS[0])
        tail = rest.partition(MARKS[1])[2]
        REPORT.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
