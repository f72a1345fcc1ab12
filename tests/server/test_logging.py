"""Log messages: only clients of 2025-11-25 receive messages about waits for the API, from the level they set."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, EmptyResult, LoggingLevel, LoggingMessageNotificationParams, Request

from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, call
from tests.upstream import reply

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.both_eras,
    pytest.mark.filterwarnings("ignore:The logging capability is deprecated"),
]


@pytest.fixture
async def waiting() -> AsyncIterator[Config]:
    """A configuration for an API that asks once for a retry."""
    busy = reply({"message": "busy"}, 503, {"retry-after": "0"})
    async with upstream.serving({"GET /runs": [busy, reply([])]}) as api:
        yield Config(api=api.api.model_copy(update={"max_retries": 1}))


async def heard(config: Config, *, mode: str = "legacy", level: LoggingLevel | None = None) -> list[str]:
    """Return the log messages that a client that sets `level` receives during a call."""
    messages: list[str] = []

    async def hear(params: LoggingMessageNotificationParams) -> None:
        messages.append(f"{params.level}: {params.data}")

    async with Client(build_server(config).mcp, mode=mode, logging_callback=hear, client_info=PATIENT) as client:
        if level:
            await client.set_logging_level(level)
        assert not (await call(client, "list_runs")).failed
    return messages


@pytest.mark.parametrize("level", ["debug", "warning"])
async def test_log_messages_about_waits_start_after_a_level_is_set(waiting: Config, level: LoggingLevel) -> None:
    assert await heard(waiting, level=level) == ["warning: waiting 0.0 s to ask again: The Runs API failed"]


async def test_a_higher_level_silences_messages_about_waits(waiting: Config) -> None:
    assert await heard(waiting, level="error") == []


async def test_no_log_messages_arrive_without_a_level(waiting: Config, mode: str) -> None:
    assert await heard(waiting, mode=mode) == []


async def test_an_unknown_level_is_refused(config: Config) -> None:
    async with Client(build_server(config).mcp, mode="legacy", client_info=PATIENT) as client:
        assert client.server_capabilities.logging is not None
        loud = Request[dict[str, Any], str](method="logging/setLevel", params={"level": "loud"})
        with pytest.raises(MCPError) as refused:
            await client.session.send_request(loud, EmptyResult)
        assert refused.value.code == INVALID_PARAMS


async def test_logging_is_not_announced_on_2026_07_28_which_deprecates_it(config: Config) -> None:
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        assert client.server_capabilities.logging is None
