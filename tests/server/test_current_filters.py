"""Filters and fields of the current contract: only in the edition that has them."""

import json
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from mcp.client import Client

from runs_mcp.api import connect
from runs_mcp.api.filters import CURRENT_SEARCH_FILTERS
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed, running
from runs_mcp.sandbox.sandbox_options import Operation
from runs_mcp.server import build_server
from runs_mcp.server.permissions.selected_tools import selected_tools
from tests.calls import PATIENT, call
from tests.contract.test_operations import MOST_TOKENS, MOST_TOKENS_A_TOOL, tokens
from tests.sandbox.sandbox_client import create, signed_in

pytestmark = pytest.mark.anyio
CURRENT = ApiSettings.model_validate({"edition": "vertesia"})


@pytest.fixture
async def current(sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client of a server of the current edition."""
    async with Client(build_server(Config(api=sandbox_api(sandbox.url, CURRENT))).mcp, client_info=PATIENT) as client:
        yield client


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
def test_the_tools_of_each_edition_cost_few_tokens(edition: str) -> None:
    tools = [one.published for one in selected_tools(Config.model_validate({"api": {"edition": edition}}))]
    assert tokens(tools) <= MOST_TOKENS
    assert max(tokens([tool]) for tool in tools) <= MOST_TOKENS_A_TOOL


OPENAI = "66b2f0c2e4b0a1b2c3d4e001"
WORKFLOW = {"run_id": "wf-run-1", "workflow_id": "wf-1"}
FILTERS: dict[str, tuple[some.SearchStrategy[Any], Callable[[dict[str, Any], Any], bool]]] = {
    "exclude_tags": (
        some.lists(some.sampled_from(["nightly", "legal", "support"]), min_size=1, max_size=2, unique=True),
        lambda run, tags: not set(tags) & set(run["tags"]),
    ),
    "finish_reason": (some.sampled_from(["stop", "error"]), lambda run, reason: run.get("finish_reason") == reason),
    "created_by": (some.sampled_from(["apikey:demo", "user:none"]), lambda run, user: run["created_by"] == user),
    "is_root": (some.booleans(), lambda run, root: not root or "parent" not in run),
    "run_ids": (some.just(["18adf10a8c6d6fb8e027546a", "3bed2520a5ff6bac89812ca3"]), lambda run, ids: run["id"] in ids),
    "workflow_run_ids": (
        some.just(["wf-run-1", "wf-run-2"]),
        lambda run, ids: run.get("workflow", {}).get("run_id") in ids,
    ),
}
"""Values of each filter of the current edition, and the runs that match them."""
EXAMPLES = {
    "exclude_tags": ["legal"],
    "finish_reason": "error",
    "created_by": "apikey:demo",
    "is_root": True,
    "run_ids": ["3bed2520a5ff6bac89812ca3"],
    "workflow_run_ids": ["wf-run-1"],
}
"""A value of each filter that some runs match."""
WHERE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "exclude_tags": lambda tags: {"tags": {"$nin": tags}},
    "finish_reason": lambda reason: {"finish_reason": reason},
    "created_by": lambda user: {"created_by": user},
    "is_root": lambda root: {"parent": None if root else {"$ne": None}},
    "run_ids": lambda ids: {"_id": {"$in": ids}},
    "workflow_run_ids": lambda ids: {"workflow.run_id": {"$in": ids}},
}
"""The MongoDB condition equivalent to each filter."""


@pytest.fixture(scope="module", params=[(), ("find", "facets")], ids=["open", "find and facets closed"])
async def platform(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[ApiSettings]:
    """A platform with a run of a workflow: all operations open, or `find` and facets closed."""
    async with running(SandboxOptions(answers=closed(*request.param))) as started:
        async with signed_in(started.url) as api:
            await create(api, "ClassifySentiment", {"text": "Good."}, workflow=WORKFLOW)
        yield sandbox_api(started.url, CURRENT)


@pytest.fixture(scope="module")
async def documents(platform: ApiSettings) -> list[dict[str, Any]]:
    """Every run of the platform, as the API returns it."""
    return await documents_of(platform)


@pytest.fixture
async def platform_client(platform: ApiSettings) -> AsyncIterator[Client]:
    """A client of a server in front of the platform."""
    async with Client(build_server(Config(api=platform)).mcp, client_info=PATIENT) as connected:
        yield connected


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(filters=some.fixed_dictionaries({}, optional={name: values for name, (values, _) in FILTERS.items()}))
async def test_counts_and_aggregates_take_the_filters_of_searches(
    platform_client: Client, documents: list[dict[str, Any]], filters: dict[str, Any]
) -> None:
    chosen = [run for run in documents if all(FILTERS[name][1](run, value) for name, value in filters.items())]
    counted = await call(platform_client, "compute_run_facets", facets=["status"], **filters)
    assert counted.structured["total"] == len(chosen)
    for asked in ({}, {"measures": ["runs", "total_tokens"]}):
        aggregated = await call(platform_client, "aggregate_runs", by="status", **asked, **filters)
        assert aggregated.structured["covered"] == aggregated.structured["total"]["runs"] == len(chosen)


@pytest.mark.parametrize("name", list(FILTERS))
async def test_a_condition_of_aggregates_can_express_each_filter(platform_client: Client, name: str) -> None:
    value = EXAMPLES[name]
    filtered = await call(platform_client, "aggregate_runs", by="status", **{name: value})
    conditional = await call(platform_client, "aggregate_runs", by="status", where=WHERE[name](value))
    assert conditional.structured["total"]["runs"] > 0
    assert conditional.structured == filtered.structured


async def test_the_older_edition_neither_shows_nor_takes_the_current_filters(client: Client) -> None:
    tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    for tool in ("search_runs", "compute_run_facets", "aggregate_runs"):
        assert not CURRENT_SEARCH_FILTERS & set(tools[tool])
    assert tools["list_runs"]["status"]["type"] == "string"
    for tool in ("search_runs", "compute_run_facets", "aggregate_runs"):
        answer = await call(client, tool, created_by="u")
        assert answer.failed
        assert "`created_by` is not an argument" in answer.text
    several = await call(client, "list_runs", status=["failed", "completed"])
    assert several.failed
    assert "takes one value" in several.text


@pytest.mark.parametrize("given", ["broken", ["broken"]], ids=["a value", "a list"])
async def test_a_wrong_status_is_named_by_its_parameter(client: Client, current: Client, given: Any) -> None:
    for connected in (client, current):
        answer = await call(connected, "list_runs", status=given)
        assert answer.failed
        assert answer.text.startswith("`status`: Input should be 'created', 'processing', 'completed' or 'failed'")


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


async def test_a_condition_on_the_parent_is_counted_together_with_a_filter_by_parents(current: Client) -> None:
    some_parent: dict[str, Any] = {"parent": {"$ne": None}}
    [child] = (await call(current, "find_runs", query=some_parent, limit=1)).structured["runs"]
    expected = await call(current, "aggregate_runs", parent=[child["parent"]])
    counted = await call(current, "aggregate_runs", parent=[child["parent"]], where=some_parent)
    assert not counted.failed, counted.text
    assert counted.structured["total"] == expected.structured["total"]


async def test_is_root_false_selects_all_runs_as_a_filter_that_is_not_set(current: Client) -> None:
    unset = await call(current, "search_runs", limit=100)
    false = await call(current, "search_runs", limit=100, is_root=False)
    assert [run["id"] for run in false.structured["runs"]] == [run["id"] for run in unset.structured["runs"]]
    assert not all(run.get("parent") for run in false.structured["runs"])


@pytest.mark.parametrize("answers", [(), ("find",)], ids=["find is open", "find is closed"])
async def test_runs_with_a_parent_are_found_by_a_mongodb_filter(answers: tuple[Operation, ...]) -> None:
    async with running(SandboxOptions(answers=closed(*answers))) as sandbox:
        api = sandbox_api(sandbox.url, CURRENT)
        async with Client(build_server(Config(api=api)).mcp, client_info=PATIENT) as client:
            found = await call(client, "find_runs", query={"parent": {"$ne": None}}, limit=100)
        expected = {run["id"] for run in await documents_of(api) if "parent" in run}
    assert {run["id"] for run in found.structured["runs"]} == expected != set()


async def documents_of(api: ApiSettings, **filters: Any) -> list[dict[str, Any]]:
    async with connect(api) as runs:
        return [dict(run.raw) for run in await runs.search_runs(limit=1000, **filters)]


async def test_the_cost_and_the_tokens_of_caches_are_shown(current: Client) -> None:
    priced = await call(current, "search_runs", status="completed", model="gpt-4o", limit=1)
    run = priced.structured["runs"][0]
    answer = await call(current, "get_run", run_id=run["id"])
    assert f"cost in USD {answer.structured['token_use']['provider_cost_usd']}" in answer.text
    assert "prompt" in answer.structured
    without = await call(current, "get_run", run_id=run["id"], include=["result"])
    assert "prompt" not in json.loads(json.dumps(without.structured))


@pytest.mark.parametrize("by", [[], ["model"], ["inference_profile"], ["inference_profile", "interaction"], ["day"]])
async def test_sums_of_cached_tokens_and_reported_costs_are_those_of_the_runs(
    platform: ApiSettings, by: list[str]
) -> None:
    documents = await documents_of(platform, environment=OPENAI)
    used = [run["token_use"] for run in documents if "token_use" in run]
    assert all("provider_cost_usd" in one for one in used)
    assert any(one.get("prompt_cache_write") for one in used)
    measures = ["cached_tokens", "cache_write_tokens", "cost"]
    async with Client(build_server(Config(api=platform)).mcp, client_info=PATIENT) as client:
        answer = await call(client, "aggregate_runs", environment=OPENAI, by=by, measures=measures, limit=200)
    told = answer.structured
    assert told["total"] == sums(documents)
    groups = grouped(documents, by)
    assert {tuple(group["by"].values()) for group in told["groups"]} == set(groups)
    for group in told["groups"]:
        assert {name: group[name] for name in measures} == sums(groups[tuple(group["by"].values())])


def sums(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over the token use of some runs, computed without the product."""
    used = [run["token_use"] for run in documents if "token_use" in run]
    cost = math.fsum(one["provider_cost_usd"] for one in used)
    return {
        "cached_tokens": reported(used, "prompt_cached"),
        "cache_write_tokens": reported(used, "prompt_cache_write"),
        "cost": pytest.approx(cost, abs=1e-8) if used else None,
    }


def reported(used: Sequence[dict[str, Any]], name: str) -> int | None:
    """Return the sum of a count of tokens; None if no run reports the count."""
    return sum(one.get(name, 0) for one in used) if any(name in one for one in used) else None


def grouped(documents: Sequence[dict[str, Any]], by: Sequence[str]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Return the runs of each group by its labels; without dimensions there are no groups."""
    labels: dict[str, Callable[[dict[str, Any]], str]] = {
        "model": lambda run: run["modelId"],
        "inference_profile": lambda run: run.get("inference_profile", {}).get("name", "none"),
        "interaction": lambda run: run["interaction"]["name"],
        "day": lambda run: run["created_at"][:10],
    }
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run in documents if by else ():
        groups.setdefault(tuple(labels[name](run) for name in by), []).append(run)
    return groups


async def test_a_run_shows_the_inference_profile_that_it_was_created_with(current: Client) -> None:
    made = await call(
        current,
        "create_run",
        interaction="ClassifySentiment",
        data={"text": "Good."},
        config={"inference_profile": "66d4f0c2e4b0a1b2c3d4f102"},
    )
    answer = await call(current, "get_run", run_id=made.structured["id"])
    assert "inference profile: Cheap drafts (66d4f0c2e4b0a1b2c3d4f102)" in answer.text
    assert answer.structured["inference_profile"]["profile"]["model"] == answer.structured["modelId"] == "gpt-4o-mini"


async def test_the_older_edition_has_no_inference_profiles(client: Client) -> None:
    by = next(one for one in (await client.list_tools()).tools if one.name == "aggregate_runs").input_schema
    assert "inference_profile" not in json.dumps(by)
    answer = await call(client, "aggregate_runs", by=["inference_profile"])
    assert answer.failed
    assert "the composable edition has no inference profiles" in answer.text
    runs = (await call(client, "list_runs", limit=100)).structured["runs"]
    assert not [run for run in runs if "inference_profile" in run]


async def test_tokens_of_a_cache_are_unknown_where_no_run_reports_them(sandbox: Sandbox) -> None:
    config = Config(api=sandbox_api(sandbox.url, ApiSettings()))
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        answer = await call(client, "aggregate_runs", measures=["cached_tokens", "cache_write_tokens", "prompt_tokens"])
    assert answer.structured["total"]["cached_tokens"] is None
    assert "cached_tokens -, cache_write_tokens -, prompt_tokens " in answer.text
