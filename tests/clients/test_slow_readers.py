"""Clients over HTTP that do not read their responses: others are served, and memory stays bounded."""

import json
from urllib.parse import urlsplit

import anyio
import psutil
import pytest
from mcp.client import Client

from tests.calls import PATIENT, call
from tests.clients.processes import http_process
from tests.clients.stdio_peer import HELLO
from tests.clients.test_malformed_http_requests import JSON
from tests.http_client import http_client

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STREAMS = 8
CHUNKS = 20_000
BOUND_BYTES = 150 * 2**20


async def session_of(url: str) -> dict[str, str]:
    """Open a session and return its header."""
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    async with http_client() as client:
        response = await client.post(url, json=hello, headers=JSON)
    return {"mcp-session-id": response.headers["mcp-session-id"]}


async def test_clients_that_do_not_read_delay_no_other_and_use_bounded_memory() -> None:
    arguments = {"interaction": "SlowWriter", "data": {"chunks": CHUNKS, "delay_ms": 0}}
    params = {"name": "create_run", "arguments": arguments, "_meta": {"progressToken": "p"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    async with http_process() as (url, process), Client(url, mode="legacy", client_info=PATIENT) as client:
        measured = psutil.Process(process.pid)
        await call(client, "list_runs", limit=100)
        before = measured.memory_info().rss
        address = urlsplit(url)
        session = await session_of(url)
        headers = {**JSON, **session, "host": address.netloc, "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        assert address.hostname
        assert address.port
        silent = [await anyio.connect_tcp(address.hostname, address.port) for _ in range(STREAMS)]
        for connection in silent:
            await connection.send(f"POST {address.path} HTTP/1.1\r\n{head}\r\n{body}".encode())
            assert (await connection.receive(32)).startswith(b"HTTP/1.1 200")  # the rest is never read
        for _ in range(50):
            assert len((await call(client, "list_runs", limit=1)).structured["runs"]) == 1
        assert measured.memory_info().rss - before < BOUND_BYTES
        for connection in silent:
            await connection.aclose()
        assert not (await call(client, "list_runs", limit=1)).failed
