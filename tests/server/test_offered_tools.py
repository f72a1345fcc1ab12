"""Instructions, hints and errors mention only tools that the caller is offered."""

import re
from collections.abc import Mapping
from typing import Any

import anyio
import jwt
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import Tool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.api import EDITIONS, ApiTimeoutError, FindClosedError, NotFoundError, UnavailableError
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox
from runs_mcp.sandbox.access import EXECUTE_ONLY_KEY, READ_ONLY_KEY
from runs_mcp.server import build_server, server
from runs_mcp.server.create.background_create import CreateContinuesError, PendingCreate
from runs_mcp.server.create.idempotent_create import CreateTags, LostCreateError
from runs_mcp.server.permissions.scopes import CREATE, MANAGE, READ
from runs_mcp.server.render import error_messages
from runs_mcp.server.render.error_messages import explain
from runs_mcp.server.runs.stream_hub import FollowingError
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS
from tests import upstream
from tests.calls import PATIENT, call
from tests.conftest import Connect

pytestmark = pytest.mark.anyio

TOOLS = [operation.name for operation in (*OPERATIONS, *MANAGE_OPERATIONS)]
UNAVAILABLE = UnavailableError("", status=500, outcome_unknown=True)
FAILURES = {
    "lost create": (UNAVAILABLE, CREATE),
    "lost change": (UNAVAILABLE, MANAGE),
    "lost create with a tag": (LostCreateError("runs-mcp-1", UNAVAILABLE, searched=False), CREATE),
    "create goes on": (CreateContinuesError(CreateTags(None), 5), CREATE),
    "create with a tag goes on": (CreateContinuesError(CreateTags(run="runs-mcp-1"), 5), CREATE),
    "following failed": (FollowingError("r1", ApiTimeoutError("Too slow")), CREATE),
    "no interaction": (NotFoundError("", status=404), CREATE),
    "no run": (NotFoundError("", status=404), READ),
    "find closed": (FindClosedError(status=403, api_message=None), READ),
    "crash": (ZeroDivisionError(), CREATE),
}


def mentioned(text: str) -> set[str]:
    """Return the names of tools in a text."""
    return set(re.findall(rf"\b({'|'.join(TOOLS)})\b", text))


@pytest.mark.parametrize(("error", "scope"), FAILURES.values(), ids=FAILURES)
def test_an_error_mentions_only_tools_that_are_offered(error: Exception, scope: Any) -> None:
    everything = explain("create_run", error, scope=scope)
    assert mentioned(everything) or isinstance(error, FindClosedError)
    nothing = explain("create_run", error, scope=scope, offered=())
    assert not mentioned(nothing) - {"create_run"}
    assert nothing.endswith(".")
    assert "  " not in nothing


def test_a_call_that_was_cut_off_mentions_only_tools_that_are_offered() -> None:
    creates = [PendingCreate(CreateTags(None))]
    assert "list_runs(limit=1)" in error_messages.cut_off(4, creates, scope=CREATE)
    assert error_messages.cut_off(4, creates, scope=CREATE, offered=()).endswith("Do not create it again.")


def test_a_refusal_of_a_filter_names_the_alternatives_that_are_offered() -> None:
    assert "What works: aggregate_runs for numbers, and in this tool" in error_messages.find_closed({"aggregate_runs"})


def keyed(sandbox: Sandbox, key: str, **server: Any) -> Config:
    """Return the settings of a server whose credential is `key`."""
    api = sandbox_api(sandbox.url, ApiSettings()).model_dump()
    return Config.model_validate({"api": {**api, "auth": {**api["auth"], "value": key}}, "server": server})


@pytest.mark.both_eras
@pytest.mark.parametrize("key", [EXECUTE_ONLY_KEY, READ_ONLY_KEY])
async def test_instructions_wait_for_the_permissions_of_the_credential(
    sandbox: Sandbox, connect: Connect, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "INSTRUCTIONS_WAIT_S", 60)
    async with connect(keyed(sandbox, key)) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert mentioned(client.instructions or "") == listed


@pytest.mark.both_eras
async def test_instructions_do_not_wait_for_an_api_that_does_not_answer(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "INSTRUCTIONS_WAIT_S", 0.01)
    connected = anyio.Event()

    async def exchange(_: Request) -> Response:
        await connected.wait()
        return JSONResponse({"token": jwt.encode({"permissions": ["run:read"]}, "x" * 32)})

    async with upstream.serving({"GET /auth/token": exchange}) as api:
        auth = {"kind": "api_key", "value": "sk-1", "token_url": f"{api.url}/auth/token"}
        config = Config.model_validate({"api": {"base_url": f"{api.url}/api/v1", "auth": auth}})
        async with connect(config) as client:
            assert "create_run" in mentioned(client.instructions or ""), "the permissions are not known yet"
            connected.set()
            assert "create_run" not in {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("edition", sorted(EDITIONS))
async def test_a_wrong_choice_is_answered_with_the_choices_of_the_edition(sandbox: Sandbox, edition: str) -> None:
    manage = EDITIONS[edition].changes_runs
    api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": edition}))
    config = Config.model_validate({"api": api, "server": {"manage": manage}})
    asked = set()
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        for tool in (await client.list_tools()).tools:
            for name, parameter in tool.input_schema["properties"].items():
                if choices := parameter.get("enum") or parameter.get("items", {}).get("enum"):
                    answer = await call(client, tool.name, **{name: ["?"] if "items" in parameter else "?"})
                    assert set(re.findall(r"'([^']+)'", answer.text)) == {*choices, "?"}, answer.text
                    asked.add((tool.name, name))
    assert {("aggregate_runs", "by"), ("compute_run_facets", "facets"), ("list_runs", "status")} <= asked


async def test_an_unknown_tool_is_answered_with_the_tools_that_are_offered(sandbox: Sandbox, connect: Connect) -> None:
    async with connect(keyed(sandbox, READ_ONLY_KEY)) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(MCPError) as refused:
            await client.call_tool("no_such_tool", {})
    assert mentioned(str(refused.value)) == listed


CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "unknown interaction": ("create_run", {"interaction": "Nothing", "data": {}}),
    "unknown environment": ("create_run", {"interaction": "AlwaysFails", "environment": "Nothing"}),
    "accepted": ("create_run", {"interaction": "AlwaysFails", "wait": False}),
    "several accepted": ("create_run", {"interaction": "SlowWriter", "inputs": [{}, {}], "wait": False}),
    "no run": ("get_run", {"run_id": "0" * 24}),
    "no id": ("get_run", {"run_id": "../x"}),
    "empty list": ("list_runs", {"tag": "nothing"}),
    "empty search": ("search_runs", {"query": "nothing at all like this"}),
    "unknown name": ("list_runs", {"interaction": "Nothing"}),
    "an interaction": ("list_interactions", {"interaction": "ContractReview"}),
    "no interaction": ("list_interactions", {"interaction": "Nothing at all"}),
}


@pytest.mark.parametrize(("tool", "arguments"), CALLS.values(), ids=CALLS)
async def test_an_answer_of_the_only_tool_mentions_no_other_tool(
    sandbox: Sandbox, tool: str, arguments: dict[str, Any]
) -> None:
    api = sandbox_api(sandbox.url, ApiSettings())
    only = Config.model_validate({"api": api, "server": {"tools": [tool]}})
    async with Client(build_server(only).mcp, client_info=PATIENT) as client:
        answer = await call(client, tool, **arguments)
    assert mentioned(answer.text) <= {tool}
    assert mentioned(str(answer.structured)) <= {tool}


NARROWED: Mapping[str, dict[str, Any]] = {
    **{f"{tool} alone": {"tools": [tool]} for tool in TOOLS if tool in {each.name for each in OPERATIONS}},
    "read only": {"read_only": True},
    "lists and counts": {"tools": ["list_runs", "search_runs", "compute_run_facets"]},
}


async def listed_tools(config: Config, connect: Connect) -> list[Tool]:
    """Return the tools that a client of a server with `config` sees."""
    async with connect(config) as client:
        return (await client.list_tools()).tools


@pytest.mark.parametrize("server", NARROWED.values(), ids=NARROWED)
async def test_the_tools_that_are_offered_describe_no_other_tool(
    sandbox: Sandbox, connect: Connect, server: dict[str, Any]
) -> None:
    config = Config.model_validate({"api": sandbox_api(sandbox.url, ApiSettings()), "server": server})
    tools = await listed_tools(config, connect)
    assert mentioned(str(tools)) == {tool.name for tool in tools}
    for text in (text for tool in tools for text in descriptions(tool)):
        assert text == text.strip() != ""
        assert not text.endswith((":", ";", ","))


@pytest.mark.parametrize("key", [EXECUTE_ONLY_KEY, READ_ONLY_KEY])
async def test_the_tools_that_the_credential_permits_describe_no_other_tool(
    sandbox: Sandbox, connect: Connect, key: str
) -> None:
    tools = await listed_tools(keyed(sandbox, key), connect)
    assert mentioned(str(tools)) == {tool.name for tool in tools}


async def test_create_run_warns_of_repetition_even_without_stream_run(sandbox: Sandbox, connect: Connect) -> None:
    config = Config.model_validate(
        {"api": sandbox_api(sandbox.url, ApiSettings()), "server": {"tools": ["create_run"]}}
    )
    [tool] = await listed_tools(config, connect)
    assert (tool.description or "").endswith("never repeat it because an answer was slow.")


@pytest.mark.parametrize("tool", ["compute_run_facets", "aggregate_runs"])
async def test_filters_are_described_in_full_where_no_search_describes_them(
    sandbox: Sandbox, connect: Connect, tool: str
) -> None:
    config = Config.model_validate({"api": sandbox_api(sandbox.url, ApiSettings()), "server": {"tools": [tool]}})
    [alone] = await listed_tools(config, connect)
    assert alone.input_schema["properties"]["tags"]["description"] == "Only runs with all these tags"


def descriptions(tool: Tool) -> list[str]:
    """Return the description of a tool and those of its parameters."""
    fields = tool.input_schema["properties"].values()
    return [tool.description or "", *(field["description"] for field in fields if "description" in field)]
