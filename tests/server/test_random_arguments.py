"""Arguments of any shape get a readable answer and never break the server."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from mcp.client import Client

from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from runs_mcp.server.tools import OPERATIONS
from tests.calls import PATIENT, call_with
from tests.server.test_arguments import NOBODY

pytestmark = pytest.mark.anyio

SCALARS = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=40)
ANYTHING = some.recursive(
    SCALARS,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TYPICAL = some.sampled_from(["r1", "completed", "models", "2026-11-24", "yesterday", "1", 1, 100, True, ["r1"], {}])


@some.composite
def calls(draw: some.DrawFn) -> tuple[str, dict[str, Any]]:
    """A call of a tool with values for some of its parameters, and perhaps for a parameter that does not exist."""
    operation = draw(some.sampled_from(OPERATIONS))
    known = sorted(operation.published.input_schema["properties"])
    names = some.sampled_from(known) | some.text(min_size=1, max_size=10)
    return operation.name, draw(some.dictionaries(names, TYPICAL | ANYTHING, max_size=6))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(calls())
async def test_any_arguments_get_a_readable_answer(one: tuple[str, dict[str, Any]]) -> None:
    tool, arguments = one
    # No server listens at this address, so a call with valid arguments fails to connect.
    async with Client(build_server(Config(api=ApiSettings.model_validate(NOBODY))).mcp, client_info=PATIENT) as client:
        answer = await call_with(client, tool, arguments)
    one_by_one = answer.text.split("\n")[0]  # several runs in a call fail one by one
    assert answer.failed or "without a run" in one_by_one or "not read" in one_by_one or "0 runs compared" in one_by_one
    assert "inside the server" not in answer.text
    assert ("Nothing was sent." in answer.text) != ("cannot be reached" in answer.text)
