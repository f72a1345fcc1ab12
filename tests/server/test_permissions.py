"""Permissions of the credential: a tool is listed if, and only if, the operations that it calls are permitted."""

from collections.abc import AsyncIterator, Iterator
from itertools import chain, combinations
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.api import RunsClient
from runs_mcp.api import connect as connect_api
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox, access
from runs_mcp.sandbox.access import DEMO_KEY, EXECUTE, PERMISSIONS, READ, READ_INTERACTIONS, WRITE
from runs_mcp.server import build_server
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS
from tests.calls import PATIENT, Answer, call

pytestmark = pytest.mark.anyio

DATA = {"interaction": "ClassifySentiment", "data": {"text": "Good."}}
CALLS: dict[str, dict[str, Any]] = {
    "list_runs": {},
    "search_runs": {},
    "find_runs": {"query": {"status": "failed"}},
    "compute_run_facets": {},
    "aggregate_runs": {"by": ["model"], "measures": ["runs", "total_tokens"]},
    "get_run_filter_options": {"field": "model"},
    "list_interactions": {},
    "create_run": DATA,
}
OF_A_RUN: dict[str, dict[str, Any]] = {
    "get_run": {},
    "update_run": {"add_tags": ["x"]},
    "delete_runs": {},
}
"""The tools that take the ids of runs, and their other arguments."""


def key_of(permissions: tuple[str, ...]) -> str:
    """Return the key of a credential with some permissions."""
    return f"sk-{'+'.join(permissions)}"


def choices() -> Iterator[tuple[str, ...]]:
    """Yield every choice of permissions."""
    every = (READ, WRITE, EXECUTE, READ_INTERACTIONS)
    return chain.from_iterable(combinations(every, size) for size in range(1, len(every) + 1))


def configured(sandbox: Sandbox, key: str) -> Config:
    """Return the settings of a server whose credential is `key`."""
    api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": "vertesia"})).model_dump()
    return Config.model_validate({"api": {**api, "auth": {**api["auth"], "value": key}}, "server": {"manage": True}})


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the sandbox a key for every choice of permissions."""
    monkeypatch.setattr(access, "PERMISSIONS", {**PERMISSIONS, **{key_of(some): some for some in choices()}})


@pytest.fixture
async def runs(sandbox: Sandbox) -> AsyncIterator[RunsClient]:
    """A client of the API with every permission."""
    async with connect_api(configured(sandbox, DEMO_KEY).api) as runs:
        yield runs


def works(answer: Answer) -> bool:
    """Return true if the API has permitted every operation of a call."""
    return not answer.failed and all("failure" not in run for run in answer.structured.get("runs", ()))


@pytest.mark.parametrize("permissions", list(choices()), ids="+".join)
async def test_a_tool_is_listed_if_it_works(sandbox: Sandbox, runs: RunsClient, permissions: tuple[str, ...]) -> None:
    kept, changed = [(await runs.create_run(interaction="AlwaysFails")).id for _ in range(2)]
    calls = {**CALLS, **{tool: {**arguments, "run_ids": [changed]} for tool, arguments in OF_A_RUN.items()}}
    working = set()
    async with Client(build_server(configured(sandbox, key_of(permissions))).mcp, client_info=PATIENT) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        for tool, arguments in calls.items():
            if works(await call(client, tool, **arguments)):
                working.add(tool)
        created = await call(client, "create_run", **DATA, wait=False)
        if works(await call(client, "stream_run", run_id=kept if created.failed else created.structured["id"])):
            working.add("stream_run")
    assert listed == working
    assert calls.keys() | {"stream_run"} == {one.name for one in (*OPERATIONS, *MANAGE_OPERATIONS)}


async def test_a_credential_that_may_only_execute_gets_the_text_of_a_run(sandbox: Sandbox) -> None:
    async with Client(build_server(configured(sandbox, key_of((EXECUTE,)))).mcp, client_info=PATIENT) as client:
        await client.list_tools()
        answer = await call(client, "create_run", interaction="SlowWriter", data={"chunks": 3, "delay_ms": 1})
    assert not answer.failed, answer.text
    assert answer.structured["status"] == "completed"
    assert answer.structured["result"] == "word1 word2 word3 "
    assert "The run cannot be read (403): this is the text of its stream." in answer.text
