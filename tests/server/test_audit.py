"""The audit log: each run that the server starts has exactly one line, whichever call starts it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from mcp.client import Client

from runs_mcp.api import connect
from runs_mcp.config.settings import Config
from runs_mcp.observability.logs import FIELDS
from runs_mcp.server import build_server
from tests.calls import PATIENT, call
from tests.server.test_tasks import TasksClient

pytestmark = pytest.mark.anyio

FAST: dict[str, Any] = {"interaction": "SlowWriter", "data": {"chunks": 1, "delay_ms": 1}}


async def create(client: Client, **changes: Any) -> list[str]:
    return [(await call(client, "create_run", **{**FAST, **changes})).structured["id"]]


async def create_and_follow(client: Client) -> list[str]:
    [run_id] = await create(client, wait=False)
    for _ in range(2):
        await call(client, "stream_run", run_id=run_id)
    return [run_id]


async def create_twice_with_a_key(client: Client) -> list[str]:
    key = uuid4().hex
    return list({*await create(client, request_key=key), *await create(client, request_key=key)})


async def create_a_batch(client: Client) -> list[str]:
    inputs = [FAST["data"]] * 3
    answer = await call(client, "create_run", interaction="SlowWriter", inputs=inputs)
    return [run["id"] for run in answer.structured["runs"]]


async def call_the_tool_of_an_interaction(client: Client) -> list[str]:
    await client.list_tools()
    return [(await call(client, "run_slow_writer", chunks=1, delay_ms=1)).structured["id"]]


WAYS: dict[str, Callable[[Client], Awaitable[list[str]]]] = {
    "a stream": create,
    "a blocking call": lambda client: create(client, stream=False),
    "followed by further calls": create_and_follow,
    "a repeated key": create_twice_with_a_key,
    "a batch": create_a_batch,
    "the tool of an interaction": call_the_tool_of_an_interaction,
}


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [getattr(record, FIELDS) for record in caplog.records if record.message == "run started"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("as_task", [False, True], ids=["answered", "as a task"])
async def test_a_created_and_started_run_has_a_single_line(
    config: Config, caplog: pytest.LogCaptureFixture, way: str, *, as_task: bool
) -> None:
    caplog.set_level(logging.INFO, "runs_mcp.observability.audit")
    with_tools = Config.model_validate({**dict(config), "server": {"interaction_tools": {"include": ["SlowWriter"]}}})
    async with Client(
        build_server(with_tools).mcp, extensions=[TasksClient()] if as_task else [], client_info=PATIENT
    ) as client:
        run_ids = await WAYS[way](client)
    assert sorted(line["run_id"] for line in audited(caplog)) == sorted(run_ids)
    assert {line["interaction"] for line in audited(caplog)} == {"SlowWriter"}


async def test_a_run_of_another_client_has_a_single_line_after_its_start(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runs_mcp.observability.audit")
    async with connect(config.api) as runs, Client(build_server(config).mcp, client_info=PATIENT) as client:
        run = await runs.create_run(interaction="SlowWriter", data=FAST["data"], stream=True)
        await call(client, "get_run", run_id=run.id)
        assert audited(caplog) == []
        for _ in range(2):
            await call(client, "stream_run", run_id=run.id)
    assert [line["run_id"] for line in audited(caplog)] == [run.id]
