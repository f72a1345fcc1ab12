"""`serve --http --workers`: real processes that share a port and a real Redis. Run by name; needs `redis-server`."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import psutil
import pytest
from anyio.abc import Process
from prometheus_client.parser import text_string_to_metric_families

from runs_mcp.sandbox import DEMO_KEY
from runs_mcp.sandbox import running as sandbox_running
from tests.calls import Answer, call
from tests.clients.processes import http_process
from tests.command_line import configuration, start_command
from tests.deploy.redis_server import redis_server
from tests.http.service import Endpoint, connected
from tests.http_client import http_client
from tests.ports import LOOPBACK, free_ports

pytestmark = pytest.mark.anyio

WORKERS, AGENTS = 2, 16
PATIENCE_S = 60
SERVE = ("-m", "runs_mcp", "serve", "--workers", str(WORKERS), "--config")
LONG = {"chunks": 500, "delay_ms": 100}


@dataclass(frozen=True, slots=True)
class Started(Endpoint):
    """A service with several workers."""

    process: Process
    metrics_url: str
    config_file: str

    @property
    def children(self) -> list[psutil.Process]:
        """Return the processes that the supervisor has started."""
        return psutil.Process(self.process.pid).children()

    @property
    def workers(self) -> list[psutil.Process]:
        """Return the workers."""
        return [child for child in self.children if "--multiprocessing-fork" in child.cmdline()]

    async def totals(self, name: str) -> Mapping[str, float]:
        """Return the sums of a metric by worker; the name of the supervisor is empty."""
        text = (await self.http.get(self.metrics_url)).text
        sums = dict[str, float]()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name:
                    worker = sample.labels.get("worker", "")
                    sums[worker] = sums.get(worker, 0) + sample.value
        return sums

    async def until(self, name: str, is_reached: Callable[[Mapping[str, float]], bool]) -> Mapping[str, float]:
        """Read a metric until its sums are as expected, and return them."""
        with anyio.fail_after(PATIENCE_S):
            while not is_reached(sums := await self.totals(name)):  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.1)  # nothing notifies of a change of metrics
        return sums


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Started]:
    """A service with several workers in front of a sandbox."""
    [metrics] = free_ports(1)
    async with redis_server(tmp_path) as redis, sandbox_running() as sandbox, http_client() as http:
        file = configuration(
            tmp_path,
            {
                "api": {"base_url": f"{sandbox.url}/api/v1", "auth": {"kind": "api_key", "value": DEMO_KEY}},
                "server": {"redis_url": redis.url, "http": {"metrics": f"{LOOPBACK}:{metrics}"}},
            },
        )
        async with http_process((*SERVE, file)) as (url, process):
            yield Started(url.removesuffix("/mcp"), http, process, f"http://{LOOPBACK}:{metrics}/metrics", file)


async def test_all_workers_serve_clients_of_both_eras(service: Started) -> None:
    answers = list[Answer]()

    async def work(number: int) -> None:
        async with connected(service, "legacy" if number % 2 else "auto") as client:
            answers.append(await call(client, "create_run", interaction="SlowWriter", data={"chunks": 3}))
            answers.append(await call(client, "list_runs", limit=1))

    async with anyio.create_task_group() as tasks:
        for number in range(AGENTS):
            tasks.start_soon(work, number)
    calls = await service.until("runs_mcp_calls_total", lambda sums: sum(sums.values()) == 2 * AGENTS)
    assert [answer.text for answer in answers if answer.failed] == []
    assert set(calls) == {"0", "1"}


async def test_a_session_is_served_over_every_connection(service: Started) -> None:
    session = await service.open_session()
    statuses = [(await service.ping(**session, connection="close")).status_code for _ in range(AGENTS)]
    assert statuses == [200] * AGENTS


@pytest.mark.parametrize("to_workers", [False, True], ids=["to the supervisor", "to every process, as systemd does"])
async def test_a_stop_answers_the_calls_in_flight_and_ends_every_process(service: Started, *, to_workers: bool) -> None:
    children, answers, writing = service.children, list[Answer](), [anyio.Event() for _ in range(4)]

    async def hear(started: anyio.Event, *_: object) -> None:
        started.set()

    async def work(started: anyio.Event, mode: str) -> None:
        async with connected(service, mode) as client:
            await client.list_tools()  # otherwise the client lists the tools after its call, when the service has ended
            progress = partial(hear, started)
            answers.append(await call(client, "create_run", interaction="SlowWriter", data=LONG, progress=progress))

    async with anyio.create_task_group() as tasks:
        for number, started in enumerate(writing):
            tasks.start_soon(work, started, "legacy" if number % 2 else "auto")
        for started in writing:
            await started.wait()
        workers = [worker.pid for worker in service.workers] if to_workers else []
        for pid in [service.process.pid, *workers]:
            os.kill(pid, signal.SIGTERM)
    with anyio.fail_after(PATIENCE_S):
        assert await service.process.wait() == 0
    assert [answer.text.partition(". ")[2][:14] for answer in answers] == ["Still running;"] * len(writing)
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []


async def test_a_worker_that_was_killed_is_replaced_and_its_clients_open_new_sessions(service: Started) -> None:
    sessions = [await service.open_session(connection="close") for _ in range(AGENTS)]
    service.workers[0].kill()
    await service.until("runs_mcp_worker_restarts_total", lambda sums: sums == {"": 1})
    await service.until("runs_mcp_workers", lambda sums: sums == {"": WORKERS})
    statuses = {(await service.ping(**session)).status_code for session in sessions}
    assert statuses == {200, 404}
    async with connected(service, "legacy") as client:
        assert not (await call(client, "list_runs", limit=1)).failed


async def test_workers_end_with_a_supervisor_that_was_killed(service: Started) -> None:
    children = service.children
    service.process.kill()
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []


async def test_a_second_service_at_the_port_is_refused(service: Started, tmp_path: Path) -> None:
    port = str(urlsplit(service.url).port)
    refused = start_command(
        "serve", "--http", "--workers", "2", "--port", port, "--config", service.config_file, cwd=tmp_path
    )
    assert refused.returncode == 1
    assert f"Cannot serve on {LOOPBACK}:{port} (--port): Address already in use" in refused.stderr


async def test_no_secret_is_in_the_command_line_or_environment_of_a_process(service: Started) -> None:
    shown = [json.dumps([child.cmdline(), child.environ()]) for child in service.children]
    assert len(service.workers) == WORKERS
    assert not [text for text in shown if DEMO_KEY in text or "redis://" in text]
