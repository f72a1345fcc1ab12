"""Idempotent creates: the run of a lost answer is found again, and a repeated request creates no second run."""

from typing import Any

import anyio
import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.config.settings import Config, ServerSettings
from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Replies, Reply, Upstream, reply

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_polls")]

CREATE, LIST, GET = "POST /runs", "GET /runs", "GET /runs/r1"
DONE = {"id": "r1", "status": "completed", "result": "Hello"}


async def lost(_: Request) -> Response:
    raise ConnectionAbortedError


def untagged(api: Upstream) -> Config:
    return configured(api).model_copy(update={"server": ServerSettings(create_tag=False)})


def with_retries(api: Upstream) -> Config:
    return configured(api).model_copy(update={"api": api.api.model_copy(update={"max_retries": 2})})


async def test_a_run_whose_answer_was_lost_is_found_by_its_tag(connect: Connect) -> None:
    replies: Replies = {CREATE: lost, LIST: [reply([]), reply([DONE])], GET: reply(DONE)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i")
        assert answer.structured["id"] == "r1"
        assert api.asked == [CREATE, LIST, LIST, GET]


async def test_the_tag_is_sent_beside_the_callers_tags_and_searched_for(connect: Connect) -> None:
    sent: list[Any] = []

    async def keep(request: Request) -> Response:
        sent.append((await request.json())["tags"])
        raise ConnectionAbortedError

    async def look(request: Request) -> Response:
        sent.append(request.query_params["tag"])
        return await reply([DONE])(request)

    async with (
        upstream.serving({CREATE: keep, LIST: look, GET: reply(DONE)}) as api,
        connect(configured(api)) as client,
    ):
        await call(client, "create_run", interaction="i", tags=["mine"])
    (mine, tag), looked_for = sent
    assert mine == "mine"
    assert tag == looked_for
    assert tag.startswith("runs-mcp:")


async def test_without_a_run_with_the_tag_the_error_states_that_none_was_created(connect: Connect) -> None:
    async with upstream.serving({CREATE: lost, LIST: reply([])}) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i")
        assert answer.failed
        assert "so no run was created. Create the run again if you still want it." in answer.text
        assert api.count(CREATE) == 1


@pytest.mark.parametrize(
    "unsettled",
    [
        pytest.param(reply({}, 504), id="the gateway did not wait"),
        pytest.param(reply({}, 408), id="no answer in time"),
        pytest.param(reply(["accepted"]), id="accepted"),
    ],
)
async def test_a_run_that_may_be_listed_later_is_not_denied(connect: Connect, unsettled: Reply) -> None:
    async with upstream.serving({CREATE: unsettled, LIST: reply([])}) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i")
        assert api.count(CREATE) == 1
    assert answer.failed
    assert "It is not known whether a run was created." in answer.text
    assert 'list_runs(tag="runs-mcp:' in answer.text


async def test_if_searching_fails_the_error_names_the_tag(connect: Connect) -> None:
    async with upstream.serving({CREATE: lost, LIST: reply({}, 500)}) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i")
        assert answer.failed
        assert "It is not known whether a run was created." in answer.text
        assert 'list_runs(tag="runs-mcp:' in answer.text


REFUSED = reply({"id": "r1", "status": "failed", "error": {"message": "Too many tokens"}}, 429)


async def test_a_refused_create_that_names_its_run_is_answered_with_the_failed_run(connect: Connect) -> None:
    failed = {"id": "r1", "status": "failed", "error": {"code": "rate_limited", "message": "Too many tokens"}}
    async with (
        upstream.serving({CREATE: REFUSED, GET: reply(failed)}) as api,
        connect(with_retries(api)) as client,
    ):
        answer = await call(client, "create_run", interaction="i", stream=False)
        assert api.asked == [CREATE, GET]
    assert answer.structured["id"] == "r1"
    assert answer.structured["status"] == "failed"
    assert "Too many tokens" in answer.text


@pytest.mark.parametrize("stream", [True, False])
async def test_a_refused_create_whose_run_cannot_be_read_names_the_run(connect: Connect, *, stream: bool) -> None:
    replies: Replies = {CREATE: REFUSED, GET: reply({"message": "Not yours"}, 403)}
    async with upstream.serving(replies) as api, connect(with_retries(api)) as client:
        answer = await call(client, "create_run", interaction="i", stream=stream)
        assert api.count(CREATE) == 1
    assert answer.failed
    assert answer.text.startswith("Run r1 was accepted, but following it failed.")
    assert 'Do not create it again: get_run(run_id="r1") shows its status.' in answer.text


async def test_tagging_can_be_turned_off(connect: Connect) -> None:
    bodies: list[Any] = []

    async def keep(request: Request) -> Response:
        bodies.append(await request.json())
        raise ConnectionAbortedError

    async with upstream.serving({CREATE: keep}) as api, connect(untagged(api)) as client:
        answer = await call(client, "create_run", interaction="i")
        assert "It is not known whether a run was created." in answer.text
        assert "Before you create it again" in answer.text
        assert api.asked == [CREATE]
    assert bodies == [{"interaction": "i", "stream": True}]


async def test_repeating_a_request_key_returns_the_same_run(client: Client, mode: str) -> None:
    request = {"interaction": "SummarizeText", "data": {"text": "Once."}, "request_key": f"once-{mode}"}
    first = await call(client, "create_run", **request)
    second = await call(client, "create_run", **request)
    assert first.structured["id"] == second.structured["id"]


async def test_concurrent_creates_with_the_same_key_create_a_single_run(client: Client, mode: str) -> None:
    ids: list[str] = []
    request = {"interaction": "SlowWriter", "data": {"chunks": 5}, "request_key": f"at-once-{mode}"}

    async def create() -> None:
        ids.append((await call(client, "create_run", **request)).structured["id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(create)
    assert len(set(ids)) == 1


async def test_a_key_that_cannot_be_a_tag_is_refused(client: Client) -> None:
    answer = await call(client, "create_run", interaction="i", request_key="a, b")
    assert answer.failed
    assert "`request_key`" in answer.text
