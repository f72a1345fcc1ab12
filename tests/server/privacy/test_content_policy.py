"""The settings `server.content` and `server.redact` apply to everything that leaves the server."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from runs_mcp.cli.check.configuration import privacy
from runs_mcp.cli.check.examination import Examination
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.server.server import build_server
from tests import upstream
from tests.calls import PATIENT, Notifications, call
from tests.upstream import CLOSE, Replies, chunk, events, reply

pytestmark = pytest.mark.anyio

EMAIL = "jane.roe@example.com"
CARD = 4111111111111111
RUN: dict[str, Any] = {
    "id": "r1",
    "status": "completed",
    "modelId": "gpt-4o",
    "token_use": {"prompt": 3, "result": 4, "total": 7},
    "parameters": {"mail": EMAIL, EMAIL: ["x", EMAIL], "card": CARD, "amount": 12.5},
    "prompt": [{"role": "user", "content": f"Write to {EMAIL}"}],
    "result": f"Sent to {EMAIL}.",
    "unknown_field": EMAIL,
}
FAILED: dict[str, Any] = {**RUN, "id": "r2", "status": "failed", "error": {"code": "refused", "message": EMAIL}}
REPLIES: Replies = {
    "GET /runs": reply([RUN, FAILED]),
    "GET /runs/r1": reply(RUN),
    "GET /runs/r2": reply(FAILED),
    "POST /runs": reply({"id": "r1", "status": "created"}),
    "GET /runs/r1/stream": events(chunk("Sent to jane.r"), chunk("oe@exam"), chunk("ple.com."), CLOSE),
    "POST /runs/search": reply([RUN, FAILED]),
    "POST /runs/find": reply([RUN, FAILED]),
    "POST /runs/facets": reply({"message": "closed"}, 403),
    "GET /runs/r3": reply({"message": f"The input {EMAIL} is not valid"}, 400),
}
CALLS: Mapping[str, dict[str, Any]] = {
    "list_runs": {},
    "search_runs": {},
    "find_runs": {"query": {"status": "completed"}},
    "get_run": {"run_ids": ["r1", "r2", "r3"]},
    "create_run": {"interaction": "i"},
    "stream_run": {"run_id": "r2"},
    "aggregate_runs": {"by": ["error"]},
}


@asynccontextmanager
async def connected(**server: Any) -> AsyncIterator[Client]:
    async with upstream.serving(REPLIES) as api:
        config = Config.model_validate({"api": api.api, "server": server})
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            yield client


async def everything_sent(client: Client) -> str:
    """Return everything that a client receives from resources and from every tool that returns runs."""
    received: list[str] = []
    for tool, arguments in CALLS.items():
        progress = Notifications()
        answer = await call(client, tool, progress=progress, **arguments)
        assert not answer.failed, f"{tool}: {answer.text}"
        received += [answer.result.model_dump_json(), progress.text]
    compared = await call(client, "get_run", run_ids=["r1", "r2"], compare=True)
    received += [compared.result.model_dump_json(), (await client.read_resource("runs://r1")).model_dump_json()]
    return "\n".join(received)


async def test_hidden_content_leaves_in_no_tool_resource_or_progress() -> None:
    async with connected(content="none") as client:
        received = await everything_sent(client)
    for part in (EMAIL, "jane.r", "ple.com", "Sent to", str(CARD), "12.5"):
        assert part not in received
    for fact in ("r1", "completed", "gpt-4o", "refused", "content not shown"):
        assert fact in received


@pytest.mark.parametrize("part", ["result", "parameters", "prompt"])
async def test_a_resource_with_hidden_content_is_an_error_that_names_the_policy(part: str) -> None:
    async with connected(content="none") as client:
        with pytest.raises(MCPError, match="not shown here"):
            await client.read_resource(f"runs://r1/{part}")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_runs", {"query": EMAIL}),
        ("compute_run_facets", {"query": EMAIL}),
        ("aggregate_runs", {"query": EMAIL}),
        ("aggregate_runs", {"where": {"result": EMAIL}}),
        ("find_runs", {"query": {"parameters.mail": {"$regex": "^j"}}}),
        ("find_runs", {"query": {"$or": [{"status": "failed"}, {"error.message": EMAIL}]}}),
        ("find_runs", {"query": {"$where": "this.result"}}),
    ],
)
async def test_conditions_on_hidden_content_are_rejected(tool: str, arguments: dict[str, Any]) -> None:
    async with connected(content="none") as client:
        answer = await call(client, tool, **arguments)
    assert answer.failed
    assert "server.content is none" in answer.text


async def test_redacted_content_leaves_in_no_tool_resource_or_progress() -> None:
    async with connected(redact=["email", "card"]) as client:
        received = await everything_sent(client)
        resource = (await client.read_resource("runs://r1/parameters")).model_dump_json()
        with pytest.raises(MCPError):
            await client.read_resource("runs://r3")
    for part in (EMAIL, "jane", "example.com", str(CARD)):
        assert part not in received + resource
    for shown in ("Sent to [email].", "[card]", "12.5", "completed"):
        assert shown in received


async def test_streamed_text_is_redacted_across_chunks() -> None:
    async with connected(redact=["email"]) as client:
        progress = Notifications()
        await call(client, "create_run", interaction="i", progress=progress)
    assert progress.text == "Sent to [email]."


async def test_whole_content_is_shown_by_default() -> None:
    async with connected() as client:
        answer = await call(client, "get_run", run_id="r1")
    assert EMAIL in answer.text
    assert "not shown" not in answer.text


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        ({}, "the content of runs is shown"),
        ({"content": "none"}, "the content of runs is not shown"),
        ({"redact": ["email", "/EMP-[0-9]{6}/"]}, "the content of runs is shown, without email, /EMP-[0-9]{6}/"),
    ],
)
async def test_check_reports_the_content_policy(server: dict[str, Any], shown: str) -> None:
    state = Examination(None, AsyncExitStack())
    state.config = Config.model_validate({"server": server})
    assert (await privacy.run(state)).text == shown


def test_an_invalid_expression_stops_the_start_and_is_named() -> None:
    with pytest.raises(ConfigError, match=r"server\.redact: '\(' is not an RE2 expression"):
        build_server(Config.model_validate({"server": {"redact": ["/(/"]}}))


def test_an_unknown_kind_of_personal_data_is_rejected() -> None:
    with pytest.raises(ValidationError, match="use email, phone, iban, card, or an expression"):
        Config.model_validate({"server": {"redact": ["mail"]}})
