"""Calls that create runs and are cut off: repeating the call returns the run of the first call."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.settings import Config
from runs_mcp.http.auth import keys
from runs_mcp.server import lifespan
from runs_mcp.server.create import cut_off_creates
from runs_mcp.server.create.cut_off_creates import CutOffCreates
from runs_mcp.server.runs import batch as batches
from runs_mcp.server.server import build_server
from tests import upstream
from tests.calls import Answer, call
from tests.clients.processes import CLEAN
from tests.http import service
from tests.http.service import Clock, bearer, running
from tests.http_client import sdk_http_client
from tests.upstream import CLOSE, Replies, Upstream, chunk, events, reply

pytestmark = pytest.mark.anyio
CREATE = {"interaction": "i", "data": {"text": "Hi"}}
NOTE = "The same call was cut off"


class Platform:
    """A Runs API that answers creates once `answering` is set."""

    def __init__(self) -> None:
        self.answering = anyio.Event()
        self.refuses = False
        self.arrived: list[anyio.Event] = [anyio.Event() for _ in range(9)]
        self._created = 0

    async def create(self, _: Request) -> Response:
        self._created += 1
        number = self._created
        self.arrived[number].set()
        await self.answering.wait()
        if self.refuses:
            return JSONResponse({"message": "Not like this"}, 400)
        return JSONResponse({"id": f"r{number}", "status": "created"})

    @property
    def replies(self) -> Replies:
        replies: dict[str, Any] = {"POST /runs": self.create}
        for run in (f"r{number}" for number in range(1, 9)):
            replies[f"GET /runs/{run}"] = reply({"id": run, "status": "completed", "result": f"text of {run}"})
            replies[f"GET /runs/{run}/stream"] = events(chunk("text"), CLOSE)
        return replies


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def api(platform: Platform) -> AsyncIterator[Upstream]:
    async with upstream.serving(platform.replies) as served:
        yield served


def configured(api: Upstream, **server: Any) -> Config:
    return Config.model_validate({"api": api.api, "server": server})


def connected(to: Any, mode: str = "auto", *, name: str = "patient") -> AbstractAsyncContextManager[Client]:
    return Client(to, mode=mode, client_info=Implementation(name=name, version="1"))


@asynccontextmanager
async def over(transport: str, api: Upstream, mode: str, folder: Path) -> AsyncIterator[Client]:
    """Yield a client of a server in a separate process over stdio, or of a server in this process over HTTP."""
    if transport == "stdio":
        file = folder / "config.json"
        settings = {"base_url": api.api.base_url, "auth": {"value": upstream.TOKEN}}
        file.write_text(json.dumps({"api": settings}), encoding="utf-8")
        serve = ["-m", "runs_mcp", "serve", "--config", str(file)]
        async with connected(StdioServerParameters(command=sys.executable, args=serve, env=CLEAN), mode) as client:
            yield client
    else:
        async with running(configured(api)) as at, connected(at.endpoint, mode) as client:
            yield client


async def cut_off(client: Client, platform: Platform, number: int = 1, tool: str = "create_run", **given: Any) -> None:
    """Cancel a call once the API has received its create, which is the `number`-th."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call(client, tool, **(given or CREATE)))
        await platform.arrived[number].wait()
        tasks.cancel_scope.cancel()
    await client.list_tools()  # answered after the cancellation has been read


async def repeated(client: Client, platform: Platform, **given: Any) -> Answer:
    """Call before the API has answered, then let the API answer, and return the result."""
    answers: list[Answer] = []

    async def repeat() -> None:
        answers.append(await call(client, "create_run", **(given or CREATE)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(repeat)
        await client.list_tools()  # answered after the repeat has been read
        platform.answering.set()
    return answers[0]


@pytest.mark.both_eras
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_repeat_waits_for_the_create_of_a_cancelled_call(
    transport: str, mode: str, platform: Platform, api: Upstream, tmp_path: Path
) -> None:
    async with over(transport, api, mode, tmp_path) as client:
        await cut_off(client, platform)
        answer = await repeated(client, platform)
        assert (answer.structured["id"], answer.structured["result"]) == ("r1", "text of r1")
        assert answer.text.startswith(NOTE)
        assert answer.structured["repeated"].startswith(NOTE)
        assert api.count("POST /runs") == api.count("GET /runs/r1/stream") == 1
        assert (await call(client, "create_run", **CREATE)).structured["id"] == "r2"


@pytest.mark.both_eras
async def test_a_repeat_after_a_timeout_gets_the_run(mode: str, platform: Platform, api: Upstream) -> None:
    async with running(configured(api)) as at, connected(at.endpoint, mode) as client:
        with pytest.raises(MCPError, match="timed out"):
            await client.call_tool("create_run", CREATE, read_timeout_seconds=0.2)
        assert (await repeated(client, platform)).structured["id"] == "r1"
    assert api.count("POST /runs") == 1


async def test_a_repeat_after_a_lost_connection_gets_the_run(platform: Platform, api: Upstream) -> None:
    """In 2025-11-25 a call continues after the connection that waits for its answer has closed."""
    asked = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "create_run", "arguments": CREATE}}
    async with running(configured(api)) as at:
        session = await at.open_session()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: at.post(asked, **session))
            await platform.arrived[1].wait()
            tasks.cancel_scope.cancel()
        answers: list[str] = []

        async def repeat() -> None:
            answers.append((await at.post({**asked, "id": 8}, **session)).text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(repeat)
            await at.post({"jsonrpc": "2.0", "id": 9, "method": "tools/list"}, **session)
            platform.answering.set()
    assert NOTE in answers[0]
    assert "text of r1" in answers[0]
    assert api.count("POST /runs") == 1


@pytest.mark.parametrize("first_to_arrive", ["the call", "the cancellation", "the repeat"])
async def test_a_repeat_gets_the_run_whatever_arrives_first(
    platform: Platform, api: Upstream, first_to_arrive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 2025-11-25 the call, its cancellation and its repeat arrive on separate connections."""
    # The client of this test shares the event loop of the server, so a cancellation takes more turns to arrive.
    monkeypatch.setattr(lifespan, "CutOffCreates", partial(CutOffCreates, settle_s=0))
    monkeypatch.setattr(cut_off_creates, "SETTLE_TURNS", 1_000)
    asked = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "create_run", "arguments": CREATE}}
    cancellation = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    messages = {"the call": asked, "the cancellation": cancellation, "the repeat": {**asked, "id": 8}}
    order = sorted(messages, key=lambda name: name != first_to_arrive)
    answers: dict[str, str] = {}
    async with running(configured(api)) as at:
        session = await at.open_session()

        async def send(name: str) -> None:
            answers[name] = (await at.post(messages[name], **session)).text

        async with anyio.create_task_group() as tasks:
            for name in order:
                tasks.start_soon(send, name)
                # answered after the message has been read
                await at.post({"jsonrpc": "2.0", "id": f"after {name}", "method": "tools/list"}, **session)
            platform.answering.set()
    assert "text of r1" in answers["the repeat"]
    assert api.count("POST /runs") == 1


@pytest.mark.parametrize(
    ("given", "server"),
    [
        pytest.param({**CREATE, "data": {"text": "Ho"}}, {}, id="other data"),
        pytest.param({**CREATE, "tags": ["mine"]}, {}, id="other tags"),
        pytest.param({**CREATE, "model": "gpt-4o"}, {}, id="another model"),
        pytest.param(CREATE, {"repeat_s": 0}, id="repeats switched off"),
    ],
)
async def test_a_call_that_is_no_repeat_creates_a_run(
    platform: Platform, api: Upstream, given: dict[str, Any], server: dict[str, Any]
) -> None:
    async with connected(build_server(configured(api, **server)).mcp) as client:
        await cut_off(client, platform)
        answer = await repeated(client, platform, **given)
    assert answer.structured["id"] == "r2"
    assert NOTE not in answer.text


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        pytest.param("legacy", "patient", id="another session"),
        pytest.param("auto", "another", id="another client, where there are no sessions"),
    ],
)
async def test_another_session_creates_a_run(platform: Platform, api: Upstream, mode: str, name: str) -> None:
    async with (
        running(configured(api)) as at,
        connected(at.endpoint, mode) as client,
        connected(at.endpoint, mode, name=name) as other,
    ):
        await cut_off(client, platform)
        assert (await repeated(other, platform)).structured["id"] == "r2"


async def test_without_sessions_a_client_at_another_address_creates_a_run(platform: Platform, api: Upstream) -> None:
    elsewhere = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
    async with (
        running(configured(api)) as at,
        sdk_http_client(transport=elsewhere) as http,
        connected(at.endpoint) as client,
        connected(streamable_http_client(at.endpoint, http_client=http)) as other,
    ):
        await cut_off(client, platform)
        assert (await repeated(other, platform)).structured["id"] == "r2"


async def test_a_repeat_by_another_caller_creates_a_run_and_leaves_the_first_to_its_caller(
    platform: Platform, api: Upstream, tmp_path: Path
) -> None:
    """In 2026-07-28 there are no sessions, and both callers use the same client."""
    file = tmp_path / "keys.json"
    tokens = [keys.add(file, name, ["runs:read", "runs:create"]) for name in ("first", "second")]
    http = {"auth": {"kind": "bearer", "keys_file": file}}
    async with (
        running(configured(api, http=http)) as at,
        service.connected(at, headers=bearer(tokens[0])) as first,
        service.connected(at, headers=bearer(tokens[1])) as second,
    ):
        await cut_off(first, platform)
        assert (await repeated(second, platform)).structured["id"] == "r2"
        assert (await call(first, "create_run", **CREATE)).structured["id"] == "r1"


async def test_a_call_after_repeat_s_creates_a_run(
    platform: Platform, api: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(lifespan, "CutOffCreates", partial(CutOffCreates, now=clock))
    async with running(configured(api, repeat_s=30)) as at, connected(at.endpoint) as client:
        await cut_off(client, platform, 1)
        clock.now += 31
        await cut_off(client, platform, 2)
        clock.now += 29
        assert (await repeated(client, platform)).structured["id"] == "r2"
    assert api.count("POST /runs") == 2


async def test_a_call_with_another_wait_is_still_a_repeat(platform: Platform, api: Upstream) -> None:
    async with connected(build_server(configured(api)).mcp) as client:
        await cut_off(client, platform)
        answer = await repeated(client, platform, **CREATE, wait=False)
    assert answer.structured["repeated"]
    assert answer.structured["id"] == "r1"


async def test_two_calls_that_were_cut_off_have_two_runs(platform: Platform, api: Upstream) -> None:
    async with connected(build_server(configured(api)).mcp) as client:
        await cut_off(client, platform, 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: call(client, "create_run", **CREATE))  # takes over the create of the first
            tasks.start_soon(lambda: call(client, "create_run", **CREATE))
            await platform.arrived[2].wait()
            tasks.cancel_scope.cancel()
        platform.answering.set()
        ids = {(await call(client, "create_run", **CREATE)).structured["id"] for _ in range(3)}
    assert ids == {"r1", "r2", "r3"}


async def test_a_batch_is_resumed(platform: Platform, api: Upstream) -> None:
    batch: dict[str, Any] = {"interaction": "i", "inputs": [{"n": 1}, {"n": 2}, {"n": 3}]}
    async with connected(build_server(configured(api)).mcp) as client:
        await cut_off(client, platform, 3, **batch)
        answer = await repeated(client, platform, **batch)
    assert answer.text.startswith(NOTE)
    assert {one["id"] for one in answer.structured["runs"]} == {"r1", "r2", "r3"}
    assert api.count("POST /runs") == 3


@pytest.mark.parametrize("like", [["a", "b"], ["b"]], ids=["among others", "alone"])
async def test_a_repeat_gets_the_runs_although_an_earlier_run_cannot_be_read_again(
    platform: Platform, like: list[str]
) -> None:
    """The call runs earlier runs again, and the second of them is deleted before the repeat."""
    earlier = {"status": "completed", "interaction": {"id": "i", "name": "Review"}, "parameters": {"text": "Hi"}}
    read_once = [reply({"id": "b", **earlier}), reply({"message": "Run not found"}, 404)]
    replies = {**platform.replies, "GET /runs/a": reply({"id": "a", **earlier}), "GET /runs/b": read_once}
    async with upstream.serving(replies) as api, connected(build_server(configured(api)).mcp) as client:
        await cut_off(client, platform, len(like), like=like)
        answer = await repeated(client, platform, like=like)
    assert NOTE in answer.text
    assert api.count("GET /runs/b") == 2
    shown = answer.structured.get("runs", [answer.structured])
    assert {one.get("id") for one in shown} == {f"r{number}" for number, _ in enumerate(like, start=1)}
    assert api.count("POST /runs") == len(like)


async def test_a_batch_is_resumed_beyond_the_create_limit(
    platform: Platform, api: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    batch: dict[str, Any] = {"interaction": "i", "inputs": [{"n": 1}, {"n": 2}, {"n": 3}]}
    async with connected(build_server(configured(api, create_limit={"per_hour": 3})).mcp) as client:
        await cut_off(client, platform, 2, **batch)
        await cut_off(client, platform, 3)
        answer = await repeated(client, platform, **batch)
    first, second, third = answer.structured["runs"]
    assert {first["id"], second["id"]} == {"r1", "r2"}
    assert "0 are left, and this call wants 1. Nothing was sent. No run was created." in third["failure"]
    assert api.count("POST /runs") == 3


async def test_a_create_that_was_refused_is_sent_again(platform: Platform, api: Upstream) -> None:
    platform.refuses = True
    async with connected(build_server(configured(api)).mcp) as client:
        await cut_off(client, platform)
        refused = await repeated(client, platform)
        assert refused.failed
        platform.refuses = False
        assert (await call(client, "create_run", **CREATE)).structured["id"] == "r2"
