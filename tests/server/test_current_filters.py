"""Filters and fields of the current contract: only in the edition that has them."""

import json
from collections.abc import AsyncIterator

import pytest
from mcp.client import Client

from runs_mcp.api.filters import CURRENT_SEARCH_FILTERS
from runs_mcp.cli.sandbox import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox
from runs_mcp.server import build_server
from runs_mcp.server.server import selected
from tests.calls import call
from tests.contract.test_operations import MOST_TOKENS, MOST_TOKENS_A_TOOL, tokens

pytestmark = pytest.mark.anyio
CURRENT = ApiSettings.model_validate({"edition": "vertesia"})


@pytest.fixture
async def current(sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client of a server of the current edition."""
    async with Client(build_server(Config(api=sandbox_api(sandbox.url, CURRENT))).mcp) as client:
        yield client


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
def test_the_tools_of_each_edition_cost_few_tokens(edition: str) -> None:
    tools = [one.published for one in selected(Config.model_validate({"api": {"edition": edition}}))]
    assert tokens(tools) <= MOST_TOKENS
    assert max(tokens([tool]) for tool in tools) <= MOST_TOKENS_A_TOOL


async def test_the_older_edition_neither_shows_nor_takes_the_current_filters(client: Client) -> None:
    tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    assert not set(CURRENT_SEARCH_FILTERS) & set(tools["search_runs"])
    assert tools["list_runs"]["status"]["type"] == "string"
    answer = await call(client, "search_runs", created_by="u")
    assert answer.failed
    assert "`created_by` is not an argument" in answer.text
    several = await call(client, "list_runs", status=["failed", "completed"])
    assert several.failed
    assert "takes one value" in several.text


async def test_the_current_edition_lists_by_single_and_several_values(current: Client) -> None:
    both = await call(current, "list_runs", status=["failed", "completed"], limit=100)
    assert {run["status"] for run in both.structured["runs"]} == {"failed", "completed"}
    one = await call(current, "list_runs", status="FAILED", limit=100)
    assert {run["status"] for run in one.structured["runs"]} == {"failed"}


async def test_the_current_edition_searches_by_its_filters(current: Client) -> None:
    listed = (await call(current, "list_runs", limit=3)).structured["runs"]
    ids = [run["id"] for run in listed]
    found = await call(current, "search_runs", run_ids=ids)
    assert {run["id"] for run in found.structured["runs"]} == set(ids)
    tag = next(tag for run in listed for tag in run["tags"])
    without = await call(current, "search_runs", run_ids=ids, exclude_tags=[tag], is_root=True)
    assert all(tag not in run["tags"] for run in without.structured["runs"])


async def test_tokens_of_caches_and_reported_costs_are_shown_and_summed(current: Client) -> None:
    priced = await call(current, "search_runs", status="completed", model="gpt-4o", limit=1)
    run = priced.structured["runs"][0]
    answer = await call(current, "get_run", run_id=run["id"])
    assert f"cost in USD {answer.structured['token_use']['provider_cost_usd']}" in answer.text
    assert "prompt" in answer.structured
    without = await call(current, "get_run", run_id=run["id"], include=["result"])
    assert "prompt" not in json.loads(json.dumps(without.structured))
    sums = await call(current, "aggregate_runs", measures=["cached_tokens", "cache_write_tokens", "cost"])
    assert sums.structured["total"].keys() == {"cached_tokens", "cache_write_tokens", "cost"}
