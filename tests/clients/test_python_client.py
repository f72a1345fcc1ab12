"""The product as a process, with the client of the Python SDK in both eras."""

import sys
from collections.abc import AsyncIterator

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from runs_mcp.server.tools import OPERATIONS
from tests.calls import PATIENT, Notifications, call
from tests.clients.processes import CLEAN, SERVE, http_process, serving_http
from tests.http_client import http_client

pytestmark = pytest.mark.anyio
STDIO = StdioServerParameters(command=sys.executable, args=list(SERVE), env=CLEAN)


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """The URL of a server over HTTP."""
    async with serving_http() as url:
        yield url


@pytest.fixture(params=["stdio", "http"])
async def remote(request: pytest.FixtureRequest, url: str, mode: str) -> AsyncIterator[Client]:
    """A client of either era, over either transport."""
    async with Client(STDIO if request.param == "stdio" else url, mode=mode, client_info=PATIENT) as client:
        yield client


@pytest.mark.both_eras
async def test_a_session_lists_executes_and_reads_runs_and_refuses_invalid_calls(remote: Client, mode: str) -> None:
    assert remote.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert len((await remote.list_tools()).tools) == len(OPERATIONS)

    listed = await call(remote, "list_runs", limit=3)
    assert len(listed.structured["runs"]) == 3

    progress = Notifications()
    data = {"chunks": 20, "delay_ms": 5}
    run = await call(remote, "create_run", progress=progress, interaction="SlowWriter", data=data)
    assert progress.text == run.structured["result"]

    uri = f"runs://{run.structured['id']}/result"
    assert "word20" in str((await remote.read_resource(uri)).contents[0])
    assert len((await remote.list_prompts()).prompts) == 5

    refused = await call(remote, "get_run", run_id="../x")
    assert refused.failed


@pytest.mark.both_eras
@pytest.mark.slow
async def test_many_large_answers_all_arrive(remote: Client) -> None:
    listed: list[int] = []

    async def list_runs() -> None:
        listed.append(len((await call(remote, "list_runs", limit=100)).structured["runs"]))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(list_runs)
    assert listed == [100] * 40


@pytest.mark.both_eras
@pytest.mark.slow
async def test_sigterm_answers_the_calls_in_flight(mode: str) -> None:
    async with http_process() as (url, process):

        async def stop(*_: object) -> None:
            if process.returncode is None:
                process.terminate()

        async with Client(url, mode=mode, client_info=PATIENT) as client:
            slow = {"interaction": "SlowWriter", "data": {"chunks": 500, "delay_ms": 100}}
            answer = await call(client, "create_run", progress=stop, **slow)
        assert await process.wait() == 0
    assert not answer.failed
    assert answer.text.startswith(f"Run {answer.structured['id']}. Still running; do not create it again.")


async def test_requests_with_an_unknown_host_or_origin_are_refused(url: str) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    async with http_client() as client:
        host = await client.post(url, json=ping, headers={**accept, "Host": "evil.example"})
        origin = await client.post(url, json=ping, headers={**accept, "Origin": "http://evil.example"})
    assert (host.status_code, origin.status_code) == (421, 403)
