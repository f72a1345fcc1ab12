"""Processor time of the parts of a call: `python -m benchmarks.layers`.

Compares a request that the SDK answers alone, a call that is rejected before it reaches the API, and complete calls,
and measures the API client without a server. The differences are the cost of each part.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from time import perf_counter, process_time
from typing import Any

import aiohttp
import anyio
import click

from benchmarks import report
from benchmarks.driver import LEGACY
from benchmarks.peers import FLOOR, SETTINGS, Peer, Place, Server, fixed_api, peers, start_server
from runs_mcp.api import connect
from runs_mcp.config.api_settings import ApiSettings, AuthSettings

Question = tuple[str, Mapping[str, Any]]
"""A method and its parameters."""
Send = Callable[[], Awaitable[object]]


def calling(tool: str, **arguments: object) -> Question:
    """Return the request that calls `tool`."""
    return "tools/call", {"name": tool, "arguments": arguments}


REQUESTS: Mapping[str, Question] = {
    "`ping`": ("ping", {}),
    "a rejected call": calling("list_runs", limit="many"),
    "`get_run` of 2 KB": calling("get_run", run_id="small"),
    "`list_runs` of 10": calling("list_runs", limit=10),
    "`list_runs` of 100": calling("list_runs", limit=100),
}


async def by_callers(send: Send, busy_s: Callable[[], float], *, callers: int, seconds: float) -> float:
    """Return the milliseconds of processor time per `send` with `callers` concurrent callers."""
    count, before, end = 0, busy_s(), perf_counter() + seconds

    async def caller() -> None:
        nonlocal count
        while perf_counter() < end:
            await send()
            count += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(caller)
    return (busy_s() - before) * 1_000 / count


async def of_servers(of: Sequence[Peer], *, callers: int, rounds: int, seconds: float) -> str:
    """Measure each request with each server in turns; return the table of the minimum over all rounds."""
    taken: dict[tuple[str, Peer], list[float]] = defaultdict(list)
    async with fixed_api() as environment, AsyncExitStack() as stack:
        places = {peer: Place(peer, "stdio", LEGACY) for peer in of}
        servers: Mapping[Peer, Server] = {
            peer: await stack.enter_async_context(start_server(place, environment)) for peer, place in places.items()
        }
        for number in range(rounds + 1):
            report.progress(f"layers, round {number} of {rounds}")
            for name, request in REQUESTS.items():
                for peer, server in servers.items():
                    send = partial(server.session.request, *request)
                    cost = await by_callers(send, server.usage.busy_s, callers=callers, seconds=seconds)
                    if number:  # the first round warms up
                        taken[name, peer].append(cost)
    rows = [[name, *(f"{min(taken[name, peer]):.2f}" for peer in of)] for name in REQUESTS]
    return report.table([f"CPU ms, over stdio, {callers} callers", *(peer.name for peer in of)], rows)


async def of_clients(*, callers: int, rounds: int, seconds: float) -> str:
    """Measure requests to the API with `aiohttp` alone and with our client, which also parses the runs."""
    rows = []
    async with fixed_api() as environment, AsyncExitStack() as stack:
        url = environment["API_URL"]
        token = SETTINGS["COMPOSABLE_TOKEN"]
        settings = ApiSettings(base_url=url, auth=AuthSettings.model_validate({"value": token}))
        ours = await stack.enter_async_context(connect(settings))
        http = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}))

        async def fetch(path: str) -> None:
            async with http.get(f"{url}{path}") as response:
                await response.read()

        requests: Mapping[str, Sequence[Send]] = {
            "`get_run` of 2 KB": [partial(fetch, "/runs/small"), partial(ours.get_run, "small")],
            "`list_runs` of 10": [partial(fetch, "/runs?limit=10"), partial(ours.list_runs, limit=10)],
            "`list_runs` of 100": [partial(fetch, "/runs?limit=100"), partial(ours.list_runs, limit=100)],
        }
        for name, asks in requests.items():
            costs = [
                min([await by_callers(send, process_time, callers=callers, seconds=seconds) for _ in range(rounds + 1)])
                for send in asks
            ]
            rows.append([name, *(f"{cost:.2f}" for cost in costs)])
    return report.table([f"CPU ms, no server, {callers} callers", "aiohttp alone", "our client of the API"], rows)


async def measure_tables(of: Sequence[Peer], *, callers: int, rounds: int, seconds: float) -> str:
    """Return the tables, in Markdown."""
    return "\n\n".join(
        [
            await of_servers(of, callers=callers, rounds=rounds, seconds=seconds),
            await of_clients(callers=callers, rounds=rounds, seconds=seconds),
        ]
    )


@click.command()
@click.option("--callers", default=8, show_default=True, help="Concurrent callers.")
@click.option("--rounds", default=3, show_default=True, help="Turns of each server; figures are the least of them.")
@click.option("--seconds", default=0.5, show_default=True, help="Duration of a measurement, in seconds.")
@report.write_option
def main(*, callers: int, rounds: int, seconds: float, write: bool) -> None:
    """Measure the parts of a call beside those of other servers."""
    checking = [peer for peer in peers() if peer != FLOOR]  # the floor implements no `ping` and rejects nothing
    run = partial(measure_tables, checking, callers=callers, rounds=rounds, seconds=seconds)
    report.publish("layers", anyio.run(run, backend_options={"use_uvloop": True}), write=write)


if __name__ == "__main__":
    main()
