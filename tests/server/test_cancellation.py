"""A caller that cancels or disconnects: the requests to the API for its call are closed at once."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests import upstream
from tests.calls import call
from tests.clients.processes import CLEAN
from tests.clients.stdio_peer import CALL, Peer, started
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import TOKEN, Replies, Upstream, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

PROMISED_S = 1


class Endless:
    """A reply that never comes, with events for the arrival of the request and the departure of the caller."""

    def __init__(self) -> None:
        self.came, self.left = anyio.Event(), anyio.Event()

    async def __call__(self, request: Request) -> Response:
        """Wait until the connection is closed."""
        self.came.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.left.set()
        return Response()


async def test_a_cancelled_call_closes_its_connection_to_the_api_within_a_second(connect: Connect) -> None:
    endless = Endless()
    async with upstream.serving({"GET /runs": endless}) as api, connect(configured(api)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, client, "list_runs")
            await endless.came.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()


async def test_a_client_that_disconnects_closes_the_connection_to_the_api_within_a_second(connect: Connect) -> None:
    endless = Endless()
    async with upstream.serving({"GET /runs": endless}) as api:
        async with anyio.create_task_group() as tasks, connect(configured(api)) as client:
            tasks.start_soon(call, client, "list_runs")
            await endless.came.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()


async def test_a_cancelled_aggregate_asks_the_api_for_nothing_more_and_is_never_answered() -> None:
    page = [{"id": f"r{n}", "created_at": f"2026-11-{n % 20 + 1:02}T10:00:00.000Z"} for n in range(1_000)]
    waiting = [Endless() for _ in range(4)]
    replies: Replies = {"POST /runs/facets": reply({"total": 12_300}), "POST /runs/find": [reply(page), *waiting]}
    async with upstream.serving(replies) as api, served(api) as peer:
        call_with_progress = {"name": "aggregate_runs", "arguments": {}, "_meta": {"progressToken": "p"}}
        await peer.send(json.dumps({**CALL, "id": "aggregate", "params": call_with_progress}))
        for request in waiting:
            await request.came.wait()
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": "aggregate"}}
        await peer.send(json.dumps({"jsonrpc": "2.0", **cancelled}))
        with anyio.fail_after(PROMISED_S):
            for request in waiting:
                await request.left.wait()
        await peer.send(json.dumps({"jsonrpc": "2.0", "id": "ping", "method": "ping"}))
        said = [await peer.next()]
        while said[-1].get("id") != "ping":
            said.append(await peer.next())
    assert [message["params"]["message"] for message in said[:-1]] == ["1,000 of 12,300 runs"]
    assert api.count("POST /runs/find") == 1 + len(waiting)


@asynccontextmanager
async def served(api: Upstream) -> AsyncIterator[Peer]:
    """A server in front of `api`, in a separate process, after its handshake."""
    environment = {**CLEAN, "RUNS_MCP_API__BASE_URL": f"{api.url}/api/v1", "RUNS_MCP_API__AUTH__VALUE": TOKEN}
    async with started(("-m", "runs_mcp", "serve"), environment) as peer:
        yield peer
