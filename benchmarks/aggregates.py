"""Cost of `aggregate_runs` over a sandbox: `python -m benchmarks.aggregates`.

The server and the sandbox are separate processes, so that their processor times can be distinguished. The server is
reached over HTTP, where its metrics count the requests to the API.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from statistics import median
from typing import Any

import anyio
import click
import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import endpoint, report
from benchmarks.driver import LEGACY, Usage
from benchmarks.growth import sandbox
from benchmarks.peers import OURS, SETTINGS, Environment, Server, serving
from tests.ports import LOOPBACK, free_ports

RUNS = (1_000, 20_000, 100_000)
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "runs and failures by model": {"by": ["model"], "measures": ["runs", "failed"]},
    "median, p95 and tokens by model": {"by": ["model"]},
    "tokens by day and model": {"by": ["day", "model"], "measures": ["total_tokens"]},
}
HEADS = (
    *("runs", "question", "wall s", "CPU s of the server", "CPU s of the sandbox", "requests"),
    "peak memory above idle, MiB",
)


async def measure_tables(*, runs: Sequence[int], rounds: int) -> str:
    """Return the table, in Markdown."""
    rows = []
    for size in runs:
        report.progress(f"a sandbox with {size:,} runs")
        async with sandbox(size) as (environment, api), _started(environment, max_scan=size) as (server, metrics):
            await server.measure("list_runs", {"limit": 1}, callers=1)
            for question, arguments in QUESTIONS.items():
                rows.append([f"{size:,}", question, *await _costs(server, metrics, api, arguments, rounds)])
    return report.table(HEADS, rows)


@asynccontextmanager
async def _started(environment: Environment, *, max_scan: int) -> AsyncIterator[tuple[Server, str]]:
    """Start the server, which reads up to `max_scan` runs in a call; yield it and the URL of its metrics."""
    [metrics] = free_ports(1)
    settings = {
        "RUNS_MCP_SERVER__MAX_SCAN": str(max_scan),
        "RUNS_MCP_SERVER__HTTP__METRICS": f"{LOOPBACK}:{metrics}",
        "RUNS_MCP_STREAMING__MAX_WAIT_S": SETTINGS["RUNS_MCP_STREAMING__MAX_WAIT_S"],
    }
    async with (
        serving(OURS, {**environment, **settings}) as (port, process),
        endpoint.connect(LOOPBACK, port, LEGACY) as session,
    ):
        yield Server(session, Usage(process.pid)), f"http://{LOOPBACK}:{metrics}/metrics"


async def _costs(server: Server, metrics: str, api: Usage, arguments: Mapping[str, Any], rounds: int) -> Sequence[str]:
    idle = server.usage.memory_mib()
    figures = []
    peaks = [idle]
    before = await _requests(metrics)
    for _ in range(rounds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, server.usage, peaks)
            busy = api.busy_s()
            measurement = await server.measure("aggregate_runs", arguments, callers=1)
            figures.append((measurement.latencies_ms[0] / 1_000, measurement.busy_s, api.busy_s() - busy))
            tasks.cancel_scope.cancel()
    requests = (await _requests(metrics) - before) / rounds
    times = [f"{median(column):.2f}" for column in zip(*figures, strict=True)]
    return [*times, f"{requests:.0f}", f"{max(peaks) - idle:.0f}"]


async def _requests(metrics: str) -> float:
    """Return the number of requests that the server has sent to the API."""
    async with httpx.AsyncClient() as client:
        response = await client.get(metrics)
    return sum(
        sample.value
        for family in text_string_to_metric_families(response.raise_for_status().text)
        for sample in family.samples
        if sample.name == "runs_mcp_upstream_requests_total"
    )


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
