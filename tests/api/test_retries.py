"""Retries: which requests are repeated, when, after which delay, and which are never repeated."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
import respx

from runs_mcp.api import ProtocolError, RateLimitedError, RunsApiError, UnavailableError
from tests.api.conftest import Open

pytestmark = pytest.mark.anyio

RUN = {"id": "r1", "status": "completed"}
GOOD = httpx.Response(200, json=RUN)
PACING = {"x-ratelimit-reason": "pacing", "x-ratelimit-retry-ms": "1500"}


@pytest.mark.parametrize(
    "trouble",
    [
        *[pytest.param(httpx.Response(status), id=str(status)) for status in (408, 429, 500, 502, 503, 504)],
        pytest.param(httpx.ConnectError("x"), id="no connection"),
        pytest.param(httpx.ReadError("x"), id="broken off"),
        pytest.param(httpx.RemoteProtocolError("x"), id="closed on us"),
    ],
)
async def test_a_read_is_repeated_until_it_is_answered(
    router: respx.MockRouter, open_client: Open, waits: list[float], trouble: Any
) -> None:
    route = router.route().mock(side_effect=[trouble, trouble, GOOD])
    async with open_client(max_retries=4) as client:
        assert (await client.get_run("r1")).id == "r1"
    assert route.call_count == 3
    assert len(waits) == 2
    assert all(0 <= wait <= 8 for wait in waits)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
async def test_permanent_failures_are_not_retried(router: respx.MockRouter, open_client: Open, status: int) -> None:
    route = router.route().mock(return_value=httpx.Response(status))
    async with open_client(max_retries=4) as client:
        with pytest.raises(RunsApiError):
            await client.get_run("r1")
    assert route.call_count == 1


async def test_retries_end_after_max_retries(router: respx.MockRouter, open_client: Open) -> None:
    route = router.route().mock(return_value=httpx.Response(500))
    async with open_client(max_retries=2) as client:
        with pytest.raises(UnavailableError):
            await client.get_run("r1")
    assert route.call_count == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after": " 3 "}, 3, id="seconds with spaces"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="a fraction"),
        pytest.param({"retry-after": "3"}, 3, id="seconds"),
        pytest.param({"retry-after-ms": "250"}, 0.25, id="milliseconds"),
        pytest.param({"x-ratelimit-retry-ms": "1500", "retry-after": "9"}, 1.5, id="the exact one first"),
        pytest.param(
            {"retry-after": format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)},
            0,
            id="a date gone by",
        ),
    ],
)
async def test_retries_wait_as_long_as_retry_after(
    router: respx.MockRouter, open_client: Open, waits: list[float], headers: dict[str, str], seconds: float
) -> None:
    router.route().mock(side_effect=[httpx.Response(503, headers=headers), GOOD])
    async with open_client(max_retries=4) as client:
        await client.get_run("r1")
    assert waits == [seconds]


async def test_a_retry_after_beyond_the_patience_of_a_caller_ends_the_retries(
    router: respx.MockRouter, open_client: Open, waits: list[float]
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    router.route().mock(return_value=httpx.Response(503, headers={"retry-after": date}))
    async with open_client(max_retries=4) as client:
        with pytest.raises(UnavailableError) as failed:
            await client.get_run("r1")
    assert waits == []
    assert failed.value.retry_after_s
    assert 3_500 < failed.value.retry_after_s <= 3_600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("9" * 400, 86_400),
        ("99999999", 86_400),
        ("30.1234567", 30.1234567),
        ("²", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
    ],
)
async def test_an_unreasonable_wait_is_bounded_or_ignored(
    router: respx.MockRouter, open_client: Open, value: str, seconds: float | None
) -> None:
    headers = httpx.Headers([(b"retry-after", value.encode())])
    router.route().mock(return_value=httpx.Response(429, headers=headers))
    async with open_client() as client:
        with pytest.raises(RateLimitedError) as refused:
            await client.get_run("r1")
    assert refused.value.retry_after_s == seconds


async def test_an_exhausted_quota_is_not_retried(router: respx.MockRouter, open_client: Open) -> None:
    route = router.route().mock(return_value=httpx.Response(429, headers={"x-ratelimit-reason": "quota"}))
    async with open_client(max_retries=4) as client:
        with pytest.raises(RateLimitedError) as refused:
            await client.get_run("r1")
    assert refused.value.reason == "quota"
    assert route.call_count == 1


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(httpx.ConnectError("x"), id="no connection"),
        pytest.param(httpx.Response(429, headers=PACING), id="paced"),
        pytest.param(httpx.Response(503, headers={"retry-after": "1"}), id="turned away"),
    ],
)
async def test_a_create_is_sent_again_where_nothing_was_processed(
    router: respx.MockRouter, open_client: Open, trouble: Any
) -> None:
    route = router.route().mock(side_effect=[trouble, GOOD])
    async with open_client(max_retries=4) as client:
        assert (await client.create_run(interaction="i1")).id == "r1"
    assert route.call_count == 2


@pytest.mark.parametrize(
    "trouble",
    [
        *[pytest.param(httpx.Response(status), id=str(status)) for status in (408, 500, 502, 503, 504)],
        pytest.param(httpx.ReadTimeout("x"), id="no answer in time"),
        pytest.param(httpx.ReadError("x"), id="broken off"),
        pytest.param(httpx.RemoteProtocolError("x"), id="closed on us"),
        pytest.param(httpx.Response(200, text="not JSON"), id="not JSON"),
    ],
)
async def test_a_create_that_may_have_arrived_is_never_sent_again(
    router: respx.MockRouter, open_client: Open, trouble: Any
) -> None:
    route = router.route().mock(side_effect=[trouble, GOOD])
    async with open_client(max_retries=4) as client:
        with pytest.raises(RunsApiError) as failed:
            await client.create_run(interaction="i1")
    assert failed.value.outcome_unknown
    assert route.call_count == 1


REFUSALS_WITH_A_RUN = [
    pytest.param(429, {}, id="429"),
    pytest.param(429, PACING, id="429, pacing"),
    pytest.param(503, {"retry-after": "1"}, id="503 with Retry-After"),
    pytest.param(401, {}, id="401"),
]
FAILED = {"id": "r1", "status": "failed", "error": {"code": "rate_limited", "message": "Too many tokens"}}


@pytest.mark.parametrize(("status", "headers"), REFUSALS_WITH_A_RUN)
async def test_a_create_whose_refusal_names_its_run_is_sent_once_and_returns_that_run(
    router: respx.MockRouter, open_client: Open, status: int, headers: dict[str, str]
) -> None:
    create = router.post(path__regex="/runs$").mock(return_value=httpx.Response(status, json=FAILED, headers=headers))
    router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(200, json=FAILED))
    async with open_client(max_retries=4) as client:
        run = await client.create_run(interaction="i1", stream=False)
    assert run.raw == FAILED
    assert create.call_count == 1


@pytest.mark.parametrize("status", [403, 500])
async def test_a_run_that_a_failed_create_names_is_returned_by_its_id_if_it_cannot_be_read(
    router: respx.MockRouter, open_client: Open, status: int
) -> None:
    router.post(path__regex="/runs$").mock(return_value=httpx.Response(429, json=FAILED))
    router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(status))
    async with open_client() as client:
        run = await client.create_run(interaction="i1")
    assert run.raw == {"id": "r1"}


async def test_a_failed_create_that_names_no_existing_run_has_an_unknown_outcome(
    router: respx.MockRouter, open_client: Open
) -> None:
    create = router.post(path__regex="/runs$").mock(return_value=httpx.Response(429, json=FAILED))
    router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(404))
    async with open_client(max_retries=4) as client:
        with pytest.raises(RateLimitedError) as failed:
            await client.create_run(interaction="i1")
    assert failed.value.outcome_unknown
    assert create.call_count == 1


@pytest.mark.parametrize(("status", "headers"), REFUSALS_WITH_A_RUN)
async def test_a_stream_whose_refusal_names_its_run_is_opened_once(
    router: respx.MockRouter, open_client: Open, status: int, headers: dict[str, str]
) -> None:
    route = router.route().mock(return_value=httpx.Response(status, json=FAILED, headers=headers))
    async with open_client(max_retries=4) as client:
        with pytest.raises(RunsApiError) as failed:
            async with client.stream_run("r1"):
                pass
    assert failed.value.run_id == "r1"
    assert route.call_count == 1


async def test_a_stream_that_the_rate_limiter_refuses_is_opened_again(
    router: respx.MockRouter, open_client: Open
) -> None:
    stream = httpx.Response(200, text="event: close\ndata: {}\n\n", headers={"content-type": "text/event-stream"})
    route = router.route().mock(side_effect=[httpx.Response(429, headers=PACING), stream])
    async with open_client(max_retries=4) as client, client.stream_run("r1") as events:
        assert [event async for event in events]
    assert route.call_count == 2


async def test_every_wait_is_reported(router: respx.MockRouter, open_client: Open) -> None:
    told: list[tuple[float, int | None]] = []

    async def on_wait(seconds: float, error: RunsApiError) -> None:
        told.append((seconds, error.status))

    router.route().mock(side_effect=[httpx.Response(503, headers={"retry-after": "2"}), GOOD])
    async with open_client(max_retries=4, on_wait=on_wait) as client:
        await client.get_run("r1")
    assert told == [(2, 503)]


async def test_requests_beyond_the_limit_wait_their_turn(router: respx.MockRouter, open_client: Open) -> None:
    under_way, most = 0, 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.wait_all_tasks_blocked()
        under_way -= 1
        return GOOD

    router.route().mock(side_effect=answer)
    async with open_client(max_concurrent=3) as client, anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(client.get_run, "r1")
    assert most == 3


async def test_a_blocking_create_does_not_delay_other_requests(router: respx.MockRouter, open_client: Open) -> None:
    executed = anyio.Event()

    async def execute(_: httpx.Request) -> httpx.Response:
        await executed.wait()
        return GOOD

    router.post("/api/v1/runs").mock(side_effect=execute)
    router.get(path__regex="/api/v1/runs/.*").mock(return_value=GOOD)
    async with open_client(max_concurrent=1) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(client.create_run, interaction="i1", stream=False))
        await anyio.wait_all_tasks_blocked()
        assert (await client.get_run("r1")).id == "r1"
        executed.set()


async def test_a_redirect_is_not_followed_so_that_no_other_host_sees_the_token(
    router: respx.MockRouter, open_client: Open
) -> None:
    elsewhere = router.route(host="elsewhere.example").mock(return_value=GOOD)
    router.route().mock(return_value=httpx.Response(307, headers={"location": "https://elsewhere.example/runs"}))
    async with open_client(max_retries=4) as client:
        with pytest.raises(ProtocolError, match="status 307"):
            await client.list_runs()
    assert not elsewhere.called
