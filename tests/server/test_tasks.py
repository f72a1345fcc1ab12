"""The Tasks extension: a client that declares the extension gets a task instead of waiting for a run."""

from typing import Any, Literal

import pytest
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY, CallToolResult, Request, Result
from pydantic import ConfigDict, TypeAdapter

from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from runs_mcp.server.tasks import EXTENSION
from tests import upstream
from tests.calls import PATIENT, call

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

SLOWLY = {"interaction": "SlowWriter", "data": {"chunks": 10, "delay_ms": 20}}


class Created(Result):
    """A task as an answer of `tools/call`."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = "task"


class TasksClient(ClientExtension):
    """A client's side of the extension: it polls each task to its end."""

    identifier = EXTENSION

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.polled: list[dict[str, Any]] = []

    def claims(self) -> list[ResultClaim[Created]]:
        """Claim tasks."""
        return [ResultClaim(result_type="task", model=Created, resolve=self._finish)]

    async def _finish(self, task: Created, ctx: ClaimContext) -> CallToolResult:
        self.created.append(task.model_extra or {})
        while True:
            state = await ask(ctx.session, "tasks/get", self.created[-1]["taskId"])
            self.polled.append(state)
            if "result" in state:
                return CallToolResult.model_validate(state["result"])


async def ask(session: Any, method: str, task_id: str) -> dict[str, Any]:
    """Return the raw answer to a request about a task."""
    request = Request[dict[str, Any], str](method=method, params={"taskId": task_id})
    answer = await session.send_request(request, TypeAdapter(dict[str, Any]))
    return dict(answer)


async def test_a_client_that_knows_tasks_gets_the_run_as_a_task_and_its_result_at_the_end(config: Config) -> None:
    tasks = TasksClient()
    async with Client(build_server(config).mcp, extensions=[tasks], client_info=PATIENT) as client:
        answer = await call(client, "create_run", **SLOWLY)
        [task] = tasks.created
        assert task["taskId"] == answer.structured["id"]
        assert (task["status"], task["ttlMs"], task["pollIntervalMs"] > 0) == ("working", None, True)
        assert tasks.polled[0]["resultType"] == "complete"
        assert any("characters written so far" in state["statusMessage"] for state in tasks.polled)
        assert tasks.polled[-1]["status"] == "completed"
        assert tasks.polled[-1]["statusMessage"].startswith("completed after")
        assert answer.structured["status"] == "completed"
        assert "word10" in answer.text


async def test_a_followed_run_is_a_task_too(config: Config) -> None:
    tasks = TasksClient()
    async with Client(build_server(config).mcp, extensions=[tasks], client_info=PATIENT) as client:
        created = await call(client, "create_run", **SLOWLY, wait=False)
        assert tasks.created == []  # a call without a wait is answered at once
        answer = await call(client, "stream_run", run_id=created.structured["id"])
        assert [task["taskId"] for task in tasks.created] == [created.structured["id"]]
        assert answer.structured["status"] == "completed"


async def test_ended_runs_and_failures_are_answered_without_a_task(config: Config) -> None:
    tasks = TasksClient()
    async with Client(build_server(config).mcp, extensions=[tasks], client_info=PATIENT) as client:
        newest = await call(client, "list_runs", status="completed", limit=1)
        ended = await call(client, "stream_run", run_id=newest.structured["runs"][0]["id"])
        refused = await call(client, "create_run", interaction="ExtractContacts", data={})
        listed = await call(client, "list_runs")
    assert ended.structured["status"] == "completed"
    assert refused.failed
    assert not listed.failed
    assert tasks.created == []


async def test_another_process_answers_for_a_task_by_its_id_alone(config: Config) -> None:
    tasks = TasksClient()
    async with Client(build_server(config).mcp, extensions=[tasks], client_info=PATIENT) as client:
        created = await call(client, "create_run", interaction="AlwaysFails", data={"text": "x"})
    async with Client(build_server(config).mcp, extensions=[TasksClient()], client_info=PATIENT) as elsewhere:
        state = await ask(elsewhere.session, "tasks/get", created.structured["id"])
    assert state["status"] == "completed"
    assert state["result"]["structuredContent"]["status"] == "failed"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("2026-11-19T14:00:00", "2026-11-19T14:00:00+00:00", id="no zone"),
        pytest.param("2026-11-19T14:00:00+02:00", "2026-11-19T12:00:00+00:00", id="another zone"),
    ],
)
async def test_the_times_of_a_task_are_in_utc(sent: str, shown: str) -> None:
    run = {"id": "r1", "status": "completed", "created_at": sent, "updated_at": sent}
    async with (
        upstream.serving({"GET /runs/r1": upstream.reply(run)}) as api,
        Client(build_server(Config(api=api.api)).mcp, extensions=[TasksClient()], client_info=PATIENT) as client,
    ):
        task = await ask(client.session, "tasks/get", "r1")
    assert (task["createdAt"], task["lastUpdatedAt"]) == (shown, shown)


@pytest.mark.parametrize("method", ["tasks/cancel", "tasks/update"])
async def test_cancelling_and_updating_are_acknowledged_and_leave_the_run_alone(config: Config, method: str) -> None:
    async with Client(build_server(config).mcp, extensions=[TasksClient()], client_info=PATIENT) as client:
        created = await call(client, "create_run", **SLOWLY, wait=False)
        acknowledged = await ask(client.session, method, created.structured["id"])
        assert acknowledged["resultType"] == "complete"
        ended = await call(client, "stream_run", run_id=created.structured["id"])
    assert ended.structured["status"] == "completed"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
@pytest.mark.parametrize("task_id", ["nowhere", "../secrets", ""])
async def test_an_unknown_task_is_an_error(config: Config, method: str, task_id: str) -> None:
    async with Client(build_server(config).mcp, extensions=[TasksClient()], client_info=PATIENT) as client:
        with pytest.raises(MCPError, match="There is no task"):
            await ask(client.session, method, task_id)


async def test_a_client_without_tasks_waits_for_the_result(config: Config) -> None:
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        answer = await call(client, "create_run", **SLOWLY)
        assert answer.structured["status"] == "completed"
        with pytest.raises(MCPError) as refused:
            await ask(client.session, "tasks/get", answer.structured["id"])
    assert refused.value.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY


async def test_the_handshake_era_has_no_tasks(config: Config) -> None:
    tasks = TasksClient()
    async with Client(build_server(config).mcp, mode="legacy", extensions=[tasks], client_info=PATIENT) as client:
        answer = await call(client, "create_run", **SLOWLY)
        assert answer.structured["status"] == "completed"
        with pytest.raises(MCPError) as refused:
            await ask(client.session, "tasks/get", answer.structured["id"])
    assert tasks.created == []
    assert refused.value.error.code == METHOD_NOT_FOUND


async def test_the_server_announces_the_extension(config: Config) -> None:
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        assert (client.server_capabilities.extensions or {})[EXTENSION] == {}
