"""Malformed requests over HTTP are refused and do not affect the session of another client."""

from collections.abc import AsyncIterator

import pytest
from mcp.client import Client
from mcp_types import HEADER_MISMATCH

from runs_mcp.server.tasks import EXTENSION
from tests.calls import PATIENT, call
from tests.clients.processes import http_process
from tests.clients.test_malformed_stdio_messages import NONSENSE
from tests.http_client import http_client

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "list_runs"}


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """A server for all malformed requests."""
    async with http_process() as (url, process):
        yield url
        assert process.returncode is None


@pytest.fixture(scope="module")
async def bystander(url: str) -> AsyncIterator[Client]:
    """A client whose session lasts while others send malformed requests."""
    async with Client(url, mode="legacy", client_info=PATIENT) as client:
        yield client


def raw(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


@pytest.mark.parametrize("headers", [JSON, JSON | MODERN], ids=["handshake", "2026-07-28"])
@pytest.mark.parametrize("name", NONSENSE)
async def test_malformed_requests_are_answered_and_do_not_affect_other_clients(
    url: str, bystander: Client, name: str, headers: dict[str, str]
) -> None:
    async with http_client() as client:
        response = await client.post(url, content=raw(NONSENSE[name]), headers=headers)
    assert response.status_code < 500
    assert "Traceback" not in response.text
    assert len((await call(bystander, "list_runs", limit=1)).structured["runs"]) == 1


@pytest.mark.parametrize(
    ("method", "headers", "content"),
    [
        pytest.param("POST", JSON | {"content-type": "text/xml"}, b"<a/>", id="another content type"),
        pytest.param("POST", JSON | {"accept": "image/png"}, b"{}", id="nothing it could be sent"),
        pytest.param("POST", JSON | {"mcp-session-id": "unknown"}, b"{}", id="an unknown session"),
        pytest.param("POST", JSON | {"mcp-protocol-version": "1066-10-14"}, b"{}", id="an unknown version"),
        pytest.param("POST", JSON | {"mcp-session-id": "x" * 30_000}, b"{}", id="a header of 30 KB"),
        pytest.param("POST", JSON, b"x" * 9_000_000, id="a body beyond the limit"),
        pytest.param("GET", {"accept": "text/event-stream"}, b"", id="a stream without a session"),
        pytest.param("DELETE", {}, b"", id="an end without a session"),
        pytest.param("PUT", JSON, b"{}", id="another method"),
    ],
)
async def test_a_request_other_than_mcp_is_refused(
    url: str, bystander: Client, method: str, headers: dict[str, str], content: bytes
) -> None:
    async with http_client() as client:
        response = await client.request(method, url, content=content, headers=headers)
    assert 400 <= response.status_code < 500
    assert len((await call(bystander, "list_runs", limit=1)).structured["runs"]) == 1


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
@pytest.mark.parametrize("named", [{}, {"mcp-name": "another"}], ids=["not at all", "otherwise"])
async def test_a_task_that_the_headers_do_not_name_is_refused(url: str, method: str, named: dict[str, str]) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": "r1", "_meta": meta}}
    headers = {**JSON, "mcp-protocol-version": "2026-07-28", "mcp-method": method, **named}
    async with http_client() as client:
        response = await client.post(url, json=asked, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == HEADER_MISMATCH
