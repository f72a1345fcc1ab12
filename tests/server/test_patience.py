"""Clients that give up early: the wait for runs by client name, and by the argument `wait_s`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import Implementation

from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.server.patience import patience_of
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


@asynccontextmanager
async def connected(name: str, **streaming: Any) -> AsyncIterator[Client]:
    """Connect a client of that name to a server in front of runs that never end."""
    async with upstream.serving(ENDLESS) as api:
        config = Config.model_validate({"api": api.api, "streaming": streaming})
        client = Implementation(name=name, version="1")
        async with Client(build_server(config).mcp, client_info=client) as opened:
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
        pytest.param("", {}, 45, id="no name"),
    ],
)
def test_the_wait_follows_the_name_of_the_client(name: str, clients: dict[str, float], wait_s: float) -> None:
    assert patience_of(name, StreamingSettings(clients=clients)).wait_s == wait_s


@pytest.mark.parametrize(
    ("tool", "arguments"), [("create_run", {"interaction": "i"}), ("stream_run", {"run_id": "r1"})]
)
async def test_an_impatient_client_gets_an_answer_in_time(tool: str, arguments: dict[str, Any]) -> None:
    async with connected("Impatient 2.0", clients={"impatient*": 0.2}, max_wait_s=1_000) as client:
        with anyio.fail_after(30):
            answer = await call(client, tool, **arguments)
    assert not answer.failed
    assert answer.structured["next"].startswith("stream_run(")


@pytest.mark.parametrize(
    ("tool", "arguments"), [("create_run", {"interaction": "i"}), ("stream_run", {"run_id": "r1"})]
)
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


@pytest.mark.parametrize("wait_s", [-1])
async def test_a_wait_that_is_no_time_is_rejected(wait_s: float) -> None:
    async with connected("patient") as client:
        answer = await call(client, "create_run", interaction="i", wait_s=wait_s)
    assert answer.failed
    assert "`wait_s`" in answer.text
