"""The HTTP service as a process: signals, addresses that are taken, half-open connections, and its audit log."""

import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client import Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message

from runs_mcp.config.problems import ConfigError
from runs_mcp.http.app import Service
from runs_mcp.http.drained_server import DrainedServer, ServiceError, uvicorn_settings
from runs_mcp.http.layers.message import MessageReader
from runs_mcp.http.listener import serve, service_at
from runs_mcp.http.profile_servers import ProfileServers
from runs_mcp.http.protocol import HttpProtocol
from runs_mcp.server.stdio.stdio_service import STOPPING
from tests import upstream
from tests.calls import PATIENT, call
from tests.clients.processes import CLEAN, http_process
from tests.http.service import configured
from tests.ports import listening
from tests.upstream import chunk

pytestmark = pytest.mark.anyio


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
            with pytest.raises(OSError, match=f"Cannot serve on 127.0.0.1:{port}: Address already in use"):
                await serve(configured(api), host="127.0.0.1", port=port)


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
        await listening(port)
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


@pytest.mark.parametrize("starts", [True, False], ids=["later", "at the start"])
async def test_a_service_whose_background_task_fails_ends_with_an_error(*, starts: bool) -> None:
    failing = anyio.Event()

    async def task() -> None:
        await failing.wait()
        raise ValueError("a flaw")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task)
            if not starts:
                failing.set()
                await anyio.sleep_forever()
            yield

    async with upstream.serving({}) as api:
        settings = uvicorn_settings(Starlette(lifespan=lifespan))
        server = DrainedServer(settings, ProfileServers(configured(api)), started=lambda _: failing.set())
        with socket.create_server(("127.0.0.1", 0)) as listener, anyio.fail_after(10), pytest.raises(ServiceError):
            await server.serve([listener])


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
