"""Cost of `aggregate_runs` over a sandbox: `python -m benchmarks.aggregates`.

The server and the sandbox are separate processes, so that their processor times can be distinguished.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

import anyio
import click

from benchmarks import report
from benchmarks.driver import LEGACY, Usage
from benchmarks.growth import sandbox
from benchmarks.peers import OURS, Place, Server, start_server

RUNS = (1_000, 20_000)
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "runs and failures by model": {"by": ["model"], "measures": ["runs", "failed"]},
    "median, p95 and tokens by model": {"by": ["model"]},
    "tokens by day and model": {"by": ["day", "model"], "measures": ["total_tokens"]},
}
HEADS = (*("runs", "question", "wall s", "CPU s of the server", "CPU s of the sandbox", "peak memory above idle, MiB"),)


async def measure_tables(*, runs: Sequence[int], rounds: int) -> str:
    """Return the table, in Markdown."""
    rows = []
    for size in runs:
        report.progress(f"a sandbox with {size:,} runs")
        async with (
            sandbox(size) as (environment, api),
            start_server(Place(OURS, "stdio", LEGACY), environment) as server,
        ):
            await server.measure("list_runs", {"limit": 1}, callers=1)
            for question, arguments in QUESTIONS.items():
                rows.append([f"{size:,}", question, *await _costs(server, api, arguments, rounds)])
    return report.table(HEADS, rows)


async def _costs(server: Server, api: Usage, arguments: Mapping[str, Any], rounds: int) -> Sequence[str]:
    idle = server.usage.memory_mib()
    figures = []
    peaks = [idle]
    for _ in range(rounds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, server.usage, peaks)
            busy = api.busy_s()
            measurement = await server.measure("aggregate_runs", arguments, callers=1)
            figures.append((measurement.latencies_ms[0] / 1_000, measurement.busy_s, api.busy_s() - busy))
            tasks.cancel_scope.cancel()
    return [*(f"{median(column):.2f}" for column in zip(*figures, strict=True)), f"{max(peaks) - idle:.0f}"]


async def _watch(usage: Usage, peaks: list[float]) -> None:
    """Note the memory of the server until cancelled."""
    while True:
        peaks.append(usage.memory_mib())
        await anyio.sleep(0.02)


@click.command()
@click.option("--runs", multiple=True, type=int, default=RUNS, show_default=True, help="Runs in the sandbox.")
@click.option("--rounds", default=3, show_default=True, help="Calls for each question.")
@report.write_option
def main(*, runs: Sequence[int], rounds: int, write: bool) -> None:
    """Measure the cost of aggregates."""
    run = partial(measure_tables, runs=runs, rounds=rounds)
    report.publish("aggregates", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
