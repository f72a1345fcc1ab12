"""Faulty streams: the call ends with the final run, and no piece is shown twice, cut or out of order.

After a stream breaks, the rest of the text comes from the final run, if the final text starts with the shown text.
"""

from itertools import pairwise

import anyio
import pytest

from tests import upstream
from tests.calls import Notifications, call
from tests.conftest import Connect
from tests.server.test_streaming import CREATED, DONE, GET, PROCESSING, RUN, STREAM, configured
from tests.upstream import CLOSE, Replies, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_polls")]

LARGE = "x" * 3_000_000
HELLO = chunk("Hello ")

FAULTS = [
    pytest.param([HELLO, None], "Hello world", id="dropped"),
    pytest.param([HELLO], "Hello world", id="ended without close"),
    pytest.param([HELLO, 'data: "wor', None], "Hello world", id="half an event"),
    pytest.param([], "Hello world", id="nothing at all"),
    pytest.param([CLOSE], "", id="closed before anything"),
    pytest.param([HELLO, "event: close\n\n"], "Hello ", id="close with no data"),
    pytest.param([HELLO, "event: close\ndata: {\n\n"], "Hello ", id="close with broken data"),
    pytest.param([HELLO, CLOSE, chunk("more")], "Hello ", id="more after close"),
    pytest.param([chunk(LARGE), CLOSE], LARGE, id="an event of 3 MB"),
    pytest.param([HELLO, 'data: {"a": \n\n', CLOSE], 'Hello {"a": ', id="invalid JSON"),
    pytest.param([HELLO, b'data: "\xff\xfe"\n\n', CLOSE], "Hello \ufffd\ufffd", id="invalid UTF-8"),
    pytest.param([HELLO, ": keep-alive\n\n", "\n\n", chunk("world"), CLOSE], "Hello world", id="keep-alives"),
    pytest.param([HELLO, 'event: unheard-of\ndata: "!"\n\n', CLOSE], "Hello ", id="an event of another kind"),
    pytest.param([HELLO + chunk("world") + CLOSE], "Hello world", id="held back by a proxy, and sent at once"),
    pytest.param(
        [*(one for letter in "data" for one in [letter]), ': "Hello "\n', "\n", CLOSE], "Hello ", id="in bits"
    ),
]


@pytest.mark.parametrize(("parts", "written"), FAULTS)
async def test_a_faulty_stream_still_yields_the_final_run_and_no_chunk_twice(
    connect: Connect, parts: list[str | bytes | None], written: str
) -> None:
    progress = Notifications()
    replies: Replies = {RUN: reply(CREATED), STREAM: events(*parts), GET: [reply(PROCESSING), reply(DONE)]}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", progress=progress, interaction="i1")
        assert (api.count(RUN), api.count(STREAM)) == (1, 1)
    assert not answer.failed
    assert answer.structured["result"] == "Hello world"
    assert progress.text == written
    assert all(earlier < later for earlier, later in pairwise(progress.values))


async def test_a_stream_that_stays_silent_is_left_once_its_run_has_ended(connect: Connect) -> None:
    never = anyio.Event()
    looks = [reply(PROCESSING), reply({"message": "busy"}, 503), reply(DONE)]
    replies: Replies = {RUN: reply(CREATED), STREAM: events(HELLO, never), GET: looks}
    async with upstream.serving(replies) as api:
        async with connect(configured(api, stall_s=0.05)) as client:
            answer = await call(client, "create_run", interaction="i1")
        never.set()
    assert answer.structured["result"] == "Hello world"


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_a_refused_stream_is_reported_with_the_state_of_its_run(connect: Connect, status: int) -> None:
    refused = reply({"message": "Not today."}, status)
    replies: Replies = {RUN: reply(CREATED), STREAM: refused, GET: reply(CREATED)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i1")
        assert api.count(RUN) == 1
    assert answer.failed
    assert f"({status})" in answer.text
    assert 'get_run(run_id="r1")' in answer.text
    assert "Do not create it again" in answer.text
