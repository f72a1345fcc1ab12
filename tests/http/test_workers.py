"""Several workers at one port: requirements of `--workers`, and sessions that every worker serves.

`tests/deploy/workers.py` starts real processes.
"""

import errno
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import chain, cycle, repeat
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult
from prometheus_client import CollectorRegistry, Counter, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.http.app import build_service
from runs_mcp.http.auth import keys
from runs_mcp.http.server_sockets import server_sockets
from runs_mcp.http.workers.session_forwarder import SessionForwarder
from runs_mcp.http.workers.shared_port import start_worker
from runs_mcp.http.workers.supervisor import Supervisor
from runs_mcp.http.workers.worker import WorkerSettings
from runs_mcp.http.workers.worker_metrics import WorkerMetrics
from runs_mcp.observability.logs import FIELDS
from tests import upstream
from tests.calls import PATIENT, Notifications, call
from tests.command_line import WITH_TOKEN, run_command
from tests.http.service import ACCEPT, LEGACY, PING, SESSION, Endpoint, bearer, configured
from tests.http_client import WITHOUT_AUTHORITIES, http_client
from tests.ports import LOOPBACK, free_ports
from tests.upstream import CLOSE, Replies, chunk, events, reply

pytestmark = pytest.mark.anyio

DONE = {"id": "r1", "status": "completed", "result": "one two"}
RUN: Replies = {
    "POST /runs": reply({"id": "r1", "status": "created"}),
    "GET /runs/r1": reply(DONE),
    "GET /runs/r1/stream": events(chunk("one "), chunk("two"), CLOSE),
}
WITH_REDIS = {**WITH_TOKEN, "RUNS_MCP_SERVER__REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        pytest.param(["--workers", "2"], WITH_REDIS, "--workers needs --http", id="stdio"),
        pytest.param(
            ["--http", "--workers", "2"], WITH_TOKEN, "--workers 2: server.redis_url is not set", id="no redis"
        ),
        pytest.param(["--http", "--workers", "0"], WITH_REDIS, "0 is not in the range x>=1", id="no worker"),
        pytest.param(
            ["--http", "--workers", "2", "--host", "0.0.0.0"], WITH_REDIS, "serves loopback only", id="unauthenticated"
        ),
    ],
)
def test_settings_that_workers_cannot_serve_are_refused_at_the_start(
    arguments: list[str], environment: dict[str, str], message: str, tmp_path: Path
) -> None:
    refused = run_command("serve", *arguments, cwd=tmp_path, env=environment)
    assert refused.returncode == 2
    assert message in refused.stderr


@asynccontextmanager
async def worker(config: Config, number: int, ports: Sequence[int]) -> AsyncIterator[str]:
    """Run a worker and yield its URL."""
    service = build_service(config, host="127.0.0.1")
    async with (
        SessionForwarder(service.app, number, ports) as app,
        upstream.listening(lambda _: app, lifespan="on") as url,
    ):
        yield url


@asynccontextmanager
async def two_workers(config: Config) -> AsyncIterator[list[Endpoint]]:
    """Two workers of a service in this process, each with its own port, by which a test chooses the worker."""
    ports = list[int]()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client())
        for number in range(2):
            url = await stack.enter_async_context(worker(config, number, ports))
            ports.append(int(url.rsplit(":", 1)[1]))
        yield [Endpoint(f"http://127.0.0.1:{port}", http) for port in ports]


class InTurn(httpx2.AsyncHTTPTransport):
    """A transport that sends requests to the workers in turn."""

    def __init__(self, workers: Sequence[Endpoint]) -> None:
        super().__init__(verify=WITHOUT_AUTHORITIES)
        self._urls = cycle([httpx2.URL(worker.url) for worker in workers])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self._urls).port)
        return await super().handle_async_request(request)


@asynccontextmanager
async def client_of(workers: Sequence[Endpoint], **options: Any) -> AsyncIterator[Client]:
    """A client of protocol 2025-11-25 whose requests reach the workers in turn."""
    async with (
        httpx2.AsyncClient(transport=InTurn(workers), timeout=30) as http,
        Client(
            streamable_http_client(workers[0].endpoint, http_client=http),
            mode="legacy",
            client_info=PATIENT,
            **options,
        ) as client,
    ):
        yield client


async def test_text_and_result_of_a_run_reach_a_client_whose_requests_reach_several_workers() -> None:
    async with upstream.serving(RUN) as api, two_workers(configured(api)) as workers, client_of(workers) as client:
        for _ in range(3):
            progress = Notifications()
            answer = await call(client, "create_run", interaction="i", progress=progress)
            assert (progress.text, answer.structured["result"]) == ("one two", "one two")


async def test_a_question_can_be_answered_through_another_worker() -> None:
    async def person(_: object, __: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"confirmation": "yes"})

    async with upstream.serving(RUN) as api:
        config = configured(api)
        confirming = config.model_copy(update={"server": config.server.model_copy(update={"confirm_create": True})})
        async with two_workers(confirming) as workers, client_of(workers, elicitation_callback=person) as client:
            answers = [await call(client, "create_run", interaction="i", wait=False) for _ in range(2)]
        assert api.count("POST /runs") == 2
    assert [answer.failed for answer in answers] == [False, False]


@pytest.mark.usefixtures("quick_polls")
async def test_the_stream_of_a_session_can_be_read_at_another_worker() -> None:
    statuses = chain(repeat("processing", 3), repeat("completed"))

    async def run(request: Request) -> Response:
        return await reply({"id": "r1", "status": next(statuses)})(request)

    subscribe = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "runs://r1"}}
    async with upstream.serving({"GET /runs/r1": run}) as api, two_workers(configured(api)) as workers:
        session = await workers[0].open_session()
        await workers[1].post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
        async with workers[1].http.stream("GET", workers[1].endpoint, headers={**ACCEPT, **session}) as stream:
            await workers[0].post(subscribe, **session)
            with anyio.fail_after(30):
                told = await first_data(stream)
    assert json.loads(told)["method"] == "notifications/resources/updated"


async def first_data(stream: httpx.Response) -> str:
    """Return the data of the first event with data."""
    async for line in stream.aiter_lines():
        if data := line.removeprefix("data:").strip() if line.startswith("data:") else "":
            return data
    raise AssertionError("the stream ended")


async def test_a_session_ends_at_all_workers() -> None:
    async with upstream.serving({}) as api, two_workers(configured(api)) as workers:
        session = await workers[0].open_session()
        before = [(await worker.ping(**session)).status_code for worker in workers]
        ended = await workers[1].http.delete(workers[1].endpoint, headers={**ACCEPT, **session})
        after = [(await worker.ping(**session)).status_code for worker in workers]
    assert (before, ended.status_code, after) == ([200, 200], 200, [404, 404])


@pytest.mark.parametrize(
    "session",
    [
        *("0.unknown", "1.unknown", "2.unknown", "unknown", "-1.unknown", "٣.unknown", "."),
        pytest.param(f"{'9' * 5_000}.unknown", id="a number that Python refuses to read"),
    ],
)
async def test_an_unknown_session_is_not_found(session: str) -> None:
    async with upstream.serving({}) as api, two_workers(configured(api)) as workers:
        headers = {**ACCEPT, "mcp-protocol-version": LEGACY, SESSION: session}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        statuses = {(await worker.http.post(worker.endpoint, json=PING, headers=raw)).status_code for worker in workers}
    assert statuses == {404}


async def test_forwarded_requests_are_authenticated_by_the_worker_of_their_session(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    own, other = [bearer(keys.add(file, name, ["runs:read"])) for name in ("own", "other")]
    auth = BearerAuthSettings(kind="bearer", keys_file=file)
    async with upstream.serving({}) as api, two_workers(configured(api, auth=auth)) as workers:
        session = await workers[0].open_session(**own)
        asked = [{**session, **credential} for credential in (own, other, bearer("rmk_no"))]
        statuses = [(await workers[1].ping(**headers)).status_code for headers in asked]
    assert statuses == [200, 404, 401]


async def test_each_request_is_logged_once_with_the_address_of_its_client(caplog: pytest.LogCaptureFixture) -> None:
    async with upstream.serving({}) as api, two_workers(configured(api)) as workers:
        session = await workers[0].open_session()
        caplog.clear()
        caplog.set_level("INFO", "runs_mcp.observability.access_log")
        await workers[1].ping(**session, **{"x-forwarded-for": "203.0.113.9"})
    fields = [record.__dict__[FIELDS] for record in caplog.records if record.message == "request"]
    assert [line["caller"] for line in fields] == ["203.0.113.9"]


async def test_a_request_of_a_session_whose_worker_is_gone_is_refused_and_not_repeated() -> None:
    [port] = free_ports(1)
    async with upstream.serving({}) as api, http_client() as http, worker(configured(api), 0, [0, port]) as url:
        refused = await Endpoint(url, http).ping(**{SESSION: "1.abc", "mcp-protocol-version": LEGACY})
    assert refused.status_code == 502
    assert "may have had an effect" in refused.json()["error"]["message"]


async def test_a_call_that_was_cut_off_at_a_worker_gets_its_run_at_another() -> None:
    asked, answered = anyio.Event(), anyio.Event()

    async def create(_: Request) -> Response:
        asked.set()
        await answered.wait()
        return JSONResponse(DONE)

    params = {"name": "create_run", "arguments": {"interaction": "i"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with upstream.serving({**RUN, "POST /runs": create}) as api, two_workers(configured(api)) as workers:
        session = await workers[0].open_session()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(workers[1].post, message, **session))
            await asked.wait()
            tasks.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(workers[0].post, message, **session))
            answered.set()
        assert api.count("POST /runs") == 1


def test_metrics_of_workers_differ_by_a_label() -> None:
    metrics = WorkerMetrics()
    for worker in range(3):
        registry = CollectorRegistry()
        Counter("calls", "Calls.", ["tool"], registry=registry).labels("get_run").inc(worker + 1)
        metrics.update(worker, list(registry.collect()))
    metrics.remove(1)
    text = generate_latest(metrics.registry).decode()
    assert text.count("# TYPE calls_total counter") == 1
    assert [line for line in text.splitlines() if line.startswith("calls_total")] == [
        'calls_total{tool="get_run",worker="0"} 1.0',
        'calls_total{tool="get_run",worker="2"} 3.0',
    ]
    assert "runs_mcp_workers 2.0" in text


@pytest.mark.parametrize(
    ("target", "arguments", "exit_code"),
    [pytest.param(sys.exit, (3,), 3, id="ends"), pytest.param(time.sleep, (60,), -signal.SIGKILL, id="hangs")],
)
async def test_a_worker_that_cannot_start_ends_the_service(
    target: Callable[..., object], arguments: tuple[int], exit_code: int
) -> None:
    async def start(_: int, __: object) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
        process.start()
        return process

    def started() -> None:
        raise AssertionError("no worker has served")

    with pytest.raises(ChildProcessError, match=f"A worker could not start: exit code {exit_code};"):
        await Supervisor(start, 2, WorkerMetrics(), hung_s=0.1).run(started)


async def test_connections_do_not_wait_for_a_worker_that_starts() -> None:
    config = Config.model_validate({"api": {"auth": {"value": "a-token"}}})
    [port], (link, link_of_worker) = free_ports(1), multiprocessing.Pipe()
    async with server_sockets(LOOPBACK, 0) as loopback:
        worker = await start_worker(WorkerSettings(config, LOOPBACK, port, loopback), 0, link_of_worker)
        try:
            os.kill(worker.pid or 0, signal.SIGSTOP)
            with pytest.raises(OSError, match=r"All connection attempts failed|refused"):
                await anyio.connect_tcp(LOOPBACK, port)
        finally:
            worker.kill()
            worker.join()
    link.close()


async def test_a_worker_that_cannot_be_started_again_is_started_later(caplog: pytest.LogCaptureFixture) -> None:
    starts, serving = 0, anyio.Event()

    async def start(_: int, link: Connection) -> BaseProcess:
        nonlocal starts
        starts += 1
        if starts == 2:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if starts == 3:
            serving.set()
        answer = "link.recv_bytes(); link.send([])"
        process = multiprocessing.get_context("spawn").Process(target=exec, args=(answer, {"link": link}))
        process.start()
        return process

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Supervisor(start, 1, WorkerMetrics()).run, lambda: None)
        await serving.wait()
        tasks.cancel_scope.cancel()
    assert [getattr(record, FIELDS) for record in caplog.records if record.levelname == "ERROR"] == [
        {"worker": 0, "exit_code": 0, "pause_s": 0.5},
        {"worker": 0, "error": "Resource temporarily unavailable", "pause_s": 1.0},
    ]


async def test_an_answer_that_breaks_off_with_its_worker_ends_incomplete_and_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaking(connection: SocketStream) -> None:
        async with connection:
            await connection.receive()
            await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")

    async with (
        upstream.serving({}) as api,
        http_client() as http,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, breaking)
        port = listener.extra(SocketAttribute.local_port)
        async with worker(configured(api), 0, [0, port]) as url:
            with pytest.raises(httpx.RemoteProtocolError):
                await Endpoint(url, http).ping(**{SESSION: "1.abc", "mcp-protocol-version": LEGACY})
        tasks.cancel_scope.cancel()
    assert [record.exc_info for record in caplog.records if record.exc_info] == []
    assert "the process of a session ended during an answer" in caplog.text
