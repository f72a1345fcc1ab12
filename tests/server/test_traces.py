"""Traces contain the tool and the outcome of a call, and no credentials or arguments."""

import pytest
from mcp import Client
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runs_mcp.server import build_server
from tests import upstream
from tests.calls import call
from tests.server.test_streaming import configured
from tests.upstream import TOKEN, reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

REPLIES = {"GET /runs": reply({"message": f"bad token {TOKEN}"}, 401), "GET /runs/r1": reply({"id": "r1"})}


async def test_a_trace_names_the_tool_and_holds_no_secret(exporter: InMemorySpanExporter, mode: str) -> None:
    async with (
        upstream.serving(REPLIES) as api,
        Client(build_server(configured(api)).mcp, mode=mode) as client,
    ):
        assert (await call(client, "list_runs", tag="private words")).failed
        assert not (await call(client, "get_run", run_id="r1")).failed
    spans = exporter.get_finished_spans()
    said = "".join(span.to_json() for span in spans)
    assert {"tools/call list_runs", "tools/call get_run"} <= {span.name for span in spans}
    assert '"error.type": "tool_error"' in said
    assert TOKEN not in said
    assert "private words" not in said
