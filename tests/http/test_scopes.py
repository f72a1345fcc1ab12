"""Scopes: a read-only caller sees no tool that executes runs, and a call of such a tool is refused with a message."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.http.auth import keys
from runs_mcp.sandbox import Sandbox
from runs_mcp.server import build_server
from runs_mcp.server.tools import OPERATIONS
from tests import upstream
from tests.calls import PATIENT, Notifications, call
from tests.http.service import Endpoint, bearer, connected, running
from tests.upstream import CLOSE, Replies, Upstream, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

ALL = {one.name for one in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Service:
    """An endpoint, and the keys of two callers."""

    at: Endpoint
    reader: str
    creator: str


@asynccontextmanager
async def served(config: Config, folder: Path, **server: Any) -> AsyncIterator[Service]:
    """Serve an endpoint for a caller who may only read, and a caller who may create."""
    file = folder / "keys.json"
    reader = keys.add(file, "reader", ["runs:read"])
    creator = keys.add(file, "creator", ["runs:read", "runs:create"])
    auth = {"kind": "bearer", "keys_file": file}
    async with running(Config.model_validate({**dict(config), "server": {"http": {"auth": auth}, **server}})) as at:
        yield Service(at, reader, creator)


@pytest.fixture
async def service(config: Config, tmp_path: Path) -> AsyncIterator[Service]:
    """An endpoint in front of the sandbox."""
    async with served(config, tmp_path) as service:
        yield service


@pytest.fixture
async def managing(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Service]:
    """An endpoint with tools that manage runs, and a tool for each interaction."""
    config = Config(api=sandbox_api(sandbox.url, ApiSettings(edition="vertesia")))
    tools = ("create_run", "stream_run", "update_run", "delete_runs")
    async with served(config, tmp_path, manage=True, tools=tools, interaction_tools={"include": ["*"]}) as service:
        yield service


async def test_tools_outside_the_scopes_of_a_caller_are_not_listed(service: Service, mode: str) -> None:
    async with connected(service.at, mode, bearer(service.reader)) as reader:
        assert {tool.name for tool in (await reader.list_tools()).tools} == ALL - {"create_run"}
        assert "create_run" not in (reader.instructions or "")
        assert "list_runs" in (reader.instructions or "")
    async with connected(service.at, mode, bearer(service.creator)) as creator:
        assert {tool.name for tool in (await creator.list_tools()).tools} == ALL
        assert "create_run" in (creator.instructions or "")


async def test_a_call_in_a_session_is_refused_with_the_missing_scope(service: Service) -> None:
    async with connected(service.at, "legacy", bearer(service.reader)) as reader:
        answer = await call(reader, "create_run", interaction="SummarizeText", tags=["by-the-reader"])
        assert answer.failed
        assert answer.text.startswith(
            "create_run needs the scope runs:create, which this caller does not have. Nothing was sent. No run was "
            "created. The operator of the server can grant it; it cannot be overridden by an argument. (Request "
        )
        assert (await call(reader, "list_runs", tag="by-the-reader")).structured["runs"] == []


async def test_a_call_without_its_scope_is_answered_403_with_the_scopes_to_ask_for(service: Service) -> None:
    refused = await service.at.ask("tools/call", name="create_run", **bearer(service.reader))
    allowed = await service.at.ask("tools/call", name="list_runs", **bearer(service.reader))
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == (
        'Bearer error="insufficient_scope", error_description="Needed: runs:create", scope="runs:create runs:read"'
    )
    assert refused.json()["id"] == 1
    assert refused.json()["error"]["message"].startswith("create_run needs the scope runs:create")
    assert allowed.status_code == 200


@pytest.mark.parametrize(
    ("tool", "status", "scope"),
    [
        pytest.param("run_summarize_text", 403, "runs:create runs:read", id="a tool of an interaction"),
        pytest.param("create_run", 403, "runs:create runs:read", id="create_run"),
        pytest.param("update_run", 403, "runs:manage runs:read", id="update_run"),
        pytest.param("delete_runs", 403, "runs:manage runs:read", id="delete_runs"),
        pytest.param("stream_run", 200, None, id="a tool for readers"),
        pytest.param("search_runs", 400, None, id="a tool that server.tools leaves out"),
        pytest.param("run_nothing", 400, None, id="a tool of no interaction"),
    ],
)
async def test_only_the_tools_of_the_server_ask_for_scopes(
    managing: Service, tool: str, status: int, scope: str | None
) -> None:
    answer = await managing.at.ask("tools/call", name=tool, **bearer(managing.reader))
    assert answer.status_code == status
    assert re.findall('scope="(.*)"', answer.headers.get("www-authenticate", "")) == ([scope] if scope else [])


async def test_a_reader_follows_the_runs_of_others(service: Service, mode: str) -> None:
    async with (
        connected(service.at, mode, bearer(service.creator)) as creator,
        connected(service.at, mode, bearer(service.reader)) as reader,
    ):
        slowly = {"interaction": "SlowWriter", "data": {"chunks": 20, "delay_ms": 20}}
        run_id = (await call(creator, "create_run", wait=False, **slowly)).structured["id"]
        heard = Notifications()
        answer = await call(reader, "stream_run", progress=heard, run_id=run_id)
        assert heard.text == answer.structured["result"]


def waiting_to_be_started() -> Replies:
    """Return the replies of an API whose only run executes when its stream is opened."""
    run = [reply({"id": "r1", "status": status}) for status in ("created", "created", "completed")]
    return {"GET /runs/r1": run, "GET /runs/r1/stream": events(chunk("Hello"), CLOSE)}


async def test_following_a_created_run_does_not_start_it_for_a_reader(tmp_path: Path, mode: str) -> None:
    async with (
        upstream.serving(waiting_to_be_started()) as api,
        served(Config(api=api.api), tmp_path) as service,
        connected(service.at, mode, bearer(service.reader)) as reader,
        connected(service.at, mode, bearer(service.creator)) as creator,
    ):
        await expect_not_started(reader, api)
        assert (await call(creator, "stream_run", run_id="r1")).structured["status"] == "completed"
        assert api.count("GET /runs/r1/stream") == 1


async def test_following_a_created_run_does_not_start_it_on_a_read_only_server(mode: str) -> None:
    async with upstream.serving(waiting_to_be_started()) as api:
        config = Config(api=api.api, server=ServerSettings(read_only=True))
        async with Client(build_server(config).mcp, mode=mode, client_info=PATIENT) as client:
            await expect_not_started(client, api)


async def expect_not_started(client: Client, api: Upstream) -> None:
    answer = await call(client, "stream_run", run_id="r1")
    assert answer.failed
    assert answer.text.startswith("Run r1 was created and has not been started. Following would start it")
    assert api.count("GET /runs/r1/stream") == 0
