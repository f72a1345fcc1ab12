"""Shutdown: a signal lets calls in flight end; a closed input or a vanished client ends the server."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import psutil
import pytest

from tests.clients.processes import CLEAN, SERVE
from tests.clients.stdio_peer import HELLO, Peer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SOON_S = 10
"""Much longer than an exit takes, much shorter than a run of these tests."""
LONG = {"interaction": "SlowWriter", "data": {"chunks": 10_000, "delay_ms": 100}}


def request(method: str, request_id: str = "x", **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


@asynccontextmanager
async def greeted() -> AsyncIterator[Peer]:
    """A server after its handshake; the end of the block kills it if it still runs."""
    command = [sys.executable, *SERVE]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=CLEAN) as process:
        try:
            peer = Peer(process)
            await peer.send(request("initialize", "hello", **HELLO))
            await peer.answer_to("hello")
            await peer.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            yield peer
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def following() -> AsyncIterator[Peer]:
    """A server during a call that would last for minutes."""
    async with greeted() as peer:
        call = {"name": "create_run", "arguments": LONG, "_meta": {"progressToken": "p"}}
        await peer.send(request("tools/call", "call", **call))
        assert "method" in await peer.next()
        yield peer


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_stopped_server_answers_calls_in_flight_and_exits_with_0(told: signal.Signals) -> None:
    async with following() as peer:
        peer.process.send_signal(told)
        answer = await peer.answer_to("call")
        assert "Continue with stream_run" in answer["result"]["content"][0]["text"]
        assert not answer["result"].get("isError")
        with anyio.fail_after(SOON_S):
            assert await peer.process.wait() == 0


async def test_a_server_stopped_before_any_client_exits_with_0() -> None:
    command = [sys.executable, *SERVE]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=CLEAN) as process:
        peer = Peer(process)
        await peer.send(request("server/discover"))
        await peer.answer_to("x")
        process.terminate()
        with anyio.fail_after(SOON_S):
            assert await process.wait() == 0


async def test_a_closed_input_ends_the_server_and_its_children() -> None:
    async with following() as peer:
        process = psutil.Process(peer.process.pid)
        assert process.children(recursive=True) == []
        assert peer.process.stdin
        await peer.process.stdin.aclose()
        with anyio.fail_after(SOON_S):
            assert await peer.process.wait() == 0
        assert not process.is_running()


def test_a_closed_output_ends_the_server() -> None:
    with subprocess.Popen([sys.executable, *SERVE], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=CLEAN) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(request("initialize", "hello", **HELLO).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(request("ping").encode() + b"\n")
        process.stdin.flush()
        assert process.wait(SOON_S) == 0


async def test_a_client_that_does_not_read_is_blocked_and_uses_bounded_memory() -> None:
    async with greeted() as peer:
        process = psutil.Process(peer.process.pid)
        await peer.send(request("tools/call", "warm", name="list_runs", arguments={"limit": 100}))
        await peer.answer_to("warm")
        before = process.memory_info().rss
        for number in count():
            with anyio.move_on_after(2) as waiting:  # once every pipe is full, sending blocks as well
                prompt = request("prompts/get", f"p{number}", name="debug_failed_run", arguments={"run_id": "r1"})
                await peer.send(prompt + " " * 20_000)
            if waiting.cancelled_caught:
                break
        assert process.memory_info().rss - before < 100 * 2**20
        assert peer.process.returncode is None


async def test_a_message_above_the_size_limit_is_refused_and_the_next_is_answered() -> None:
    async with greeted() as peer:
        await peer.send("x" * 20_000_000)
        refusal = await peer.next()
        assert refusal["id"] is None
        assert "larger than 8,000,000 bytes" in refusal["error"]["message"]
        await peer.send(request("ping", "ping"))
        assert "result" in await peer.answer_to("ping")


ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "peer", "version": "1"},
}


async def test_a_last_line_without_its_newline_is_answered() -> None:
    command = [sys.executable, *SERVE]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=CLEAN) as process:
        assert process.stdin
        call = {"name": "list_runs", "arguments": {"limit": 1}, "_meta": ENVELOPE}
        peer = Peer(process)
        await peer.send(request("tools/call", "first", **call))
        await peer.answer_to("first")
        await process.stdin.send(request("tools/call", "last", **call).encode())
        await process.stdin.aclose()
        with anyio.fail_after(SOON_S):
            answer = await peer.answer_to("last")
            assert await process.wait() == 0
    assert len(answer["result"]["structuredContent"]["runs"]) == 1


async def test_a_client_that_discovers_and_then_shakes_hands_is_served_with_the_older_version() -> None:
    command = [sys.executable, *SERVE]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=CLEAN) as process:
        peer = Peer(process)
        await peer.send(request("server/discover", "discover", _meta=ENVELOPE))
        assert "2026-07-28" in (await peer.answer_to("discover"))["result"]["supportedVersions"]
        await peer.send(request("initialize", "hello", **HELLO))
        assert (await peer.answer_to("hello"))["result"]["protocolVersion"] == HELLO["protocolVersion"]
        await peer.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        await peer.send(request("tools/call", "call", name="list_runs", arguments={"limit": 1}))
        answer = await peer.answer_to("call")
        assert len(answer["result"]["structuredContent"]["runs"]) == 1
        process.kill()
