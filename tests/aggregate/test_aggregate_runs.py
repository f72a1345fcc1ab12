"""aggregate_runs: its numbers are those of a plain computation over all runs, whatever is asked."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from mcp.client import Client

from runs_mcp.api import connect
from runs_mcp.cli.sandbox import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.sandbox import Sandbox
from runs_mcp.server import build_server
from tests.aggregate import plain
from tests.calls import Answer, Notifications, call

pytestmark = pytest.mark.anyio

DIMENSIONS = ["model", "interaction", "environment", "status", "error", "tag", "finish_reason", "hour", "day", "week"]
MEASURES = list(plain.measured([]))
STAGING = "66b2f0c2e4b0a1b2c3d4e004"
FILTERS = {
    "status": some.sampled_from(["completed", "failed", "created"]),
    "model": some.sampled_from(["gpt-4o", "gpt-4o-mini", "mistral-large", "claude-3-haiku"]),
    "interaction": some.sampled_from(["SummarizeText", "ContractReview", "AlwaysFails"]),
    "environment": some.sampled_from(["Bedrock EU", "Vertex AI", STAGING]),
    "tags": some.lists(some.sampled_from(["nightly", "legal", "support"]), min_size=1, max_size=2, unique=True),
    "start": some.sampled_from(["2026-01-01T00:00:00Z", "2026-11-10T12:30:00Z", "2026-11-20T00:00:00Z"]),
    "end": some.sampled_from(["2026-11-15T00:00:00Z", "2030-01-01T00:00:00+02:00"]),
}
WHERE = some.sampled_from([{"execution_time": {"$gt": 2000}}, {"status": {"$ne": "failed"}}, {"tags": "legal"}])


@pytest.fixture(scope="module")
async def documents(sandbox: Sandbox, anyio_backend: str) -> list[dict[str, Any]]:
    """Every run of the sandbox, as the API has it."""
    async with connect(sandbox_api(sandbox.url, ApiSettings())) as runs:
        return [dict(run.raw) for run in await runs.search_runs(limit=1000)]


@pytest.fixture
async def client(config: Config) -> AsyncIterator[Client]:
    """A client of a server in front of the sandbox."""
    async with Client(build_server(config).mcp) as connected:
        yield connected


def numbers(group: dict[str, Any]) -> dict[str, Any]:
    """Return the measures of a group."""
    return {name: value for name, value in group.items() if name in MEASURES}


def expected(runs: Sequence[plain.Document], measures: list[str]) -> Any:
    """Return the measures of the plain computation, as the tool rounds them."""
    values = plain.measured(runs)
    return {name: pytest.approx(values[name], abs=0.001) for name in measures}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    filters=some.fixed_dictionaries({}, optional=FILTERS),
    by=some.lists(some.sampled_from(DIMENSIONS), max_size=2, unique=True),
    measures=some.lists(some.sampled_from(MEASURES), min_size=1, unique=True),
    where=some.none() | WHERE,
)
async def test_any_filter_and_grouping_equals_a_plain_computation(
    client: Client,
    documents: list[dict[str, Any]],
    filters: dict[str, Any],
    by: list[str],
    measures: list[str],
    where: dict[str, Any] | None,
) -> None:
    chosen = [run for run in documents if plain.matches(run, filters) and meets(run, where)]
    arguments = {**filters, **({"where": where} if where else {})}
    answer = await call(client, "aggregate_runs", by=by, measures=measures, limit=200, **arguments)
    assert not answer.failed, answer.text
    told = answer.structured
    groups = plain.grouped(chosen, by)
    assert (told["covered"], told["matching"], told["complete"]) == (len(chosen), len(chosen), True)
    assert numbers(told["total"]) == expected(chosen, measures)
    assert len(told["groups"]) == min(len(groups), 200)
    for group in told["groups"]:
        key = tuple(group.get("ids", {}).get(name, label) for name, label in group["by"].items())
        assert numbers(group) == expected(groups[key], measures)


def meets(run: dict[str, Any], where: dict[str, Any] | None) -> bool:
    """Return whether a run passes one of the MongoDB filters above, by hand."""
    match where:
        case {"execution_time": {"$gt": least}}:
            return bool(run.get("execution_time", 0) > least)
        case {"status": {"$ne": status}}:
            return bool(run["status"] != status)
        case {"tags": tag}:
            return tag in run["tags"]
        case _:
            return True


async def groups_of(client: Client, **arguments: Any) -> tuple[Answer, list[dict[str, Any]]]:
    answer = await call(client, "aggregate_runs", **arguments)
    assert not answer.failed, answer.text
    return answer, answer.structured["groups"]


async def test_values_with_the_same_name_are_separate_groups_with_ids(client: Client) -> None:
    for measures in (["runs"], ["median_ms"]):
        answer, groups = await groups_of(client, by="environment", measures=measures)
        labels = [group["by"]["environment"] for group in groups]
        assert {"Staging (66b2…e004)", "Staging (66b2…e005)", "Bedrock EU"} <= set(labels)
        assert f"Staging (66b2…e004) has the id {STAGING}." in answer.text


async def test_groups_are_sorted_by_the_first_measure_and_times_by_time(client: Client) -> None:
    _, groups = await groups_of(client, by="model")
    assert [group["runs"] for group in groups] == sorted((group["runs"] for group in groups), reverse=True)
    _, groups = await groups_of(client, by="model", sort="median_ms", limit=3)
    assert len(groups) == 3
    assert "median_ms" in groups[0]
    assert [group["median_ms"] for group in groups] == sorted(group["median_ms"] for group in groups)
    answer, days = await groups_of(client, by="day", measures="runs", limit=5)
    labels = [group["by"]["day"] for group in days]
    assert labels == sorted(labels)
    assert labels[-1] == max(group["by"]["day"] for group in (await groups_of(client, by="day", limit=200))[1])
    assert f"{answer.structured['left_out']} further groups: raise limit." in answer.text


async def test_runs_without_a_field_are_counted_as_missing_in_its_measures(
    client: Client, documents: list[dict[str, Any]]
) -> None:
    answer, _ = await groups_of(client)
    without = sum("execution_time" not in run for run in documents)
    assert answer.structured["missing"]["execution_time"] == without
    assert f"{without} runs have no duration" in answer.text


async def test_twenty_groups_fit_in_few_characters(client: Client) -> None:
    for by in (["day"], ["interaction", "environment"], ["error", "model"], ["hour"]):
        answer, groups = await groups_of(client, by=by, limit=20)
        assert len(groups) <= 20
        assert len(answer.text) < 1500 + 200 * ("Staging" in answer.text)


async def test_counting_alone_reads_no_runs(client: Client) -> None:
    said = Notifications()
    answer = await call(client, "aggregate_runs", progress=said, by="model", measures=["runs", "failed"])
    assert said.messages == []
    assert answer.structured["covered"] == 200
    assert "oldest" not in answer.structured


async def test_an_incomplete_scan_is_reported_with_its_coverage(config: Config) -> None:
    short = config.model_copy(update={"server": ServerSettings(max_scan=120)})
    async with Client(build_server(short).mcp) as client:
        said = Notifications()
        answer = await call(client, "aggregate_runs", progress=said, measures=["median_ms", "runs"])
    told = answer.structured
    assert (told["covered"], told["complete"], told["matching"]) == (120, False, 200)
    assert told["total"]["runs"] == 120
    assert told["oldest"]
    assert "INCOMPLETE: 120 of 200 matching runs counted" in answer.text
    assert "Narrow by start, end" in answer.text
    assert said.messages == ["120 of 200 runs"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sort": "speed"}, "sort takes one of runs, failed"),
        ({"by": ["model", "status", "day"]}, "`by`"),
        ({"measures": ["median"]}, "`measures.0`"),
        ({"where": {"tags": "legal"}, "query": "invoice"}, "cannot be combined with query, name or object"),
        ({"where": {"status": {"$near": 1}}}, "$near"),
        ({"environment": "Staging"}, "2 have the name Staging"),
        ({"limit": 201}, "`limit`"),
    ],
)
async def test_invalid_arguments_are_rejected_with_the_valid_values(
    client: Client, arguments: dict[str, Any], words: str
) -> None:
    answer = await call(client, "aggregate_runs", **arguments)
    assert answer.failed
    assert words in answer.text


async def test_text_and_structured_content_agree(client: Client) -> None:
    answer, groups = await groups_of(client, by="status", measures=["runs", "total_tokens"])
    for group in groups:
        assert f"{group['by']['status']} | {group['runs']} | {group['total_tokens']}" in answer.text
    assert json.dumps(answer.structured["total"]["runs"]) in answer.text
