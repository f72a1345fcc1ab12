"""Limits: requests per minute of a caller, requests at once in the process, and the time to retry after a refusal."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.settings import ProfileSettings
from runs_mcp.gcra import GcraLimiter
from runs_mcp.http.auth import keys
from tests import upstream
from tests.calls import Notifications, call
from tests.http.service import Clock, Running, bearer, configured, connected, running
from tests.upstream import CLOSE, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

LIST = "tools/list"
CREATED = {"id": "r1", "status": "created"}
DONE = {"id": "r1", "status": "completed", "result": "Hello"}


async def statuses(at: Running, count: int, **headers: str) -> list[int]:
    return [(await at.ask(LIST, **headers)).status_code for _ in range(count)]


async def test_a_caller_above_the_rate_gets_a_429_and_is_served_after_retry_after() -> None:
    clock = Clock()
    async with upstream.serving({}) as api, running(configured(api, rate_limit=3), now=clock) as at:
        assert await statuses(at, 3) == [200] * 3
        refused = await at.ask(LIST)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
        said = "3 requests a minute are allowed (rate_limit). Nothing was done. Try again in 20 s."
        assert refused.json()["error"]["message"] == said
        clock.now += 20
        assert await statuses(at, 2) == [200, 429]
        clock.now += 3_600
        assert await statuses(at, 4) == [200, 200, 200, 429], "at most the requests of a minute accumulate"


async def test_a_client_of_either_era_reads_the_reason_of_a_429(mode: str) -> None:
    clock = Clock()
    async with (
        upstream.serving({}) as api,
        running(configured(api, rate_limit=2), now=clock) as at,
        connected(at, mode) as client,
    ):
        await client.list_tools(cache_mode="bypass")  # one request was used to connect
        with pytest.raises(MCPError, match=r"2 requests a minute are allowed .* Try again in 30 s"):
            await client.list_tools(cache_mode="bypass")
        clock.now += 60
        assert (await client.list_tools(cache_mode="bypass")).tools


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param({"jsonrpc": "2.0", "method": "notifications/cancelled"}, 202, id="a notification"),
        pytest.param({"jsonrpc": "2.0", "id": 7, "result": {}}, 400, id="an answer, which this era has no use for"),
        pytest.param({"jsonrpc": "2.0", "id": 7, "method": "ping"}, 429, id="a request"),
    ],
)
async def test_notifications_are_never_refused(message: Any, status: int) -> None:
    async with upstream.serving({}) as api, running(configured(api, rate_limit=1), now=Clock()) as at:
        assert await statuses(at, 2) == [200, 429]
        assert (await at.post(message, **{"mcp-protocol-version": "2026-07-28"})).status_code == status


async def test_callers_behind_a_proxy_are_distinguished_by_address() -> None:
    async with upstream.serving({}) as api, running(configured(api, rate_limit=1), now=Clock()) as at:
        assert await statuses(at, 2, **{"x-forwarded-for": "192.0.2.1"}) == [200, 429]
        assert await statuses(at, 1, **{"x-forwarded-for": "192.0.2.2"}) == [200]


async def test_named_callers_have_separate_rates_and_profiles_their_own_limits(
    tmp_path: Path,
) -> None:
    file = tmp_path / "keys.json"
    caller = {name: bearer(keys.add(file, name, ("runs:read",))) for name in ("a", "b", "acme")}
    auth = BearerAuthSettings(kind="bearer", keys_file=file)
    profiles = {"acme": ProfileSettings(callers=("acme",), rate_limit=3)}
    async with upstream.serving({}) as api:
        config = configured(api, rate_limit=1, auth=auth, without_profile="serve")
        async with running(config.model_copy(update={"profiles": profiles}), now=Clock()) as at:
            assert await statuses(at, 2, **caller["a"]) == [200, 429]
            assert await statuses(at, 2, **caller["b"]) == [200, 429]
            assert await statuses(at, 4, **caller["acme"]) == [200, 200, 200, 429]


async def test_the_number_of_rate_buckets_is_bounded() -> None:
    buckets = GcraLimiter(Clock(), most=2)
    for caller in ("a", "b", "a", "c"):
        await buckets.wait_s(caller, 1)
    assert [bool(await buckets.wait_s(caller, 1)) for caller in ("a", "c", "b")] == [True, True, False]


async def test_a_full_server_refuses_further_requests_and_still_answers_probes() -> None:
    ended = anyio.Event()
    replies = {
        "GET /runs": reply([]),
        "POST /runs": reply(CREATED),
        "GET /runs/r1": reply(DONE),
        "GET /runs/r1/stream": events(chunk("Hello"), ended, CLOSE),
    }
    refused = []

    class Meanwhile(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            if message == "Hello":
                refused.extend([await at.ask(LIST), await at.get("/healthz"), await at.get("/readyz")])
                ended.set()

    async with (
        upstream.serving(replies) as api,
        running(configured(api, max_requests=1)) as at,
        connected(at, "auto") as client,
    ):
        answer = await call(client, "create_run", interaction="i", progress=Meanwhile())
        assert not answer.failed
        assert [response.status_code for response in refused] == [503, 200, 200]
        assert refused[0].headers["retry-after"] == "1"
        assert "1 requests are being served already" in refused[0].json()["error"]["message"]
        assert await statuses(at, 1) == [200]
