"""The HTTP service as a process: signals, addresses in use, half-open connections, and its audit log."""

import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client import Client
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message
from typing_extensions import override

from runs_mcp.cli.process import UsageProblem, run
from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.http.app import Service
from runs_mcp.http.layers.message import MessageReader
from runs_mcp.http.listener import serve, service_at
from runs_mcp.http.protocol import HttpProtocol
from runs_mcp.http.server_sockets import with_address
from runs_mcp.server.middleware.observers import Observers
from runs_mcp.server.runs.shared_state import SharedState
from runs_mcp.server.server import RunsServer, build_server
from runs_mcp.server.stdio.stdio_service import STOPPING
from tests import upstream
from tests.calls import PATIENT, call
from tests.clients.processes import CLEAN, http_process
from tests.command_line import USAGE, configuration, run_command
from tests.http.service import configured
from tests.http_client import http_client
from tests.ports import free_ports, wait_for_server
from tests.upstream import chunk

pytestmark = pytest.mark.anyio

CREDENTIAL = {"api": {"auth": {"value": "a-token"}}}
JWT = {"kind": "jwt", "issuer": "https://issuer.example", "resource_url": "https://runs.example/mcp"}


def auth(**settings: str) -> dict[str, Any]:
    return {"server": {"http": {"auth": settings}}}


@pytest.mark.slow
async def test_sighup_answers_the_calls_in_flight() -> None:
    async with http_process() as (url, process):

        async def hang_up(*_: object) -> None:
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

        async with Client(url, client_info=PATIENT) as client:
            slow = {"interaction": "SlowWriter", "data": {"chunks": 500, "delay_ms": 100}}
            answer = await call(client, "create_run", progress=hang_up, **slow)
        assert await process.wait() == 0
    assert answer.text.startswith(f"Run {answer.structured['id']}. Still running; do not create it again.")


async def test_a_port_in_use_is_named() -> None:
    async with upstream.serving({}) as api:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(
                OSError, match=rf"Cannot serve on 127\.0\.0\.1:{port} \(--port\): Address already in use"
            ):
                await serve(configured(api), host="127.0.0.1", port=port)


async def test_an_address_of_metrics_in_use_is_named_with_its_setting() -> None:
    async with upstream.serving({}) as api:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            named = rf"127\.0\.0\.1:{port} \(server\.http\.metrics\): Address already in use"
            with pytest.raises(OSError, match=named):
                await serve(configured(api, metrics=f"127.0.0.1:{port}"), host="127.0.0.1", port=0)


async def test_a_host_that_does_not_resolve_is_named() -> None:
    error = with_address(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "nosuch.example", 8000)
    assert str(error.strerror) == "Cannot serve on nosuch.example:8000 (--port): Name or service not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingState(SharedState):
    """State that fails as soon as it is used, or once the service has answered a request at `port`."""

    port: int | None

    @override
    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            if self.port is None:
                raise ConfigError("The state is lost.")
            tasks.start_soon(self._fail_later, self.port)
            yield

    async def _fail_later(self, port: int) -> None:
        async with http_client() as http:
            await http.get(f"http://127.0.0.1:{port}/healthz")
        raise ConfigError("The state is lost.")


@pytest.mark.parametrize("serves", [False, True], ids=["at the start", "while it serves"])
def test_an_error_of_a_server_ends_the_service(serves: bool) -> None:
    [port] = free_ports(1)

    def build(config: Config, observers: Observers, _: SharedState) -> RunsServer:
        return build_server(config, observers, FailingState(port=port if serves else None))

    config = Config(api=ApiSettings(auth=AuthSettings(value=SecretStr("a-token"))))
    with pytest.raises(UsageProblem, match="The state is lost"):
        run(partial(serve, config, host="127.0.0.1", port=port, build=build))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"api": {"auth": {"file": "token"}}}, "token): cannot be read", id="credential"),
        pytest.param({**CREDENTIAL, **auth(kind="bearer", keys_file="keys")}, "keys cannot be read", id="keys"),
        pytest.param({**CREDENTIAL, **auth(**JWT, jwks_file="jwks")}, "jwks) cannot be read", id="JWKS"),
    ],
)
def test_a_missing_file_of_the_service_is_named_in_a_line(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    ended = run_command("serve", "--http", "--config", configuration(tmp_path, settings), cwd=tmp_path)
    assert ended.returncode == USAGE
    [line] = ended.stderr.splitlines()
    assert says in line


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "runs.localhost"])
async def test_without_authentication_only_loopback_is_served(host: str) -> None:
    async with upstream.serving({}) as api:
        with pytest.raises(ConfigError, match="loopback only"):
            await serve(configured(api), host=host, port=0)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
async def test_every_address_of_loopback_is_served_without_authentication(host: str) -> None:
    async with upstream.serving({}) as api:
        assert isinstance(service_at(configured(api), host), Service)


async def test_a_connection_without_a_complete_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpProtocol, "headers_s", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    async with upstream.serving({}) as api, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, configured(api), host="127.0.0.1", port=port))
        await wait_for_server(port)
        async with await anyio.connect_tcp("127.0.0.1", port) as half_open:
            await half_open.send(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
                await half_open.receive()
        signal.raise_signal(signal.SIGTERM)


async def test_a_request_without_its_body_is_a_408() -> None:
    async def never() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def unreachable(*_: object) -> None:
        raise AssertionError("the message is incomplete")

    reader = MessageReader(unreachable, 1_000, read_s=0.05)
    await reader({"type": "http", "method": "POST", "headers": []}, never, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.slow
async def test_a_stopping_service_waits_for_abandoned_creates_and_logs_unfinished_runs() -> None:
    asked, told = anyio.Event(), anyio.Event()

    async def create(_: Request) -> Response:
        asked.set()
        await told.wait()
        return JSONResponse({"id": "r1", "status": "created"})

    async def stream(_: Request) -> Response:
        async def written() -> AsyncIterator[str]:
            yield chunk("first words")
            await anyio.sleep_forever()

        return StreamingResponse(written(), media_type="text/event-stream")

    replies = {"POST /runs": create, "GET /runs/r1/stream": stream}
    async with upstream.serving(replies) as api:
        environment = {**CLEAN, "RUNS_MCP_API__BASE_URL": f"{api.url}/api/v1", "RUNS_MCP_API__AUTH__VALUE": "a-token"}
        async with http_process(("-m", "runs_mcp", "serve"), environment) as (url, process):
            async with Client(url, client_info=PATIENT) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(partial(call, client, "create_run", interaction="i"))
                await asked.wait()
                tasks.cancel_scope.cancel()
            process.terminate()
            assert process.stderr
            log = BufferedByteReceiveStream(process.stderr)
            while json.loads(await log.receive_until(b"\n", 100_000))["event"] != STOPPING:
                pass
            told.set()
            assert await process.wait() == 0
            lines = [json.loads(line) async for chunk in log for line in chunk.splitlines()]
    [unfinished] = [line for line in lines if line["event"] == "stopped while runs were going on"]
    assert (unfinished["runs"], unfinished["unanswered_creates"]) == (["r1"], 0)
