"""Many concurrent agents over HTTP: `python -m benchmarks.load`.

A thousand callers each create and follow a run while hundreds of agents make calls, against one process and against
replicas behind nginx with `deploy/nginx.conf`, or workers at one port. Half of the clients use each protocol era.
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

import anyio
import click
import httpx
import psutil

from benchmarks import endpoint, report
from benchmarks.driver import LEGACY, MODERN, CallError, Era, Listener, Session, Usage, percentile
from benchmarks.endpoint import StatusError
from benchmarks.peers import OURS, Environment, Peer, fixed_api, serving
from benchmarks.streams import Received
from benchmarks.versions import other_version
from tests.deploy.behind_nginx import nginx
from tests.deploy.redis_server import redis_server
from tests.ports import LOOPBACK

Call = tuple[str, Mapping[str, Any]]
READS: Sequence[Call] = (
    ("list_runs", {"limit": 10}),
    ("get_run", {"run_id": "small"}),
    ("compute_run_facets", {}),
    ("list_runs", {"limit": 100}),
)
SHORT = {"chunks": 10, "per_s": 50}
"""The run that an agent creates and follows after its reads."""
LONGEST_S = 900
"""Seconds after which an unfinished measurement is abandoned."""
SOURCES = 10
"""Addresses from which the callers connect, since sessions are limited for each address."""
ERRORS = (CallError, StatusError, OSError, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream)


@dataclass(frozen=True, slots=True)
class Setup:
    """A deployment to measure."""

    name: str
    server: Peer = OURS
    processes: int = 1
    redis: bool = False
    workers: int = 1
    """Workers of each process, at one port."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A started setup: its port and the resource usage of its processes."""

    port: int
    replicas: Sequence[Usage]
    proxies: Sequence[Usage]


@dataclass(slots=True)
class Outcome:
    """Results of the clients, and resource usage of the processes."""

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    received: Received = field(default_factory=Received)
    sent: int = 0
    """Chunks that the API sent in all streams."""
    errors: Counter[str] = field(default_factory=Counter)
    connected_s: float = 0
    """Seconds until all agents, which start at the same time, have completed a handshake and a call."""
    seconds: float = 0
    busy: Sequence[float] = ()
    """Processor use of each replica; 1 is one core all the time."""
    proxy_busy: float = 0
    client_busy: float = 0
    memory_mib: Sequence[float] = ()

    def count(self, error: BaseException) -> None:
        """Count an error."""
        self.errors[f"{type(error).__name__}: {error}"[:200]] += 1


@asynccontextmanager
async def deployed(setup: Setup, environment: Environment) -> AsyncIterator[Deployment]:
    """Start the processes of `setup`, behind nginx if there are several."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        if setup.redis:
            redis = await stack.enter_async_context(redis_server(folder))
            environment = {**environment, "RUNS_MCP_SERVER__REDIS_URL": redis.url}
        server = setup.server
        if setup.workers > 1:
            server = replace(server, http=("--http", "--workers", str(setup.workers), "--port"))
        started = [await stack.enter_async_context(serving(server, environment)) for _ in range(setup.processes)]
        replicas = [Usage(process.pid) for _, process in started]
        if len(started) == 1:
            yield Deployment(started[0][0], replicas, [])
            return
        urls = [f"http://{LOOPBACK}:{port}" for port, _ in started]
        port = urlsplit(await stack.enter_async_context(nginx(folder, urls))).port
        assert port
        masters = [process.pid for process in psutil.Process().children() if process.name() == "nginx"]
        yield Deployment(port, replicas, [Usage(pid) for pid in masters])


class Load:
    """Load on a deployment in front of the fixed API at `api`: streams and agents."""

    def __init__(self, at: Deployment, api: str, *, seconds: float, per_s: int) -> None:
        self.outcome = Outcome()
        self._at, self._api = at, api
        self._seconds = seconds
        self._all_are_there = anyio.Event()
        self._calls_are_over = False
        self._long = {"chunks": per_s * LONGEST_S, "per_s": per_s}

    async def run(self, streams: int, agents: int) -> None:
        """Open the streams, connect the agents and make the calls; then end the streams and receive their rest."""
        there = [anyio.Event() for _ in range(streams + agents)]
        async with httpx.AsyncClient(base_url=self._api) as api:
            with anyio.fail_after(LONGEST_S):
                async with anyio.create_task_group() as watching:
                    for number in range(streams):
                        watching.start_soon(self._follow, number, there[number])
                    await _all(there[:streams])
                    report.progress("all streams are open")
                    await self._call(there[streams:])
                    await api.post("/end")
            self.outcome.sent = (await api.get("/sent")).json()["sent"]

    async def _call(self, there: Sequence[anyio.Event]) -> None:
        """Connect the agents and make their calls; measure the processes from the first call to the last result."""
        at, outcome = self._at, self.outcome
        connecting = monotonic()
        async with anyio.create_task_group() as calling:
            for number, connected in enumerate(there):
                calling.start_soon(self._work, number, connected)
            await _all(there)
            busy, driving, began = self._busy(), process_time(), monotonic()
            outcome.connected_s = began - connecting
            self._all_are_there.set()
        outcome.seconds = monotonic() - began
        self._calls_are_over = True
        used = [(now - before) / outcome.seconds for now, before in zip(self._busy(), busy, strict=True)]
        outcome.busy, outcome.proxy_busy = used[: len(at.replicas)], sum(used[len(at.replicas) :])
        outcome.client_busy = (process_time() - driving) / outcome.seconds
        outcome.memory_mib = [replica.memory_mib() for replica in at.replicas]

    def _busy(self) -> Sequence[float]:
        return [process.busy_s() for process in (*self._at.replicas, *self._at.proxies)]

    async def _follow(self, number: int, opening: anyio.Event) -> None:
        """Create a run and follow it until it ends."""
        reader = self.outcome.received.reader()

        def on_notification(line: bytes) -> None:
            reader(line)
            opening.set()

        try:
            async with self._client(f"follower-{number}", number) as client:
                await self._create(client, number, self._long, on_notification)
            if not self._calls_are_over:
                self.outcome.errors["a stream ended before the calls"] += 1
        except ERRORS as error:
            self.outcome.count(error)
        opening.set()

    async def _work(self, number: int, connected: anyio.Event) -> None:
        """Connect, wait for the other agents, then make calls in sequence."""
        try:
            async with self._client(f"agent-{number}", number) as client:
                await client.call(*READS[0])
                connected.set()
                await self._all_are_there.wait()
                over = perf_counter() + self._seconds
                while perf_counter() < over:
                    for tool, arguments in READS:
                        await self._timed(tool, client.call(tool, arguments))
                    reader = self.outcome.received.reader()
                    await self._timed("create_run", self._create(client, number, SHORT, reader))
                    if reader.next != SHORT["chunks"]:
                        self.outcome.errors["incomplete stream"] += 1
        except ERRORS as error:
            self.outcome.count(error)
        connected.set()

    async def _timed(self, tool: str, call: Awaitable[object]) -> None:
        began = perf_counter()
        await call
        self.outcome.latencies_ms[tool].append((perf_counter() - began) * 1_000)

    async def _create(self, client: Session, number: int, data: Mapping[str, int], on_notification: Listener) -> None:
        # Callers ask for different runs: a create that equals one in progress waits, because it may be its repeat.
        arguments = {"interaction": "Writer", "data": data, "tags": [f"caller-{number}"]}
        await client.call("create_run", arguments, on_notification)

    @asynccontextmanager
    async def _client(self, name: str, number: int) -> AsyncIterator[Session]:
        era: Era = MODERN if number % 2 else LEGACY
        source = f"127.0.0.{2 + number // 2 % SOURCES}"
        async with endpoint.connect(LOOPBACK, self._at.port, era, name, source) as session:
            yield session


async def _all(events: Sequence[anyio.Event]) -> None:
    for event in events:
        await event.wait()


def row(setup: Setup, outcome: Outcome) -> Sequence[str]:
    """Return the row for a setup."""
    reads = [latency for tool, taken in outcome.latencies_ms.items() if tool != "create_run" for latency in taken]
    created, delays = outcome.latencies_ms["create_run"], outcome.received.delays_ms
    lost = outcome.sent - len(delays)
    return [
        setup.name,
        f"{(len(reads) + len(created)) / outcome.seconds:,.0f}",
        f"{outcome.connected_s:.1f}",
        *(f"{percentile(values, 50):,.0f} / {percentile(values, 99):,.0f}" for values in (reads, created, delays)),
        f"{outcome.errors.total()}",
        f"{lost}, {outcome.received.out_of_order}",
        " ".join(f"{busy:.2f}" for busy in outcome.busy),
        f"{outcome.proxy_busy:.2f}, {outcome.client_busy:.2f}",
        " ".join(f"{memory:.0f}" for memory in outcome.memory_mib),
    ]


async def measure_tables(of: Sequence[Setup], *, streams: int, agents: int, seconds: float, per_s: int) -> str:
    """Return the table, in Markdown."""
    rows = []
    for setup in of:
        report.progress(f"{streams:,} streams and {agents} agents, {setup.name}")
        async with fixed_api() as environment, deployed(setup, environment) as at:
            load = Load(at, environment["API_URL"], seconds=seconds, per_s=per_s)
            await load.run(streams, agents)
        rows.append(row(setup, load.outcome))
        for error, times in load.outcome.errors.most_common():
            report.progress(f"{times} times: {error}")
    heads = [
        f"{streams:,} streams of {per_s} chunks a second, {agents} agents",
        "calls/s",
        "connected after s",
        "reads, p50 / p99 ms",
    ]
    heads += ["create_run to its end", "a chunk's delay", "errors", "chunks lost, out of order"]
    heads += ["busy, each process", "nginx, the client", "MiB, each process"]
    return report.table(heads, rows)


@click.command()
@click.option("--streams", default=1_000, show_default=True, help="Runs that are followed throughout.")
@click.option("--agents", default=200, show_default=True, help="Callers that make calls in sequence.")
@click.option("--seconds", default=15.0, show_default=True, help="Duration of the calls.")
@click.option("--per-s", default=2, show_default=True, help="Chunks a second in each stream.")
@click.option("--replicas", default=3, show_default=True, help="Processes behind nginx.")
@click.option(
    "--redis/--no-redis",
    "with_redis",
    default=None,
    help="Also measure replicas that share a Redis. Default: if redis-server is installed.",
)
@click.option(
    "--other",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Command `runs-mcp` of another version, in its own environment: compare one process of each, in turns.",
)
@report.write_option
def main(
    *,
    streams: int,
    agents: int,
    seconds: float,
    per_s: int,
    replicas: int,
    with_redis: bool | None,
    other: Path | None,
    write: bool,
) -> None:
    """Measure one process and several replicas under the load of many agents."""
    can = shutil.which("redis-server") is not None
    if with_redis and not can:
        raise click.UsageError("--redis needs redis-server, which is not installed")
    setups = [Setup("one process"), Setup(f"{replicas} replicas behind nginx", processes=replicas)]
    if can and with_redis is not False:
        setups.append(Setup(f"{replicas} replicas behind nginx, with Redis", processes=replicas, redis=True))
        setups.append(Setup("2 workers at one port, with Redis", redis=True, workers=2))
    if other:
        setups = 2 * [Setup("one process"), Setup("one process, the other version", other_version(other))]
    run = partial(measure_tables, setups, streams=streams, agents=agents, seconds=seconds, per_s=per_s)
    report.publish(
        "load versions" if other else "load", anyio.run(run, backend_options={"use_uvloop": True}), write=write
    )


if __name__ == "__main__":
    main()
