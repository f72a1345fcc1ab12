"""Headers that repeat arguments of a call for proxies (`Mcp-Param-*`, protocol 2026-07-28)."""

from typing import Annotated

import pytest
from mcp_types import CallToolResult, TextContent
from pydantic import Field

from runs_mcp.config.settings import Config
from runs_mcp.http.app import build_service
from runs_mcp.server.context import Call
from runs_mcp.server.middleware.observers import Observers
from runs_mcp.server.runs.shared_state import SharedState
from runs_mcp.server.server import RunsServer, build_server
from runs_mcp.server.tools.operation import operation
from tests import upstream
from tests.http.service import META, MODERN, Endpoint, configured
from tests.http_client import http_client
from tests.upstream import listening

pytestmark = pytest.mark.anyio


@operation("GET /regions", title="Region", output={"type": "object"})
async def show_region(
    call: Call, *, region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]
) -> CallToolResult:
    """Return the region."""
    return CallToolResult(content=[TextContent(text=region)], structured_content={})


def build(config: Config, observers: Observers, shared: SharedState) -> RunsServer:
    """Return a server with one tool, whose argument is repeated in a header."""
    return build_server(config, observers, shared, operations=[show_region])


@pytest.mark.parametrize(
    ("headers", "status"), [({"mcp-param-region": "eu"}, 200), ({"mcp-param-region": "us"}, 400), ({}, 400)], ids=str
)
async def test_a_header_must_have_the_value_of_its_argument(headers: dict[str, str], status: int) -> None:
    async with upstream.serving({}) as api:
        service = build_service(configured(api), host="127.0.0.1", build=build)
        async with listening(lambda _: service.app, lifespan="on") as url, http_client() as http:
            routing = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "show_region"}
            params = {"name": "show_region", "arguments": {"region": "eu"}, "_meta": META}
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            answer = await Endpoint(url, http).post(message, **routing, **headers)
    assert answer.status_code == status, answer.text
