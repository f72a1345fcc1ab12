"""A Runs API that hangs: each call answers by its deadline, and a sent create continues without its caller."""

from functools import partial
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, PromptReference
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.server import build_server, patience, tasks, tool_calls
from runs_mcp.server.calls_in_flight import CallsInFlight
from runs_mcp.server.middleware import request_limit
from runs_mcp.server.patience import Patience
from runs_mcp.server.prompts import completion
from runs_mcp.server.runs import batch
from tests import upstream
from tests.calls import PATIENT, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.server.test_tasks import TasksClient
from tests.server.test_tasks import ask as ask_task
from tests.upstream import CLOSE, Replies, chunk, events, reply

pytestmark = pytest.mark.anyio

CREATE, STREAM, GET = "POST /runs", "GET /runs/r1/stream", "GET /runs/r1"
GUARD_S = 30
"""A call that hangs fails its test."""
READS: dict[str, dict[str, Any]] = {
    "list_runs": {"limit": 1},
    "get_run": {"run_id": "r1"},
    "search_runs": {"query": "a"},
    "find_runs": {"query": {"status": "failed"}},
    "compute_run_facets": {},
    "get_run_filter_options": {"field": "tag"},
    "stream_run": {"run_id": "r1"},
}


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (request_limit, tasks):
        monkeypatch.setattr(module, "API_GRACE_S", 0.4)
    for module in (patience, tool_calls):
        monkeypatch.setattr(module, "Patience", partial(Patience, grace_s=0.4))


class Hanging:
    """A reply that waits until it is released."""

    def __init__(self, answer: Any = None) -> None:
        self.came, self.go = anyio.Event(), anyio.Event()
        self._answer = answer

    async def __call__(self, _: Request) -> Response:
        self.came.set()
        await self.go.wait()
        return JSONResponse(self._answer)


async def leave_a_create(client: Client, create: Hanging) -> None:
    """Cancel a call of `create_run` once the API has received its request, then let the API answer."""
    async with anyio.create_task_group() as callers:
        callers.start_soon(lambda: call(client, "create_run", interaction="i"))
        await create.came.wait()
        callers.cancel_scope.cancel()
    create.go.set()


def impatient(api: upstream.Upstream, **server: Any) -> Config:
    return configured(api, max_wait_s=0.1).model_copy(update={"server": ServerSettings(**server)})


async def hang(_: Request) -> Response:
    await anyio.sleep_forever()
    raise AssertionError


class Opened:
    """A stream that ends at once and sets an event when it is opened."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    async def __call__(self, request: Request) -> Response:
        self.event.set()
        return await events(chunk("Hello"), CLOSE)(request)


PLACES = [CREATE, STREAM, GET, "GET /runs", "POST /runs/search", "POST /runs/find", "POST /runs/facets"]
FIELDS = ["tag", "interaction", "environment"]
EVERYWHERE: Replies = dict.fromkeys([*PLACES, *(f"GET /runs/filter-options/{field}" for field in FIELDS)], hang)


async def test_a_read_answers_by_its_deadline(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            async with anyio.create_task_group() as callers:

                async def read(tool: str, arguments: dict[str, Any]) -> None:
                    answer = await call(client, tool, **arguments)
                    assert answer.failed
                    assert answer.text.startswith("The Runs API has not answered within 0.1 s. Try again later.")

                for tool, arguments in READS.items():
                    callers.start_soon(read, tool, arguments)


async def test_a_name_that_cannot_be_looked_up_in_time_creates_nothing(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i", environment="Staging")
    assert answer.failed
    assert "No run was created." in answer.text
    assert api.count(CREATE) == 0


async def test_a_create_continues_in_the_background_and_its_run_is_executed(connect: Connect) -> None:
    create = Hanging({"id": "r1", "status": "created"})
    done = {"id": "r1", "status": "completed", "result": "Hello"}
    opened = Opened()
    replies: Replies = {CREATE: create, STREAM: opened, GET: reply(done)}
    async with upstream.serving(replies) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i")
            assert "The create request continues in the background" in answer.text
            assert "Do not create it again: list_runs(tag=" in answer.text
            create.go.set()
            await opened.event.wait()
    assert api.count(CREATE) == 1


async def test_a_create_whose_caller_leaves_is_executed(connect: Connect) -> None:
    create = Hanging({"id": "r1", "status": "created"})
    opened = Opened()
    replies: Replies = {CREATE: create, STREAM: opened, GET: reply({"id": "r1", "status": "completed"})}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        with anyio.fail_after(GUARD_S):
            await leave_a_create(client, create)
            await opened.event.wait()


async def test_a_create_with_a_key_is_repeated_to_get_its_run(connect: Connect) -> None:
    create = Hanging({"id": "r1", "status": "completed", "result": "Hello"})
    replies: Replies = {CREATE: create, "GET /runs": reply([]), GET: reply({"id": "r1", "status": "completed"})}
    async with upstream.serving(replies) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            for _ in range(2):
                answer = await call(client, "create_run", interaction="i", request_key="k")
                assert "repeat this call with the same request_key to get its run" in answer.text
            create.go.set()
            answer = await call(client, "create_run", interaction="i", request_key="k")
    assert answer.structured["id"] == "r1"
    assert api.count(CREATE) == 1


async def test_a_create_without_a_tag_points_at_the_newest_runs(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api, create_tag=False)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i")
    assert "list_runs(limit=5) shows the newest runs" in answer.text


async def test_a_blocking_create_answers_by_its_deadline(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i", stream=False)
    assert "The create request continues in the background" in answer.text


async def test_a_batch_names_the_creates_that_were_sent(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i", inputs=[{"n": n} for n in range(12)])
    failures = [one["failure"] for one in answer.structured["runs"]]
    sent = ["continues in the background" in failure for failure in failures]
    assert sent == [True] * 8 + [False] * 4
    assert all("No run was created." in failure for failure in failures[8:])
    assert answer.text.startswith("12 runs: 8 unknown (input 1, ")
    assert "4 without a run (input 9, input 10, input 11 and 1 more)" in answer.text
    assert api.count(CREATE) == 8


CATALOGUE = ["POST /interactions/endpoints", "POST /interactions/export", "GET /interactions/names"]


def earlier_run(run_id: str, interaction: str) -> dict[str, Any]:
    return {"id": run_id, "status": "completed", "interaction": {"id": interaction}, "parameters": {"text": "Hi"}}


async def one_interaction(request: Request) -> Response:
    """Create a run of `i1`, the only interaction that exists."""
    if (await request.json())["interaction"] == "i1":
        return JSONResponse({"id": "r1", "status": "created"})
    return JSONResponse({"message": "No such interaction"}, 404)


async def test_a_catalogue_that_hangs_does_not_hide_the_runs_of_a_batch(connect: Connect) -> None:
    earlier = {"a": earlier_run("a", "i1"), "b": earlier_run("b", "deleted")}
    replies: Replies = {
        **{f"GET /runs/{run_id}": reply(run) for run_id, run in earlier.items()},
        **dict.fromkeys([*CATALOGUE, STREAM, GET], hang),
        CREATE: one_interaction,
    }
    async with upstream.serving(replies) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", like=["a", "b"])
    first, second = answer.structured["runs"]
    assert first == {"like": "a", "id": "r1", "status": "created"}
    assert "found nothing there (404)" in second["error"]
    assert "No run was created." in second["error"]
    assert answer.structured["next"].startswith('get_run(run_ids=["r1"]')


FAILING = reply({}, 500)


@pytest.mark.parametrize("reads", [pytest.param([FAILING, hang], id="hang"), pytest.param(FAILING, id="fail")])
async def test_a_repeat_of_a_call_that_was_cut_off_names_its_run_though_reads(connect: Connect, reads: Any) -> None:
    create, opened = Hanging({"id": "r1", "status": "created"}), Opened()
    replies: Replies = {CREATE: create, STREAM: opened, GET: reads}
    async with upstream.serving(replies) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            await leave_a_create(client, create)
            await opened.event.wait()
            await call(client, "stream_run", run_id="r1")  # answered after the follower of the run has failed
            answer = await call(client, "create_run", interaction="i")
    assert answer.text.startswith("Run r1 was accepted, but following it failed. The Runs API failed (500).")
    assert api.count(CREATE) == 1


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        pytest.param({}, "list_runs(limit=1) shows the newest runs.", id="without a key"),
        pytest.param({"request_key": "k"}, "repeat this call with the same request_key", id="with a key"),
    ],
)
async def test_a_call_that_is_cut_off_names_its_creates_and_its_repeat_returns_their_runs(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], advice: str
) -> None:
    monkeypatch.setattr(tool_calls, "ANSWER_S", -0.2)  # before the call stops waiting for the API
    create = Hanging({"id": "r1", "status": "completed", "result": "Hello"})
    replies: Replies = {CREATE: create, "GET /runs": reply([]), GET: reply({"id": "r1", "status": "completed"})}
    async with upstream.serving(replies) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i", **arguments)
            assert answer.failed
            assert "No run was created." not in answer.text
            assert f"Do not create it again: {advice}" in answer.text
            create.go.set()
            answer = await call(client, "create_run", interaction="i", **arguments)
    assert answer.structured["id"] == "r1"
    assert api.count(CREATE) == 1


async def test_a_call_that_is_cut_off_after_it_sent_a_change_does_not_deny_the_change(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_calls, "ANSWER_S", -0.2)
    async with upstream.serving({"DELETE /runs/r1": hang}) as api:
        config = impatient(api, manage=True)
        changing = config.model_copy(update={"api": api.api.model_copy(update={"edition": "vertesia"})})
        async with connect(changing) as client:
            with anyio.fail_after(GUARD_S):
                answer = await call(client, "delete_runs", run_ids=["r1"])
    assert answer.failed
    assert "It is not known whether this run was changed." in answer.text
    assert "Nothing was changed" not in answer.text


async def test_a_repeat_that_has_no_time_left_still_shows_the_runs_of_the_call_that_was_cut_off(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "AT_ONCE", 1)
    second = Hanging({"id": "r1", "status": "completed"})
    replies: Replies = {CREATE: [reply({"message": "Not now"}, 400), second, hang]}
    asked: dict[str, Any] = {"interaction": "i", "inputs": [{"n": 1}, {"n": 2}]}
    async with upstream.serving(replies) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            async with anyio.create_task_group() as callers:
                callers.start_soon(lambda: call(client, "create_run", **asked))
                await second.came.wait()
                callers.cancel_scope.cancel()
            second.go.set()
            answer = await call(client, "create_run", **asked)
    first, other = answer.structured["runs"]
    assert "continues in the background" in first["failure"]
    assert other["id"] == "r1"


async def test_further_creates_are_refused_while_very_many_continue(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api, max_calls=2)) as client:
        with anyio.fail_after(GUARD_S):
            async with anyio.create_task_group() as callers:
                for _ in range(2):
                    callers.start_soon(lambda: call(client, "create_run", interaction="i"))
            answer = await call(client, "create_run", interaction="i")
    assert "(server.max_calls). Nothing was sent." in answer.text


async def test_an_unanswered_question_creates_nothing() -> None:
    async def hangs(*_: Any) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    nobody: Any = hangs

    async with upstream.serving(EVERYWHERE) as api:
        server = build_server(impatient(api, confirm_create=True))
        async with Client(server.mcp, mode="legacy", elicitation_callback=nobody, client_info=PATIENT) as client:
            with anyio.fail_after(GUARD_S):
                answer = await call(client, "create_run", interaction="i")
    assert "No run was created: the question was not answered in time." in answer.text
    assert api.asked == []


async def test_resources_answer_by_their_deadline(connect: Connect) -> None:
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            for ask in (client.list_resources, lambda: client.read_resource("runs://r1")):
                with pytest.raises(MCPError, match="has not answered within"):
                    await ask()


async def test_a_completion_without_an_answer_has_no_values(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "MAX_WAIT_S", 0.05)
    async with upstream.serving(EVERYWHERE) as api, connect(impatient(api)) as client:
        with anyio.fail_after(GUARD_S):
            completed = await client.complete(
                PromptReference(name="compare_models"), {"name": "interaction", "value": ""}
            )
    assert completed.completion.values == []


async def test_a_task_answers_by_its_deadline() -> None:
    async with (
        upstream.serving(EVERYWHERE) as api,
        Client(build_server(impatient(api)).mcp, extensions=[TasksClient()], client_info=PATIENT) as client,
    ):
        with anyio.fail_after(GUARD_S), pytest.raises(MCPError, match="has not answered within"):
            await ask_task(client.session, "tasks/get", "r1")


async def test_a_create_whose_task_cannot_be_read_answers_with_its_run() -> None:
    replies: Replies = {**EVERYWHERE, CREATE: reply({"id": "r1", "status": "created"})}
    async with (
        upstream.serving(replies) as api,
        Client(build_server(impatient(api)).mcp, extensions=[TasksClient()], client_info=PATIENT) as client,
    ):
        with anyio.fail_after(GUARD_S):
            answer = await call(client, "create_run", interaction="i")
    assert answer.structured["id"] == "r1"
    assert "Accepted and running; do not create it again." in answer.text


async def test_the_end_of_the_last_call_wakes_all_its_waiters() -> None:
    calls = CallsInFlight()
    with anyio.fail_after(GUARD_S):
        async with anyio.create_task_group() as waiting:
            with calls:
                waiting.start_soon(calls.idle)
                waiting.start_soon(calls.idle)
                await anyio.wait_all_tasks_blocked()
