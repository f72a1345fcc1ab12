"""Traces: the trace of the caller continues to the request to the Runs API, and contains no secret."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.requests import Request
from starlette.responses import Response

from tests import upstream
from tests.calls import PATIENT, call
from tests.clients.processes import CLEAN, SERVE, http_process
from tests.command_line import USAGE, start_command
from tests.http.service import configured, connected, running
from tests.upstream import TOKEN, Reply, Upstream, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Heard:
    """A reply that records the headers of the requests."""

    def __init__(self, answer: Reply) -> None:
        self.headers: list[Mapping[str, str]] = []
        self._answer = answer

    async def __call__(self, request: Request) -> Response:
        """Record the headers and reply."""
        self.headers.append(request.headers)
        return await self._answer(request)


def named(exporter: InMemorySpanExporter, name: str) -> Sequence[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def lineage(span: ReadableSpan) -> tuple[str, str, str]:
    """Return the ids of the trace, the span and its parent, in the form of `traceparent`."""
    assert span.context
    return (
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
        f"{span.parent.span_id:016x}" if span.parent else "",
    )


async def test_the_trace_of_the_caller_continues_to_the_api(exporter: InMemorySpanExporter) -> None:
    heard = Heard(reply([]))
    async with upstream.serving({"GET /runs": heard}) as api, running(configured(api)) as at:
        await at.ask("tools/call", name="list_runs", traceparent=TRACEPARENT, baggage="secret=1")
    [called], [sent] = named(exporter, "tools/call list_runs"), named(exporter, "GET /runs")
    trace, of_call, parent = lineage(called)
    assert (trace, parent) == (TRACE, PARENT)
    assert lineage(sent)[::2] == (TRACE, of_call)
    assert heard.headers[0]["traceparent"] == f"00-{TRACE}-{lineage(sent)[1]}-01"
    assert "baggage" not in heard.headers[0]


async def test_a_client_that_traces_itself_is_the_parent(exporter: InMemorySpanExporter, mode: str) -> None:
    async with (
        upstream.serving({"GET /runs": reply([])}) as api,
        running(configured(api)) as at,
        connected(at, mode, {"traceparent": TRACEPARENT}) as client,
    ):
        await call(client, "list_runs")
    [asked], [called], [sent] = (
        named(exporter, name) for name in ("MCP send tools/call list_runs", "tools/call list_runs", "GET /runs")
    )
    assert lineage(called)[::2] == lineage(asked)[:2], "the trace in the message wins over that in the headers"
    assert lineage(sent)[::2] == lineage(called)[:2]


async def test_each_attempt_has_a_span_with_its_outcome_and_no_secret(
    exporter: InMemorySpanExporter,
) -> None:
    replies = {"GET /runs": [reply({"message": TOKEN}, 503, {"retry-after": "0"}), reply([])]}
    async with (
        upstream.serving(replies) as api,
        running(configured(api, max_retries=1)) as at,
        connected(at, "auto") as client,
    ):
        await call(client, "list_runs", tag="private words")
    first, second = named(exporter, "GET /runs")
    seen = {"http.request.method": "GET", "url.template": "/runs", "server.address": "127.0.0.1"}
    assert first.attributes == {**seen, "http.response.status_code": 503, "error.type": "503"}
    assert second.attributes == {**seen, "http.response.status_code": 200}
    assert first.status.is_ok is False
    said = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert TOKEN not in said
    assert "private words" not in said


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Upstream, list[bytes]]]:
    """A collector of traces, and the exports that it receives."""
    received: list[bytes] = []

    async def keep(request: Request) -> Response:
        received.append(await request.body())
        return Response()

    async with upstream.serving({"POST /v1/traces": keep}) as collector:
        yield collector, received


@asynccontextmanager
async def over_http(environment: dict[str, str]) -> AsyncIterator[Client]:
    async with http_process(SERVE, environment) as (url, process):
        async with Client(url, client_info=PATIENT) as client:
            yield client
        process.terminate()
        assert await process.wait() == 0


@asynccontextmanager
async def over_stdio(environment: dict[str, str]) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=sys.executable, args=list(SERVE), env=environment)
    async with Client(server, client_info=PATIENT) as client:
        yield client


@pytest.mark.parametrize("served", [over_http, over_stdio])
@pytest.mark.slow
async def test_traces_are_exported_to_the_endpoint_in_the_environment(
    served: Callable[[dict[str, str]], AbstractAsyncContextManager[Client]],
) -> None:
    async with collecting() as (collector, received):
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_RESOURCE_ATTRIBUTES": "team=a"}
        async with served({**CLEAN, **asked}) as client:
            await call(client, "list_runs")
    exported = [ExportTraceServiceRequest.FromString(body) for body in received]
    resources = [spans for request in exported for spans in request.resource_spans]
    names = {span.name for resource in resources for scope in resource.scope_spans for span in scope.spans}
    said = {one.key: one.value.string_value for resource in resources for one in resource.resource.attributes}
    assert {"tools/call list_runs", "GET /runs"} <= names
    assert (said["service.name"], said["team"]) == ("runs-mcp", "a")


@pytest.mark.parametrize("arguments", [[], ["--http", "--port", "0"]], ids=["stdio", "http"])
@pytest.mark.slow
async def test_an_unknown_trace_exporter_is_rejected_at_start(tmp_path: Path, arguments: list[str]) -> None:
    environment = {**CLEAN, "OTEL_TRACES_EXPORTER": "carrier_pigeon"}
    finished = start_command("serve", "--sandbox", *arguments, cwd=tmp_path, env=environment)
    assert finished.returncode == USAGE
    assert "OTEL_TRACES_EXPORTER=carrier_pigeon: this exporter is not installed" in finished.stderr
    assert "pip install 'runs-mcp[otel]'" in finished.stderr
