"""The access log of the service as a process: one JSON line per request, found by the request id."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from anyio.abc import ByteReceiveStream
from anyio.streams.buffered import BufferedByteReceiveStream

from runs_mcp.http.auth import keys
from tests.calls import call
from tests.clients.processes import CLEAN, SERVE, http_process
from tests.http.service import Endpoint, bearer, connected
from tests.http_client import http_client

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]


class Log:
    """The log lines of a process."""

    def __init__(self, stream: ByteReceiveStream) -> None:
        self.text = ""
        self._stream = BufferedByteReceiveStream(stream)

    async def line(self, request_id: str, **fields: Any) -> dict[str, Any]:
        """Wait for the next line about a request that contains `fields`, and return the line."""
        while True:
            line = (await self._stream.receive_until(b"\n", 100_000)).decode()
            self.text += line
            said: dict[str, Any] = json.loads(line)
            if said.items() >= {"request_id": request_id, **fields}.items():
                return said


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys of callers, by their names."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    readers = {name: keys.add(file, name, ("runs:read",)) for name in ("ci", "stranger")}
    return {"": str(file), **readers, "writer": keys.add(file, "writer", ("runs:read", "runs:create"))}


@pytest.fixture(scope="module")
async def process(anyio_backend: str, callers: dict[str, str]) -> AsyncIterator[tuple[Endpoint, Log]]:
    """A service that identifies callers by keys, and its log."""
    environment = {
        **CLEAN,
        "RUNS_MCP_SERVER__HTTP__AUTH": json.dumps({"kind": "bearer", "keys_file": callers[""]}),
        "RUNS_MCP_PROFILES": json.dumps({"known": {"callers": ["ci", "writer"]}}),
    }
    async with http_process(SERVE, environment) as (url, process), http_client() as http:
        assert process.stderr
        yield Endpoint(url.removesuffix("/mcp"), http), Log(process.stderr)


async def test_a_request_has_a_line_with_caller_operation_and_outcome(
    process: tuple[Endpoint, Log], callers: dict[str, str], mode: str
) -> None:
    at, log = process
    headers = {**bearer(callers["ci"]), "x-request-id": f"ticket-{mode}"}
    async with connected(at, mode, headers) as client:
        await call(client, "list_runs", tag="private words")
        line = await log.line(f"ticket-{mode}", tool="list_runs")
        # `trace_id` appears once another test of this process has set a provider of traces, which the client then uses.
        assert set(line) - {"time", "level", "logger", "event", "trace_id"} == {
            *("request_id", "method", "path", "mcp", "tool", "caller", "status", "ms", "bytes")
        }
        assert [line[name] for name in ("method", "path", "mcp", "caller", "status")] == [
            *("POST", "/mcp", "tools/call", "ci", 200)
        ]
        assert line["bytes"] > 100
        assert line["ms"] > 0


async def test_a_failed_call_names_its_request(
    process: tuple[Endpoint, Log], callers: dict[str, str], mode: str
) -> None:
    at, log = process
    async with connected(at, mode, bearer(callers["ci"])) as client:
        refused = await call(client, "get_run", run_id="../x")
        assert refused.failed
        request_id = refused.text.rpartition("(Request ")[2].removesuffix(".)")
        assert (await log.line(request_id))["tool"] == "get_run"


async def test_a_refused_request_has_a_line_without_its_query_or_its_credential(
    process: tuple[Endpoint, Log], callers: dict[str, str]
) -> None:
    at, log = process
    refused = await at.http.get(
        at.url + "/mcp?access_token=private", headers={"authorization": "Bearer forged-key", "x-request-id": "t-401"}
    )
    assert (refused.status_code, refused.headers["x-request-id"]) == (401, "t-401")
    line = await log.line("t-401", event="request")
    assert [line[name] for name in ("path", "caller", "status")] == ["/mcp", "127.0.0.1", 401]


async def test_every_line_logged_during_a_request_carries_its_id(
    process: tuple[Endpoint, Log], callers: dict[str, str]
) -> None:
    at, log = process
    headers = {**bearer(callers["stranger"]), "x-request-id": "t-403"}
    assert (await at.ask("tools/list", **headers)).status_code == 403
    line = await log.line("t-403", logger="runs_mcp.http.auth.admission")
    assert line["event"] == "a caller was refused: no profile matches stranger"


async def test_each_started_run_has_an_audit_line(process: tuple[Endpoint, Log], callers: dict[str, str]) -> None:
    at, log = process
    headers = {**bearer(callers["writer"]), "x-request-id": "t-create"}
    async with connected(at, "auto", headers) as client:
        answer = await call(client, "create_run", interaction="SlowWriter", data={"chunks": 1, "delay_ms": 1})
        started = await log.line("t-create", event="run started")
    assert (started["logger"], started["run_id"]) == ("runs_mcp.observability.audit", answer.structured["id"])
    assert (started["interaction"], started["caller"]) == ("SlowWriter", "writer")


async def test_probes_leave_no_line_and_nothing_private_is_in_any(
    process: tuple[Endpoint, Log], callers: dict[str, str]
) -> None:
    at, log = process
    assert (await at.get("/healthz", **{"x-request-id": "t-probe"})).status_code == 200
    await at.get("/nowhere", **{"x-request-id": "t-last"})
    await log.line("t-last", status=404)
    assert "t-probe" not in log.text
    for private in (*callers.values(), "private", "forged-key"):
        assert private not in log.text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("ticket-17.b_2", True, id="sane"),
        pytest.param("x" * 64, True, id="long"),
        pytest.param("x" * 65, False, id="too long"),
        pytest.param("two words", False, id="a space"),
        pytest.param('"}{"level":"error"', False, id="JSON"),
        pytest.param("", False, id="empty"),
    ],
)
async def test_a_request_id_of_the_caller_is_used_if_valid(
    process: tuple[Endpoint, Log], given: str, kept: bool
) -> None:
    at, _ = process
    said = (await at.get("/healthz", **{"x-request-id": given})).headers["x-request-id"]
    assert (said == given) is kept
    assert said
