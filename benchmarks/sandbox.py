"""Latency of the sandbox with many runs: medians over HTTP, in milliseconds.

The file is created, unless it already has runs.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import anyio
import click
import httpx

from runs_mcp.sandbox import DEMO_KEY, SandboxOptions, running

FACETS = [
    {"name": name, "field": field}
    for name, field in (
        ("environments", "environment"),
        ("interactions", "interaction"),
        ("models", "modelId"),
        ("tags", "tags"),
        ("status", "status"),
    )
]
SUMMARIES = "66a1f0c2e4b0a1b2c3d40001"
CREATION_S = 3_600
"""Seconds within which the first request is answered. It waits until the runs are created."""
Request = tuple[str, str, Mapping[str, Any] | None]


def requests(run_id: str) -> dict[str, Request]:
    """Return the requests to measure, by name."""
    week = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    return {
        "list": ("GET", "/runs?limit=100", None),
        "list, filtered by status": ("GET", "/runs?status=failed&limit=100", None),
        "list, filtered by interaction and tag": ("GET", f"/runs?interaction={SUMMARIES}&tag=nightly&limit=100", None),
        "list at offset 5,000": ("GET", "/runs?limit=100&offset=5000", None),
        "get": ("GET", f"/runs/{run_id}", None),
        "search for words": ("POST", "/runs/search", {"query": {"query": "battery onboarding"}, "limit": 100}),
        "search by date and tags": (
            "POST",
            "/runs/search",
            {"query": {"start": week, "tags": ["legal", "nightly"]}, "limit": 100},
        ),
        "facets, all five": ("POST", "/runs/facets", {"facets": FACETS}),
        "facets of failed runs": ("POST", "/runs/facets", {"facets": FACETS, "query": {"status": "failed"}}),
        "facets of completed runs": ("POST", "/runs/facets", {"facets": FACETS, "query": {"status": "completed"}}),
        "facets of a week": ("POST", "/runs/facets", {"facets": FACETS, "query": {"start": week}}),
        "facets of a model and a tag": (
            "POST",
            "/runs/facets",
            {"facets": FACETS, "query": {"model": "gpt-4o", "tags": ["legal"]}},
        ),
        "facets of a search": (
            "POST",
            "/runs/facets",
            {"facets": FACETS, "query": {"query": "battery onboarding"}},
        ),
        "filter options": ("GET", "/runs/filter-options/environment", None),
        "find by columns": ("POST", "/runs/find", {"query": {"status": "failed", "modelId": "gpt-4o"}, "limit": 100}),
        "find by a nested field": ("POST", "/runs/find", {"query": {"error.code": "timeout"}, "limit": 100}),
    }


async def measure(client: httpx.AsyncClient, request: Request, rounds: int) -> tuple[float, float]:
    """Return the median and the maximum time of a request."""
    method, path, body = request
    times: list[float] = []
    for _ in range(rounds):
        started = perf_counter()
        response = await client.request(method, path, json=body)
        times.append((perf_counter() - started) * 1_000)
        response.raise_for_status()
    return median(times), max(times)


async def report(runs: int, rounds: int, data: Path) -> None:
    """Create the runs, measure the requests and print the results."""
    started = perf_counter()
    async with (
        running(SandboxOptions(data=data, seed_runs=runs)) as sandbox,
        httpx.AsyncClient(base_url=f"{sandbox.url}/api/v1", timeout=CREATION_S) as client,
    ):
        token = (await client.get(f"{sandbox.url}/auth/token", params={"token": DEMO_KEY})).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        [run] = (await client.get("/runs", params={"limit": 1, "offset": 4_321})).json()
        click.echo(f"ready in {perf_counter() - started:.1f} s")
        click.echo(f"{'':40}{'median':>10}{'longest':>10}")
        for name, request in requests(run["id"]).items():
            middle, longest = await measure(client, request, rounds)
            click.echo(f"{name:40}{middle:>7.1f} ms{longest:>7.1f} ms")


@click.command(help=__doc__)
@click.option("--runs", type=int, default=100_000, help="Number of runs.", show_default=True)
@click.option("--rounds", type=int, default=21, help="Repetitions of each request.", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="SQLite file. Default: a temporary file.")
def main(runs: int, rounds: int, data: Path | None) -> None:
    """Read the command line."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(report, runs, rounds, data or Path(folder, "runs.sqlite"))


if __name__ == "__main__":
    main()
