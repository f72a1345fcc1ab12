"""Metrics: values that Prometheus reads after known calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from mcp.shared.exceptions import MCPError
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp import __version__
from runs_mcp.api import Exchange, RunsApiError, RunsClient, connect
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.redis.connection import skip_if_redis_fails
from tests import upstream
from tests.calls import Notifications, call
from tests.http.service import Running, configured, connected, running
from tests.ports import LOOPBACK
from tests.upstream import CLOSE, Replies, Upstream, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

CREATED = {"id": "r1", "status": "created"}
DONE = {"id": "r1", "status": "completed", "result": "Hello"}


def measured(at: Running, name: str, **labels: str) -> float | None:
    """Return the value of a sample, or None without such a sample."""
    assert at.service.metrics
    text = generate_latest(at.service.metrics.registry).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
    assert len(found) <= 1
    return found[0] if found else None


def kept(api: Upstream, **settings: Any) -> Config:
    return configured(api, metrics="127.0.0.1:0", **settings)


async def test_calls_are_counted_by_tool_and_outcome_and_timed(mode: str) -> None:
    replies = {"GET /runs": reply([DONE]), "GET /runs/r2": reply({}, 404)}
    async with upstream.serving(replies) as api, running(kept(api)) as at, connected(at, mode) as client:
        await call(client, "list_runs")
        await call(client, "list_runs", limit=2)
        assert (await call(client, "list_runs", limits=2)).failed
        assert (await call(client, "get_run", run_id="r2")).failed
        with pytest.raises(MCPError):
            await client.call_tool("no_such_tool_1", {})
        with pytest.raises(MCPError):
            await client.call_tool("no_such_tool_2", {})
        assert measured(at, "runs_mcp_calls_total", tool="list_runs", outcome="ok") == 2
        assert measured(at, "runs_mcp_calls_total", tool="list_runs", outcome="failed") == 1
        assert measured(at, "runs_mcp_calls_total", tool="get_run", outcome="failed") == 1
        assert measured(at, "runs_mcp_calls_total", tool="unknown", outcome="refused") == 2
        assert measured(at, "runs_mcp_call_seconds_count", tool="list_runs") == 3
        assert measured(at, "runs_mcp_call_seconds_bucket", tool="list_runs", le="+Inf") == 3


async def test_requests_to_the_api_are_counted_by_operation_and_status_and_timed() -> None:
    again = reply({}, 503, {"retry-after": "0"})
    replies: Replies = {
        "GET /runs": [again, again, reply([])],
        "GET /runs/r2": reply({}, 404),
        "POST /runs/search": reply([]),
        "POST /runs/facets": reply({}),
    }
    async with (
        upstream.serving(replies) as api,
        running(kept(api, max_retries=2)) as at,
        connected(at, "auto") as client,
    ):
        await call(client, "list_runs")
        await call(client, "get_run", run_id="r2")
        await call(client, "search_runs", query="words")
        for operation, status, count in (
            ("GET /runs", "503", 2),
            ("GET /runs", "200", 1),
            ("GET /runs/{run_id}", "404", 1),
            ("POST /runs/search", "200", 1),
        ):
            seen = measured(at, "runs_mcp_upstream_requests_total", operation=operation, status=status)
            assert seen == count, operation
        assert measured(at, "runs_mcp_upstream_retries_total", error="UnavailableError") == 2
        assert measured(at, "runs_mcp_upstream_seconds_count", operation="GET /runs") == 3


async def test_warnings_are_counted_by_logger() -> None:
    async with upstream.serving({}) as api, running(kept(api)) as at:
        assert at.service.metrics
        with at.service.metrics.serve(LOOPBACK, 0), skip_if_redis_fails("testing"):
            raise OSError
        with skip_if_redis_fails("testing"):
            raise OSError
        assert measured(at, "runs_mcp_warnings_total", logger="runs_mcp.redis.connection") == 1


async def test_a_request_that_gets_no_answer_has_no_status() -> None:
    asked = anyio.Event()

    async def silent(_: Request) -> Response:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with upstream.serving({"GET /runs": silent}) as api, running(kept(api)) as at:
        async with anyio.create_task_group() as tasks, connected(at, "auto") as client:
            tasks.start_soon(call, client, "list_runs")
            await asked.wait()
            assert measured(at, "runs_mcp_calls_in_flight") == 1
            tasks.cancel_scope.cancel()
        for server in at.service.servers:
            await server.idle()
        assert measured(at, "runs_mcp_upstream_requests_total", operation="GET /runs", status="none") == 1
        assert measured(at, "runs_mcp_calls_total", tool="list_runs", outcome="cancelled") == 1


async def test_gauges_count_work_in_progress() -> None:
    ended = anyio.Event()
    gauges = ("http_requests_in_flight", "http_streams_open", "calls_in_flight", "runs_followed")
    meanwhile: list[float | None] = []

    class Looking(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            if message == "Hello":
                meanwhile.extend(measured(at, f"runs_mcp_{name}") for name in gauges)
                ended.set()

    replies = {
        "POST /runs": reply(CREATED),
        "GET /runs/r1": reply(DONE),
        "GET /runs/r1/stream": events(chunk("Hello"), ended, CLOSE),
    }
    async with upstream.serving(replies) as api, running(kept(api)) as at, connected(at, "auto") as client:
        await call(client, "create_run", interaction="i", progress=Looking())
        assert meanwhile == [1, 1, 1, 1]
        assert [measured(at, f"runs_mcp_{name}") for name in gauges] == [0, 0, 0, 0]


async def test_answers_are_counted_by_status_and_probes_are_not() -> None:
    async with upstream.serving({"GET /runs": reply([])}) as api, running(kept(api)) as at:
        await at.get("/readyz")
        await at.get("/nowhere")
        await at.ask("tools/list")
        await at.ask("tools/list", host="evil.example")
        for status in ("200", "404", "421"):
            assert measured(at, "runs_mcp_http_responses_total", status=status) == 1, status


@pytest.fixture
async def scraped() -> AsyncIterator[str]:
    """Yield the text of the metrics endpoint."""
    async with upstream.serving({}) as api, running(kept(api)) as at:
        assert at.service.metrics
        with at.service.metrics.serve("127.0.0.1", 0) as (host, port):
            yield (await at.http.get(f"http://{host}:{port}/metrics")).text
            assert (await at.get("/metrics")).status_code == 404, "callers cannot read the metrics"
        with pytest.raises(httpx.ConnectError):
            await at.http.get(f"http://{host}:{port}/metrics")


async def test_metrics_have_an_address_of_their_own_while_the_service_runs(scraped: str) -> None:
    assert f'version="{__version__}"' in scraped
    assert "process_resident_memory_bytes" in scraped


async def test_metrics_are_off_by_default() -> None:
    async with upstream.serving({}) as api, running(configured(api)) as at:
        assert at.service.metrics is None


async def open_stream(client: RunsClient) -> None:
    async with client.stream_run("a/b"):
        raise AssertionError("the answer is no stream")


@pytest.mark.parametrize(
    ("secret", "ask", "named"),
    [
        pytest.param("token", RunsClient.list_runs, "/runs", id="list"),
        pytest.param("token", partial(RunsClient.create_run, interaction="i"), "/runs", id="create"),
        pytest.param("token", RunsClient.search_runs, "/runs/search", id="search"),
        pytest.param(
            "token",
            lambda client: client.get_filter_options("tag"),
            "/runs/filter-options/{field}",
            id="filter options",
        ),
        pytest.param("token", lambda client: client.get_run("a/b"), "/runs/{run_id}", id="run with a slash in its id"),
        pytest.param("token", open_stream, "/runs/{run_id}/stream", id="stream"),
        pytest.param("token", lambda client: client.catalog.list_environments(), "/environments", id="environments"),
        pytest.param(
            "token",
            lambda client: client.catalog.resolve_interaction("acme/i"),
            "/interactions/resolve/{interaction}",
            id="an interaction",
        ),
        pytest.param("api_key", RunsClient.list_runs, "(token exchange)", id="token"),
    ],
)
async def test_operations_are_labelled_without_their_parameters(
    secret: str, ask: Callable[[RunsClient], Awaitable[object]], named: str
) -> None:
    templates: list[str] = []

    def observe(exchange: Exchange) -> AbstractContextManager[None]:
        templates.append(exchange.template)
        return nullcontext()

    settings = ApiSettings.model_validate({"auth": {"kind": secret, "value": "a-secret"}})
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=[]))
    async with connect(settings, transport=transport, observers=[observe]) as client:
        with suppress(RunsApiError):
            await ask(client)
    assert templates == [named]
