"""Clients that give up early: the wait for runs depends on the name of the client and the argument `wait_s`."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import Implementation
from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.server.patience import patience_of, seconds_to_wait
from runs_mcp.server.server import build_server
from tests import upstream
from tests.calls import call
from tests.upstream import Replies, chunk, events, reply

pytestmark = pytest.mark.anyio

PROCESSING = {"id": "r1", "status": "processing"}
ENDLESS: Replies = {
    "POST /runs": reply({"id": "r1", "status": "created"}),
    "GET /runs/r1": reply(PROCESSING),
    "GET /runs/r1/stream": events(chunk("Once"), anyio.Event()),
}


async def hang(_: Request) -> Response:
    await anyio.sleep_forever()
    raise AssertionError


PAGE = [
    {"id": f"r{second}", "created_at": f"2026-11-20T10:00:{second}Z", "execution_time": 5, "status": "completed"}
    for second in range(10, 40)
]


def slow_lists() -> Replies:
    """Return the replies of an API that has 500 runs and returns only the first 30 in time."""
    counted = reply({"total": 500})
    return {
        "POST /runs/facets": counted,
        "POST /runs/find": [reply(PAGE), hang],
        "POST /runs/search": [reply(PAGE), hang],
    }


@asynccontextmanager
async def connected(
    name: str, *, mode: str = "auto", replies: Replies = ENDLESS, **streaming: Any
) -> AsyncIterator[Client]:
    """Connect a client with a name to a server in front of runs that never end."""
    async with upstream.serving(replies) as api:
        config = Config.model_validate({"api": api.api, "streaming": streaming})
        client = Implementation(name=name, version="1")
        async with Client(build_server(config).mcp, mode=mode, client_info=client) as opened:
            yield opened


@pytest.mark.parametrize(
    ("name", "clients", "wait_s"),
    [
        pytest.param("inspector", {}, 45, id="any other client"),
        pytest.param("openai-agents-mcp", {}, 4, id="a client known to give up early"),
        pytest.param("OpenAI-Agents", {}, 4, id="in any case"),
        pytest.param("openai-agents", {"openai*": 9}, 9, id="replaced by a setting"),
        pytest.param("mine", {"mi?e": 2, "*": 3}, 2, id="the first match"),
        pytest.param("slow", {"slow": 90}, 90, id="a patient client"),
        pytest.param("mcp", {}, 4, id="the default name of the Python SDK"),
        pytest.param("mcp-remote", {}, 45, id="a name that only begins like it"),
        pytest.param("fastmcp", {}, 8, id="the name that agno sends"),
        pytest.param("", {}, 45, id="no name"),
    ],
)
def test_the_wait_follows_the_name_of_the_client(name: str, clients: dict[str, float], wait_s: float) -> None:
    assert patience_of(name, StreamingSettings(clients=clients)).wait_s == wait_s


def test_a_client_that_answers_questions_waits_for_people() -> None:
    settings = StreamingSettings(clients={"known": 4})
    assert patience_of("mcp", settings, answers_questions=True).wait_s == settings.max_wait_s
    assert patience_of("known", settings, answers_questions=True).wait_s == 4


@pytest.mark.parametrize(
    ("wait", "wait_s", "seconds"),
    [
        pytest.param(MISSING, MISSING, math.inf, id="neither"),
        pytest.param(False, MISSING, 0, id="no wait"),
        pytest.param(False, 5, 0, id="no wait, whatever the seconds"),
        pytest.param(MISSING, 2.5, 2.5, id="seconds"),
        pytest.param(True, 2.5, 2.5, id="both"),
        pytest.param(MISSING, 0, 0, id="no seconds"),
        pytest.param(True, 0, math.inf, id="0 for unset, as models in strict mode write it"),
    ],
)
def test_wait_and_wait_s_set_the_seconds_to_wait(wait: bool | MISSING, wait_s: float | MISSING, seconds: float) -> None:
    assert seconds_to_wait(wait=wait, wait_s=wait_s) == seconds


WAITING = pytest.mark.parametrize(
    ("tool", "arguments"), [("create_run", {"interaction": "i"}), ("stream_run", {"run_id": "r1"})]
)


@WAITING
@pytest.mark.both_eras
async def test_an_impatient_client_gets_an_answer_in_time(mode: str, tool: str, arguments: dict[str, Any]) -> None:
    async with connected("Impatient 2.0", mode=mode, clients={"impatient*": 0.2}, max_wait_s=1_000) as client:
        with anyio.fail_after(30):
            answer = await call(client, tool, **arguments)
    assert not answer.failed
    assert answer.structured["next"].startswith("stream_run(")


@pytest.mark.both_eras
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("aggregate_runs", {"measures": ["p95_ms"]}), ("search_runs", {"sort": "-execution_time"})],
)
async def test_an_impatient_client_gets_a_partial_answer_of_a_long_scan(
    mode: str, tool: str, arguments: dict[str, Any]
) -> None:
    waits = {"clients": {"impatient": 0.2}, "max_wait_s": 1_000}
    async with connected("impatient", mode=mode, replies=slow_lists(), **waits) as client:
        with anyio.fail_after(30):
            answer = await call(client, tool, **arguments)
    assert not answer.failed
    assert answer.structured["covered"] == 30
    assert not answer.structured["complete"]
    assert "INCOMPLETE: 30 of 500 matching runs" in answer.text
    assert "another filter" in answer.text


@WAITING
async def test_a_call_waits_for_the_seconds_that_it_asks_for(tool: str, arguments: dict[str, Any]) -> None:
    async with connected("patient", max_wait_s=1_000) as client:
        with anyio.fail_after(30):
            answer = await call(client, tool, **arguments, wait_s=0.1)
    assert answer.structured["next"].startswith("stream_run(")


async def test_a_call_waits_no_longer_than_the_server_allows() -> None:
    async with connected("patient", max_wait_s=0.2) as client:
        with anyio.fail_after(30):
            answer = await call(client, "create_run", interaction="i", wait_s=100_000)
    assert answer.structured["next"].startswith("stream_run(")


@WAITING
async def test_a_wait_of_zero_seconds_answers_at_once(tool: str, arguments: dict[str, Any]) -> None:
    async with connected("patient", max_wait_s=1_000) as client:
        with anyio.fail_after(30):
            answer = await call(client, tool, **arguments, wait_s=0)
    assert not answer.failed
    assert answer.structured["next"].startswith("stream_run(")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param({"wait_s": -1}, "`wait_s`", id="a negative wait"),
        pytest.param({"wait_s": 3, "stream": False}, "`wait_s` need `stream`", id="a wait for a request that blocks"),
    ],
)
async def test_an_invalid_wait_is_rejected(arguments: dict[str, Any], names: str) -> None:
    async with connected("patient") as client:
        answer = await call(client, "create_run", interaction="i", **arguments)
    assert answer.failed
    assert names in answer.text
