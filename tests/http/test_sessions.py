"""Sessions, streams and subscriptions: limited for each caller, and ended when the caller's key is removed."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from mcp_types import PARSE_ERROR
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.http.auth import keys
from runs_mcp.http.layers.message import MessageReader
from runs_mcp.http.layers.sessions import Sessions
from runs_mcp.server.resources import subscriptions
from tests import upstream
from tests.http.service import (
    ACCEPT,
    HELLO,
    INITIALIZE,
    LEGACY,
    LISTEN,
    PING,
    SESSION,
    Clock,
    Running,
    bearer,
    configured,
    listening_to,
    running,
)
from tests.upstream import reply

pytestmark = pytest.mark.anyio

ENDED_S = 10


@asynccontextmanager
async def with_key(folder: Path) -> AsyncIterator[tuple[Running, dict[str, str]]]:
    file = folder / "keys.json"
    key = bearer(keys.add(file, "ci", ["runs:read"]))
    replies = {"GET /runs/r1": reply({"id": "r1", "status": "processing"})}
    auth = BearerAuthSettings(kind="bearer", keys_file=file)
    async with upstream.serving(replies) as api, running(configured(api, auth=auth)) as at:
        yield at, key


async def test_removing_a_key_ends_its_streams_subscriptions_and_sessions(tmp_path: Path) -> None:
    async with with_key(tmp_path) as (at, key):
        session = await at.open_session(**key)
        streams = await at.open_streams(session, **key)
        keys.remove(tmp_path / "keys.json", "ci")
        with anyio.fail_after(ENDED_S):
            for stream in streams:
                await stream.aread()
        # The same name with another key is another caller: the session must be gone, not only out of reach.
        renewed = bearer(keys.add(tmp_path / "keys.json", "ci", ["runs:read"]))
        assert (await at.ping(**session | renewed)).status_code == 404


async def test_a_caller_with_too_many_sessions_loses_the_least_recently_used() -> None:
    clock = Clock()
    async with upstream.serving({}) as api, running(configured(api), now=clock) as at:
        sessions = Sessions(at.service.servers, most=2, now=clock)
        app = httpx.ASGITransport(MessageReader(sessions, 100_000))
        async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as http:
            opened = []
            for _ in range(3):
                clock.now += 1
                opened.append(str((await http.post("/mcp", json=INITIALIZE, headers=ACCEPT)).headers[SESSION]))
            statuses = [(await ping(http, session)).status_code for session in opened]
    assert statuses == [404, 200, 200]


async def test_sessions_that_a_caller_opens_at_once_count_together() -> None:
    asked, may_answer = list[int](), anyio.Event()

    async def opening(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(1)
        await may_answer.wait()
        await Response(headers={SESSION: f"s{len(asked)}"})(scope, receive, send)

    sessions = Sessions(opening, most=2)
    statuses = []
    app = httpx.ASGITransport(MessageReader(sessions, 100_000))
    async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as http:

        async def initialize() -> None:
            statuses.append((await http.post("/mcp", json=INITIALIZE)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(initialize)
            while len(asked) + len(statuses) < 5:
                await anyio.lowlevel.checkpoint()
            may_answer.set()
    assert sorted(statuses) == [200, 200, 429, 429, 429]


async def test_a_session_that_its_caller_closes_meanwhile_is_skipped() -> None:
    opening, closed = iter(["s1", "s2", "s3"]), []

    async def serving(scope: Scope, receive: Receive, send: Send) -> None:
        session = Headers(scope=scope).get(SESSION)
        if scope["method"] == "DELETE":
            closed.append(session)
        if closed == ["s1"]:
            await http.delete("/mcp", headers={SESSION: "s2"})  # of the caller, while the first session is closed
        await Response(headers={} if session else {SESSION: next(opening)})(scope, receive, send)

    sessions = Sessions(serving)
    app = httpx.ASGITransport(MessageReader(sessions, 100_000))
    async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as http:
        for _ in range(3):
            await http.post("/mcp", json=INITIALIZE)
        await sessions.close(lambda _: True)
    assert closed == ["s1", "s2", "s3"]


async def ping(http: httpx.AsyncClient, session: str) -> httpx.Response:
    headers = {**ACCEPT, SESSION: session, "mcp-protocol-version": LEGACY}
    return await http.post("/mcp", json=PING, headers=headers)


async def test_a_subscription_to_thousands_of_resources_is_refused_before_any_is_polled() -> None:
    async with upstream.serving({}) as api, running(configured(api)) as at:
        uris = [f"runs://r{number}" for number in range(10_000)]
        refused = await at.post(listening_to(uris), **LISTEN)
        assert refused.status_code == 400
        said = "subscriptions/listen can name 100 resources, and this one names 10,000."
        assert refused.json() == {"jsonrpc": "2.0", "id": "listen", "error": {"code": -32602, "message": said}}
        assert api.asked == []


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: text.encode("utf-16"), id="UTF-16"),
        pytest.param(lambda text: text.encode("utf-8-sig"), id="a byte order mark"),
        pytest.param(lambda text: text.replace('"listen"', r'"\ud800"').encode(), id="half a surrogate pair"),
        pytest.param(lambda text: f'{text[:-1]}, "x": {"[" * 300}{"]" * 300}}}'.encode(), id="deep nesting"),
    ],
)
async def test_a_message_that_only_a_lenient_parser_reads_passes_no_limit(encode: Callable[[str], bytes]) -> None:
    uris = [f"runs://r{number}" for number in range(200)]
    async with upstream.serving({}) as api, running(configured(api)) as at:
        headers = {**ACCEPT, **LISTEN, "content-type": "application/json"}
        content = encode(json.dumps(listening_to(uris)))
        async with at.http.stream("POST", at.endpoint, content=content, headers=headers) as refused:
            assert refused.status_code == 400
            assert json.loads(await refused.aread())["error"]["code"] == PARSE_ERROR
        assert api.asked == []


async def test_each_resource_of_a_subscription_counts_in_the_rate_limit() -> None:
    async with upstream.serving({}) as api, running(configured(api, rate_limit=60), now=Clock()) as at:
        assert (await at.ask("tools/list")).status_code == 200
        uris = [f"runs://r{number}" for number in range(60)]
        refused = await at.post(listening_to(uris), **LISTEN)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


async def test_each_session_counts_in_the_rate_limit() -> None:
    async with upstream.serving({}) as api, running(configured(api, rate_limit=3), now=Clock()) as at:
        statuses = [(await at.post(INITIALIZE)).status_code for _ in range(5)]
        assert statuses == [200] * 3 + [429] * 2


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({f"x-{number}": "y" for number in range(1_000)}, id="many"),
        pytest.param({f"x-{number}": "y" * 10_000 for number in range(5)}, id="large"),
    ],
)
async def test_requests_with_too_many_or_too_large_headers_are_refused(headers: dict[str, str]) -> None:
    async with upstream.serving({}) as api, running(configured(api)) as at:
        assert (await at.ask("tools/list", **headers)).status_code == 431


async def test_a_client_can_subscribe_once_it_has_sent_initialized(tmp_path: Path) -> None:
    subscribe = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "runs://r1"}}
    async with with_key(tmp_path) as (at, key):
        session = await at.open_session(**key)
        early = await at.post(subscribe, **session)
        await at.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
        afterwards = await at.post(subscribe, **session)
    assert "sent no notifications/initialized" in early.text
    assert '"result":{}' in afterwards.text


async def test_a_repeated_initialized_gives_no_further_subscriptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 2)

    async def subscribe(uri: str) -> str:
        request = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": uri}}
        return (await at.post(request, **session)).text

    async with with_key(tmp_path) as (at, key):
        session = await at.open_session(**key)
        for uri in ("runs://r1", "runs://r1/result"):
            await at.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
            assert '"result":{}' in await subscribe(uri)
        await at.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
        refused = await subscribe("runs://r1/prompt")
    assert "This connection has 2 subscriptions" in refused


@pytest.mark.parametrize(
    ("version", "kinds"),
    [
        ("2024-11-05", ["text"]),
        ("2025-03-26", ["text"]),
        ("2025-06-18", ["text", "resource_link"]),
        (LEGACY, ["text", "resource_link"]),
    ],
)
async def test_results_link_resources_where_the_version_of_the_session_has_links(
    version: str, kinds: list[str]
) -> None:
    replies = {"GET /runs/r1": reply({"id": "r1", "status": "completed", "prompt": "x" * 50_000})}
    get_run = {"name": "get_run", "arguments": {"run_id": "r1"}}
    get_runs = {"name": "get_run", "arguments": {"run_ids": ["r1"]}}
    hello = {**INITIALIZE, "params": {**HELLO, "protocolVersion": version}}
    async with upstream.serving(replies) as api, running(configured(api)) as at:
        session = {SESSION: (await at.post(hello)).headers[SESSION], "mcp-protocol-version": version}
        for call in (get_run, get_runs):
            response = await at.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, **session)
            [message] = [line for line in response.text.splitlines() if line.startswith("data: {")]
            content = json.loads(message.removeprefix("data: "))["result"]["content"]
            assert [block["type"] for block in content] == kinds
            assert "runs://r1/prompt" in content[0]["text"]
