"""Streams through all middleware: text arrives immediately, and a stream ends when its caller leaves."""

from functools import partial
from pathlib import Path

import anyio
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.http.auth import keys
from tests import upstream
from tests.calls import Notifications, call
from tests.http.service import bearer, configured, connected, running
from tests.server.test_cancellation import PROMISED_S, Endless
from tests.upstream import CLOSE, Upstream, chunk, events, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

CREATED = {"id": "r1", "status": "created"}
DONE = {"id": "r1", "status": "completed", "result": "one two three "}
ORIGIN = "https://chat.example.com"


@pytest.fixture
def key(tmp_path: Path) -> str:
    """The key of a caller who may create runs."""
    return keys.add(tmp_path / "keys.json", "ci", ("runs:read", "runs:create"))


@pytest.fixture
def headers(key: str) -> dict[str, str]:
    """Return the headers that a caller's browser sends."""
    return {**bearer(key), "origin": ORIGIN, "x-request-id": "ticket-1"}


def everything(api: Upstream, folder: Path) -> Config:
    """Return a configuration with all middleware in front of the endpoint."""
    auth = BearerAuthSettings(kind="bearer", keys_file=folder / "keys.json")
    return configured(api, auth=auth, metrics="127.0.0.1:0", rate_limit=1_000, allowed_origins=(ORIGIN,))


async def test_each_chunk_arrives_before_the_next_is_written(
    tmp_path: Path, headers: dict[str, str], exporter: InMemorySpanExporter, mode: str
) -> None:
    first, second = anyio.Event(), anyio.Event()

    class Live(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            await super().__call__(progress, total, message)
            if self.text.startswith("one "):
                first.set()
            if self.text.startswith("one two "):
                second.set()

    replies = {
        "POST /runs": reply(CREATED),
        "GET /runs/r1": reply(DONE),
        "GET /runs/r1/stream": events(chunk("one "), first, chunk("two "), second, chunk("three "), CLOSE),
    }
    progress = Live()
    async with (
        upstream.serving(replies) as api,
        running(everything(api, tmp_path)) as at,
        connected(at, mode, headers) as client,
    ):
        answer = await call(client, "create_run", interaction="i", progress=progress)
    assert not answer.failed
    assert progress.text == "one two three "
    assert "GET /runs/r1/stream" not in {span.name for span in exporter.get_finished_spans()}
    assert "GET /runs/{run_id}/stream" in {span.name for span in exporter.get_finished_spans()}


async def test_a_call_that_is_cancelled_closes_its_connection_to_the_api_within_a_second(
    tmp_path: Path, headers: dict[str, str], mode: str
) -> None:
    endless = Endless()
    async with (
        upstream.serving({"GET /runs": endless}) as api,
        running(everything(api, tmp_path)) as at,
        connected(at, mode, headers) as client,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, client, "list_runs")
            await endless.came.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()


async def test_a_client_that_disconnects_closes_the_connection_to_the_api_within_a_second(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    endless = Endless()
    async with upstream.serving({"GET /runs": endless}) as api, running(everything(api, tmp_path)) as at:
        with anyio.CancelScope() as asking:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(at.ask, "tools/call", name="list_runs", **headers))
                await endless.came.wait()
                asking.cancel()
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()


async def test_requests_to_the_api_carry_the_id_of_the_mcp_request(
    tmp_path: Path, headers: dict[str, str], mode: str
) -> None:
    heard = []

    async def listen(request: Request) -> Response:
        heard.append(request.headers.get("x-request-id"))
        return await reply([])(request)

    async with (
        upstream.serving({"GET /runs": listen}) as api,
        running(everything(api, tmp_path)) as at,
        connected(at, mode, headers) as client,
    ):
        await call(client, "list_runs")
    assert heard == ["ticket-1"]
