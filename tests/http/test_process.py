"""The HTTP service as a process: signals, addresses that are taken, half-open connections, and its audit log."""

import json
import signal
import socket
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client import Client
from starlette.types import Message

from runs_mcp.http.listener import serve
from runs_mcp.http.message import MessageReader
from runs_mcp.http.protocol import HttpProtocol
from tests import upstream
from tests.calls import call
from tests.clients.processes import http_process
from tests.http.service import configured
from tests.ports import listening

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_sighup_answers_the_calls_in_flight() -> None:
    async with http_process() as (url, process):

        async def hang_up(*_: object) -> None:
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

        async with Client(url) as client:
            slow = {"interaction": "SlowWriter", "data": {"chunks": 500, "delay_ms": 100}}
            answer = await call(client, "create_run", progress=hang_up, **slow)
        assert await process.wait() == 0
    assert answer.text.startswith(f"Run {answer.structured['id']}. Still running; do not create it again.")


async def test_each_started_run_has_an_audit_line() -> None:
    async with http_process() as (url, process), Client(url) as client:
        assert process.stderr
        answer = await call(client, "create_run", interaction="SlowWriter", data={"chunks": 1, "delay_ms": 1})
        lines, log = list[dict[str, Any]](), BufferedByteReceiveStream(process.stderr)
        while not any(line.get("event") == "request" and line.get("tool") == "create_run" for line in lines):
            lines.append(json.loads(await log.receive_until(b"\n", 100_000)))
    [started] = [line for line in lines if line["event"] == "run started"]
    assert (started["logger"], started["run_id"]) == ("runs_mcp.observability.audit", answer.structured["id"])
    assert (started["interaction"], started["caller"]) == ("SlowWriter", "local")
    assert started["request_id"]


async def test_a_port_in_use_is_named() -> None:
    async with upstream.serving({}) as api:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match=f"Cannot serve on 127.0.0.1:{port}: Address already in use"):
                await serve(configured(api), host="127.0.0.1", port=port)


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
