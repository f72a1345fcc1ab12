"""The limit of started runs: calls that count, calls that are refused, and the time until the next create."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client

from runs_mcp.config.settings import Config, CreateLimitSettings
from runs_mcp.server import build_server
from runs_mcp.server.create.create_limit import CreateLimit, CreateLimitError, OwnStartCounts
from runs_mcp.server.render import error_messages
from tests import upstream
from tests.calls import PATIENT, call
from tests.http.service import Clock
from tests.server.test_elicitation import Person, asking
from tests.server.test_streaming import configured
from tests.upstream import CLOSE, Replies, Upstream, chunk, events, reply

pytestmark = pytest.mark.anyio

CREATE = {"interaction": "ExtractContacts", "data": {"text": "Ann is ann@example.com"}}
NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).timestamp()


def limited(config: Config, **limit: int) -> Config:
    server = config.server.model_copy(update={"create_limit": CreateLimitSettings.model_validate(limit)})
    return config.model_copy(update={"server": server})


@asynccontextmanager
async def serving(config: Config, **limit: int) -> AsyncIterator[Client]:
    async with Client(build_server(limited(config, **limit)).mcp, client_info=PATIENT) as client:
        yield client


async def test_beyond_the_limit_a_create_is_refused_with_the_time_when_it_is_possible(config: Config) -> None:
    async with serving(config, per_hour=2) as client:
        for _ in range(2):
            assert not (await call(client, "create_run", **CREATE)).failed
        refused = await call(client, "create_run", **CREATE)
        assert not (await call(client, "list_runs")).failed
    assert refused.failed
    assert refused.text.startswith(
        "At most 2 runs may be started in any hour (server.create_limit.per_hour); 0 are left"
    )
    assert "Nothing was sent. No run was created. Creating it is possible from 2" in refused.text
    assert " UTC, in 6" in refused.text


async def test_a_batch_above_the_remaining_limit_creates_no_run(config: Config) -> None:
    async with serving(config, per_hour=100, per_day=5) as client:
        await call(client, "create_run", **CREATE)
        before = (await call(client, "compute_run_facets")).structured["total"]
        batches: list[dict[str, Any]] = [
            {"interaction": "ExtractContacts", "inputs": [CREATE["data"]] * 5},
            {**CREATE, "models": ["a", "b", "c", "d", "e"]},
            {"like": [one["id"] for one in (await call(client, "list_runs", limit=5)).structured["runs"]]},
        ]
        for batch in batches:
            refused = await call(client, "create_run", **batch)
            assert refused.failed
            assert "4 are left, and this call wants 5." in refused.text
        assert (await call(client, "compute_run_facets")).structured["total"] == before
        assert not (await call(client, "create_run", interaction="ExtractContacts", inputs=[CREATE["data"]] * 4)).failed


async def test_a_batch_above_the_whole_limit_asks_for_a_smaller_batch(config: Config) -> None:
    async with serving(config, per_hour=2) as client:
        refused = await call(client, "create_run", interaction="ExtractContacts", inputs=[CREATE["data"]] * 3)
    assert "That many are never possible in one call: ask for fewer." in refused.text


async def test_creates_of_interaction_tools_count_toward_the_limit(config: Config) -> None:
    server = config.server.model_copy(
        update={"interaction_tools": config.server.interaction_tools.model_copy(update={"include": ("*",)})}
    )
    async with serving(config.model_copy(update={"server": server}), per_hour=1) as client:
        first = await call(client, "run_extract_contacts", **CREATE["data"])  # type: ignore[arg-type]
        second = await call(client, "run_extract_contacts", **CREATE["data"])  # type: ignore[arg-type]
    assert not first.failed
    assert "server.create_limit.per_hour" in second.text


async def test_runs_above_the_limit_are_refused_without_a_question(config: Config, mode: str) -> None:
    person = Person(confirm="yes")
    confirming = config.model_copy(update={"server": config.server.model_copy(update={"confirm_create": True})})
    async with asking(limited(confirming, per_hour=1), mode, person) as client:
        await call(client, "create_run", **CREATE)
        refused = await call(client, "create_run", **CREATE)
    assert refused.failed
    assert len(person.asked) == 1


async def test_a_repeated_request_key_does_not_count_again(config: Config) -> None:
    async with serving(config, per_hour=3) as client:
        inputs = [CREATE["data"]] * 3
        batch = {"interaction": "ExtractContacts", "inputs": inputs, "request_key": "limited"}
        first = await call(client, "create_run", **batch)
        again = await call(client, "create_run", **batch)
    assert not again.failed
    assert [one["id"] for one in again.structured["runs"]] == [one["id"] for one in first.structured["runs"]]


async def test_refused_creates_do_not_count_toward_the_limit(config: Config) -> None:
    async with serving(config, per_hour=1) as client:
        assert (await call(client, "create_run", interaction="ExtractContacts", data={"txt": ""})).failed
        assert not (await call(client, "create_run", **CREATE)).failed


LOST: Replies = {"POST /runs": reply({"message": "gone"}, 502), "GET /runs": reply({"message": "gone"}, 502)}


NOT_A_RUN: Replies = {"POST /runs": reply(None), "GET /runs": reply([])}


@pytest.mark.parametrize("replies", [pytest.param(LOST, id="lost"), pytest.param(NOT_A_RUN, id="not a run")])
async def test_creates_with_an_unknown_outcome_count_toward_the_limit(replies: Replies) -> None:
    async with upstream.serving(replies) as api:
        config = configured(api)
        untagged = config.model_copy(update={"server": config.server.model_copy(update={"create_tag": False})})
        async with serving(untagged, per_hour=1) as client:
            lost = await call(client, "create_run", interaction="i")
            refused = await call(client, "create_run", interaction="i")
        assert api.count("POST /runs") == 1
    assert "not known whether a run was created" in lost.text
    assert "server.create_limit" in refused.text


def unstarted(number: int) -> Replies:
    run = {"id": f"r{number}", "status": "created"}
    done = {**run, "status": "completed", "result": "text"}
    return {
        f"GET /runs/r{number}": [reply(run), reply(done)],
        f"GET /runs/r{number}/stream": events(chunk("text"), CLOSE),
    }


@asynccontextmanager
async def with_unstarted_runs() -> AsyncIterator[Upstream]:
    ended = {"id": "r9", "status": "completed", "result": "text"}
    async with upstream.serving({**unstarted(1), **unstarted(2), "GET /runs/r9": reply(ended)}) as api:
        yield api


async def test_only_a_followed_run_that_starts_counts_toward_the_limit() -> None:
    async with with_unstarted_runs() as api, serving(configured(api), per_hour=1) as client:
        assert not (await call(client, "stream_run", run_id="r9")).failed
        assert not (await call(client, "stream_run", run_id="r1")).failed
        refused = await call(client, "stream_run", run_id="r2")
        assert not (await call(client, "stream_run", run_id="r9")).failed
        assert api.count("GET /runs/r2/stream") == 0
    assert "server.create_limit.per_hour" in refused.text


async def test_the_time_of_the_next_create_is_exact() -> None:
    clock = Clock(NOON)
    limit = CreateLimit(CreateLimitSettings(per_hour=2, per_day=3), OwnStartCounts(clock))
    await limit.take()
    clock.now += 35 * 60
    await limit.take()
    with pytest.raises(CreateLimitError) as refused:
        await limit.take()
    assert "Creating it is possible from 2026-11-27 13:01 UTC, in 26 min." in error_messages.over_create_limit(
        refused.value
    )
    clock.now += 26 * 60
    await limit.take()
    with pytest.raises(CreateLimitError) as refused:
        await limit.take()
    assert refused.value.window.name == "day"
    assert refused.value.free_at == datetime(2026, 11, 28, 12, 1, tzinfo=UTC)


@given(waits=st.lists(st.integers(0, 2_000), max_size=60))
async def test_no_hour_ever_holds_more_than_the_limit(waits: list[int]) -> None:
    clock, started = Clock(NOON), []
    limit = CreateLimit(CreateLimitSettings(per_hour=3), OwnStartCounts(clock))
    for wait in waits:
        clock.now += wait
        try:
            await limit.take()
        except CreateLimitError:
            continue
        started.append(clock.now)
    assert all(later - earlier >= 3_600 for earlier, later in zip(started, started[3:], strict=False))
