"""Creating and following runs: text as progress, final answers, and requests to the API."""

import gc
from itertools import pairwise
from typing import Any

import anyio
import pytest
from mcp.client import Client

from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.server.context import Call
from runs_mcp.server.progress import pause_s
from tests import upstream
from tests.calls import Notifications, call
from tests.conftest import Connect
from tests.upstream import CLOSE, Replies, Upstream, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras, pytest.mark.usefixtures("quick_polls")]

RUN = "POST /runs"
GET = "GET /runs/r1"
STREAM = "GET /runs/r1/stream"
CREATED = {"id": "r1", "status": "created"}
PROCESSING = {"id": "r1", "status": "processing"}
DONE = {"id": "r1", "status": "completed", "result": "Hello world"}
SLOW = {"chunks": 40, "delay_ms": 5}


def strictly_increasing(values: list[float]) -> bool:
    return all(later > earlier for earlier, later in pairwise(values))


def configured(api: Upstream, **streaming: Any) -> Config:
    return Config(api=api.api, streaming=StreamingSettings(**{"flush_ms": 5, **streaming}))


async def test_text_arrives_as_progress_and_the_final_run_as_the_result(client: Client) -> None:
    progress = Notifications()
    answer = await call(client, "create_run", progress=progress, interaction="SlowWriter", data=SLOW)
    assert answer.structured["status"] == "completed"
    assert progress.text == answer.structured["result"] == "".join(f"word{n} " for n in range(1, 41))
    assert len(progress.messages) > 1
    assert strictly_increasing(progress.values)


async def test_a_burst_of_3000_chunks_arrives_whole_in_order_and_joined(client: Client) -> None:
    progress = Notifications()
    answer = await call(
        client, "create_run", progress=progress, interaction="SlowWriter", data={"chunks": 3_000, "delay_ms": 0}
    )
    before = len(progress.messages)
    await client.list_tools(cache_mode="bypass")
    assert len(progress.messages) == before < 1_000, "pieces are joined, and none arrives after the result"
    assert progress.text == "".join(f"word{n} " for n in range(1, 3_001))
    assert answer.structured["status"] == "completed"
    assert strictly_increasing(progress.values)


@pytest.mark.parametrize(
    ("flush_ms", "late_s", "pause"),
    [
        pytest.param(50, 0, 0.05, id="in time"),
        pytest.param(50, -0.03, 0.05, id="ended early by the end of the run"),
        pytest.param(50, 0.01, 0.05, id="a little late"),
        pytest.param(50, 0.1, 0.5, id="late: five times as long"),
        pytest.param(50, 3, 2, id="very late: at most two seconds"),
        pytest.param(5_000, 3, 5, id="never shorter than flush_ms"),
    ],
)
def test_notifications_of_a_busy_process_join_more_text(flush_ms: float, late_s: float, pause: float) -> None:
    assert pause_s(StreamingSettings(flush_ms=flush_ms), late_s) == pause


async def test_a_client_that_did_not_ask_for_progress_gets_the_same_result(client: Client) -> None:
    answer = await call(client, "create_run", interaction="SlowWriter", data=SLOW)
    assert answer.structured["status"] == "completed"


async def test_stream_false_makes_a_single_blocking_call(connect: Connect) -> None:
    async with (
        upstream.serving({RUN: reply(DONE)}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, "create_run", interaction="i", stream=False)
        assert answer.structured["result"] == "Hello world"
        assert api.asked == [RUN]


async def test_a_failed_blocking_call_names_the_reason(connect: Connect) -> None:
    refusal = reply({"message": "No such interaction"}, 404)
    async with upstream.serving({RUN: refusal}) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i", stream=False)
    assert answer.failed
    assert 'found nothing there (404). It says: "No such interaction". No run was created.' in answer.text


async def test_a_blocking_call_sends_heartbeats_without_text(connect: Connect) -> None:
    finish = anyio.Event()

    async def slow(request: Any) -> Any:
        await finish.wait()
        return await reply(DONE)(request)

    class Finishing(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            await super().__call__(progress, total, message)
            if len(self.values) == 3:
                finish.set()

    progress = Finishing()
    async with (
        upstream.serving({RUN: slow}) as api,
        connect(configured(api, heartbeat_s=0.01)) as client,
    ):
        await call(client, "create_run", progress=progress, interaction="i", stream=False)
    assert strictly_increasing(progress.values)
    assert set(progress.messages) == {None}


async def test_silence_in_a_stream_is_filled_with_heartbeats(connect: Connect) -> None:
    go_on = anyio.Event()

    class GoingOn(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            await super().__call__(progress, total, message)
            if self.messages.count(None) == 2:
                go_on.set()

    progress = GoingOn()
    replies: Replies = {
        RUN: reply(CREATED),
        STREAM: events(chunk("Hello "), go_on, chunk("world"), CLOSE),
        GET: reply(DONE),
    }
    async with (
        upstream.serving(replies) as api,
        connect(configured(api, heartbeat_s=0.01)) as client,
    ):
        await call(client, "create_run", progress=progress, interaction="i")
    assert progress.text == "Hello world"
    assert strictly_increasing(progress.values)


async def test_wait_false_answers_at_once_and_the_run_is_still_executed(client: Client) -> None:
    created = await call(client, "create_run", interaction="SlowWriter", data=SLOW, wait=False)
    assert created.structured["status"] == "created"
    assert "do not create it again" in created.text
    followed = await call(client, "stream_run", run_id=created.structured["id"])
    assert followed.structured["status"] == "completed"


async def test_a_run_that_is_followed_keeps_nothing_of_the_call_that_created_it(connect: Connect) -> None:
    data, ended = {"text": "as long as the call"}, anyio.Event()
    replies: Replies = {RUN: reply(CREATED), STREAM: events(chunk("Hello"), ended, CLOSE), GET: reply(DONE)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, "create_run", interaction="i", data=data, wait=False)
        while not api.count(STREAM):
            await anyio.lowlevel.checkpoint()
        gc.collect()
        kept = [one for one in gc.get_objects() if isinstance(one, Call) and one.arguments.get("data") == data]
        ended.set()
    assert kept == []


async def test_stream_run_joins_from_the_first_chunk_without_a_second_stream(connect: Connect) -> None:
    joined = anyio.Event()
    replies: Replies = {
        RUN: reply(CREATED),
        STREAM: events(chunk("Hello "), joined, chunk("world"), CLOSE),
        GET: reply(DONE),
    }

    class Joining(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            await super().__call__(progress, total, message)
            joined.set()

    progress = Joining()
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        created = await call(client, "create_run", interaction="i", wait=False)
        followed = await call(client, "stream_run", progress=progress, run_id=created.structured["id"])
        assert followed.structured["result"] == "Hello world"
        assert progress.text == "Hello world"
        assert api.count(STREAM) == 1


async def test_stream_run_starts_a_run_that_was_never_started(connect: Connect) -> None:
    replies: Replies = {GET: [reply(CREATED), reply(DONE)], STREAM: events(chunk("Hello world"), CLOSE)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "stream_run", run_id="r1")
        assert answer.structured["status"] == "completed"
        assert api.asked == [GET, STREAM, GET]


async def test_stream_run_answers_at_once_for_a_run_that_has_ended(connect: Connect) -> None:
    async with upstream.serving({GET: reply(DONE)}) as api, connect(configured(api)) as client:
        answer = await call(client, "stream_run", run_id="r1")
        assert answer.structured["result"] == "Hello world"
        assert api.asked == [GET]


async def test_stream_run_polls_a_run_started_by_another_process(connect: Connect) -> None:
    """A second stream might execute the run again."""
    async with (
        upstream.serving({GET: [reply(PROCESSING), reply(PROCESSING), reply(DONE)]}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, "stream_run", run_id="r1")
        assert answer.structured["status"] == "completed"
        assert api.asked == [GET] * 3


@pytest.mark.parametrize(
    "ending",
    [pytest.param((), id="ends without close"), pytest.param((None,), id="breaks off")],
)
async def test_a_stream_that_breaks_is_not_opened_again_and_the_run_is_polled_to_its_end(
    connect: Connect, ending: tuple[None, ...]
) -> None:
    progress = Notifications()
    replies: Replies = {
        RUN: reply(CREATED),
        STREAM: events(chunk("Hello "), *ending),
        GET: [reply(PROCESSING), reply(DONE)],
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", progress=progress, interaction="i")
        assert answer.structured["result"] == "Hello world"
        assert answer.text.count("Hello world") == 1
        assert progress.text == "Hello world"
        assert api.count(STREAM) == 1
        assert api.count(RUN) == 1


async def test_a_stream_that_cannot_be_opened_is_reported_with_its_existing_run(connect: Connect) -> None:
    replies: Replies = {RUN: reply(CREATED), STREAM: reply({"message": "No capacity."}, 503), GET: reply(CREATED)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i")
        assert answer.failed
        assert "Run r1 was accepted" in answer.text
        assert "No capacity." in answer.text
        assert "Do not create it again" in answer.text


async def test_after_max_wait_the_answer_has_the_text_so_far_and_the_call_to_continue_with(connect: Connect) -> None:
    finish = anyio.Event()
    replies: Replies = {
        RUN: reply(CREATED),
        STREAM: events(chunk("Hello "), finish, chunk("world"), CLOSE),
        GET: reply(DONE),
    }
    async with upstream.serving(replies) as api, connect(configured(api, max_wait_s=1.5)) as client:
        waiting = await call(client, "create_run", interaction="i")
        assert waiting.structured["text"] == "Hello "
        assert waiting.structured["next"] == 'stream_run(run_id="r1", offset=6)'
        assert waiting.structured["next"] in waiting.text
        assert "do not create it again" in waiting.text
        finish.set()
        progress = Notifications()
        ended = await call(client, "stream_run", progress=progress, run_id="r1", offset=6)
        assert ended.structured["result"] == "world"
        assert progress.text in ("world", ""), "only new text, or none if the run had ended"
        assert api.count(STREAM) == 1


async def test_stream_run_returns_at_once_without_waiting(connect: Connect) -> None:
    finish = anyio.Event()
    replies: Replies = {
        RUN: reply(CREATED),
        STREAM: events(chunk("Hello "), finish, chunk("world"), CLOSE),
        GET: reply(DONE),
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, "create_run", interaction="i", wait=False)
        seen, offset = "", 0
        while True:
            look = await call(client, "stream_run", run_id="r1", offset=offset, wait=False)
            if look.structured["status"] == "completed":
                break
            assert look.structured["next_offset"] == offset + len(look.structured["text"])
            seen, offset = seen + look.structured["text"], look.structured["next_offset"]
            if seen == "Hello ":
                finish.set()
        assert seen in ("Hello ", "Hello world"), "the last words are missing only if the run had ended"
        assert api.count(STREAM) == 1


async def test_cancelling_a_call_ends_its_progress_and_not_its_run(connect: Connect) -> None:
    finish = anyio.Event()
    replies: Replies = {
        RUN: reply(CREATED),
        STREAM: events(chunk("Hello "), finish, chunk("world"), CLOSE),
        GET: reply(DONE),
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        cancelled = anyio.CancelScope()

        class Cancelling(Notifications):
            async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
                await super().__call__(progress, total, message)
                cancelled.cancel()

        progress = Cancelling()
        with cancelled:
            await call(client, "create_run", progress=progress, interaction="i")
        assert progress.text == "Hello "
        finish.set()
        ended = await call(client, "stream_run", run_id="r1")
        assert ended.structured["status"] == "completed"
        assert progress.text == "Hello "
        assert api.count(STREAM) == 1


async def test_a_failed_create_that_names_its_run_gives_that_run(connect: Connect) -> None:
    failed = {"id": "r1", "status": "failed", "error": {"code": "boom", "message": "The model broke."}}
    async with (
        upstream.serving({RUN: reply(failed, 500), GET: reply(failed)}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, "create_run", interaction="i")
        assert not answer.failed
        assert "boom: The model broke." in answer.text
        assert api.asked == [RUN, GET]


async def test_each_wait_before_a_retry_is_reported_as_progress(connect: Connect) -> None:
    busy = reply({"message": "busy"}, 503, {"retry-after": "0"})
    replies: Replies = {"GET /runs": [busy, busy, reply([DONE])], RUN: [busy, reply(CREATED)], GET: reply(DONE)}
    replies = {**replies, STREAM: events(chunk("Hello "), chunk("world"), CLOSE)}
    async with upstream.serving(replies) as api:
        patient = configured(api)
        patient = patient.model_copy(update={"api": api.api.model_copy(update={"max_retries": 4})})
        async with connect(patient) as client:
            listing, creating = Notifications(), Notifications()
            assert not (await call(client, "list_runs", progress=listing)).failed
            await call(client, "create_run", progress=creating, interaction="i1")
    assert listing.messages == ["[waiting 0.0 s to ask again: The Runs API failed]\n"] * 2
    assert creating.text == "[waiting 0.0 s to ask again: The Runs API failed]\nHello world"
    assert strictly_increasing(creating.values)
