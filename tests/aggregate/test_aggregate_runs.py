"""aggregate_runs: for any arguments, its numbers equal those of a plain computation over all runs."""

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from mcp.client import Client

from runs_mcp.api import connect
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed, running
from runs_mcp.sandbox.sandbox_options import Operation
from runs_mcp.server import build_server
from tests import upstream
from tests.aggregate import plain
from tests.calls import PATIENT, Answer, Notifications, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = pytest.mark.anyio

DIMENSIONS = ["model", "interaction", "environment", "status", "error", "tag", "finish_reason", "hour", "day", "week"]
MEASURES = list(plain.measured([]))
WORDS = ("invoice", "contract", "the", "nonexistent")
STAGING = "66b2f0c2e4b0a1b2c3d4e004"
FILTERS = {
    "status": some.sampled_from(["completed", "failed", "created"]),
    "model": some.sampled_from(["gpt-4o", "gpt-4o-mini", "mistral-large", "claude-3-haiku"]),
    "interaction": some.sampled_from(["SummarizeText", "ContractReview", "AlwaysFails"]),
    "environment": some.sampled_from(["Bedrock EU", "Vertex AI", STAGING]),
    "query": some.sampled_from(WORDS),
    "name": some.sampled_from(["Contract", "summarize", "Text"]),
    "parent": some.just(["18adf10a8c6d6fb8e027546a"]),
    "object": some.just("66c0ffee00000000000000aa"),
    "tags": some.lists(some.sampled_from(["nightly", "legal", "support"]), min_size=1, max_size=2, unique=True),
    "start": some.sampled_from(["2026-01-01T00:00:00Z", "2026-11-10T12:30:00Z", "2026-11-20T00:00:00Z"]),
    "end": some.sampled_from(["2026-11-21T00:00:00Z", "2030-01-01T00:00:00+02:00"]),
}
WHERE: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = {
    "a comparison": ({"execution_time": {"$gt": 2000}}, lambda run: run.get("execution_time", 0) > 2000),
    "an inequality": ({"status": {"$ne": "failed"}}, lambda run: run["status"] != "failed"),
    "what is a filter of a search as well": ({"status": "failed"}, lambda run: run["status"] == "failed"),
    "a tag": ({"tags": "legal"}, lambda run: "legal" in run["tags"]),
    "times": (
        {"created_at": {"$gte": "2026-11-01T00:00:00.000Z", "$lt": "2026-11-20T12:00:00.000Z"}},
        lambda run: "2026-11-01" <= run["created_at"] < "2026-11-20T12:00:00.000Z",
    ),
    "alternatives": (
        {"$or": [{"modelId": "gpt-4o"}, {"token_use.total": {"$lt": 300}}]},
        lambda run: run["modelId"] == "gpt-4o" or run.get("token_use", {}).get("total", 300) < 300,
    ),
    "a time and another condition": (
        {"$and": [{"created_at": {"$gte": "2026-11-05T00:00:00.000Z"}}, {"status": "failed"}]},
        lambda run: run["created_at"] >= "2026-11-05" and run["status"] == "failed",
    ),
    "a conjunction in a conjunction": (
        {"$and": [{"tags": "legal"}, {"$and": [{"created_at": {"$lt": "2026-11-18T00:00:00.000Z"}}, {}]}]},
        lambda run: "legal" in run["tags"] and run["created_at"] < "2026-11-18",
    ),
    "nothing": ({}, lambda _: True),
}
"""MongoDB filters and their meanings."""


@pytest.fixture(scope="module")
async def documents(sandbox: Sandbox, anyio_backend: str) -> list[dict[str, Any]]:
    """Every run of the sandbox, as the API returns it."""
    async with connect(sandbox_api(sandbox.url, ApiSettings())) as runs:
        return [dict(run.raw) for run in await runs.search_runs(limit=1000)]


@pytest.fixture(scope="module")
async def found(sandbox: Sandbox, anyio_backend: str) -> dict[str, set[str]]:
    """Each word, with the ids of the runs in which the API finds it."""
    async with connect(sandbox_api(sandbox.url, ApiSettings())) as runs:
        return {word: {run.id for run in await runs.search_runs(query=word, limit=1000)} for word in WORDS}


@pytest.fixture
async def client(config: Config) -> AsyncIterator[Client]:
    """A client of a server in front of the sandbox."""
    async with Client(build_server(config).mcp, client_info=PATIENT) as connected:
        yield connected


def numbers(group: dict[str, Any]) -> dict[str, Any]:
    """Return the measures of a group."""
    return {name: value for name, value in group.items() if name in MEASURES}


_ROUNDING = {"ms": 0.501, "rate": 0.0000501}
"""The largest difference between a value and its rounded form, and a little for binary fractions."""


def expected(runs: Sequence[plain.Document], measures: list[str]) -> Any:
    """Return the measures of the plain computation, as the tool rounds them."""
    values = plain.measured(runs)
    return {name: pytest.approx(values[name], abs=_ROUNDING.get(name.rpartition("_")[2], 0.0501)) for name in measures}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    filters=some.fixed_dictionaries({}, optional=FILTERS),
    by=some.lists(some.sampled_from(DIMENSIONS), max_size=2, unique=True),
    measures=some.lists(some.sampled_from(MEASURES), min_size=1, unique=True),
    conditions=some.lists(some.sampled_from(list(WHERE)), max_size=3, unique=True),
)
async def test_any_filter_and_grouping_equals_a_plain_computation(
    client: Client,
    documents: list[dict[str, Any]],
    found: dict[str, set[str]],
    filters: dict[str, Any],
    by: list[str],
    measures: list[str],
    conditions: list[str],
) -> None:
    chosen = [
        run
        for run in documents
        if plain.matches(run, filters, found) and all(WHERE[condition][1](run) for condition in conditions)
    ]
    wheres = [WHERE[condition][0] for condition in conditions]
    where = {"$and": wheres} if len(wheres) > 1 else {} if not wheres else wheres[0]
    answer = await call(client, "aggregate_runs", by=by, measures=measures, where=where, limit=200, **filters)
    assert not answer.failed, answer.text
    told = answer.structured
    groups = plain.grouped(chosen, by)
    assert (told["covered"], told["matching"], told["complete"]) == (len(chosen), len(chosen), True)
    assert numbers(told["total"]) == expected(chosen, measures)
    assert len(told["groups"]) == min(len(groups), 200)
    for group in told["groups"]:
        key = tuple(group.get("ids", {}).get(name, label) for name, label in group["by"].items())
        assert numbers(group) == expected(groups[key], measures)


FIRST, SECOND = "2026-11-10T00:00:00.000Z", "2026-11-15T00:00:00.000Z"


@pytest.mark.parametrize(
    ("where", "start"),
    [
        pytest.param([{"created_at": {"$gte": SECOND}}, {"status": "failed"}], SECOND, id="a time and a status"),
        pytest.param([{"status": "failed"}, {"$and": [{"created_at": {"$gte": SECOND}}]}], SECOND, id="nested"),
        pytest.param(
            [{"created_at": {"$gte": SECOND}}, {"created_at": {"$gte": FIRST}}, {"status": "failed"}],
            SECOND,
            id="two bounds, the later first",
        ),
        pytest.param(
            [
                {"$and": [{"created_at": {"$gte": FIRST}}]},
                {"$and": [{"created_at": {"$gte": SECOND}}]},
                {"status": "failed"},
            ],
            SECOND,
            id="two bounds, each in a conjunction",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [{}, {"measures": ["runs"], "start": FIRST}], ids=["scanned", "counted"])
async def test_times_inside_a_conjunction_bound_the_period(
    client: Client, where: list[dict[str, Any]], start: str, arguments: dict[str, Any]
) -> None:
    answer = await call(client, "aggregate_runs", where={"$and": where}, **arguments)
    expected = await call(client, "aggregate_runs", status="failed", **{**arguments, "start": start})
    assert not answer.failed, answer.text
    assert answer.structured == expected.structured
    assert answer.structured["covered"] > 0


async def groups_of(client: Client, **arguments: Any) -> tuple[Answer, list[dict[str, Any]]]:
    answer = await call(client, "aggregate_runs", **arguments)
    assert not answer.failed, answer.text
    return answer, answer.structured["groups"]


async def test_values_with_the_same_name_are_separate_groups_with_ids(client: Client) -> None:
    for measures in (["runs"], ["median_ms"]):
        answer, groups = await groups_of(client, by="environment", measures=measures)
        labels = [group["by"]["environment"] for group in groups]
        assert {"Staging (66b2…e004)", "Staging (66b2…e005)", "Bedrock EU"} <= set(labels)
        assert f"Staging (66b2…e004) is {STAGING}." in answer.text


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
    assert f"{answer.structured['left_out']} earlier groups: raise limit." in answer.text


async def test_beyond_the_highest_limit_the_advice_is_to_narrow_the_filters(connect: Connect) -> None:
    run = {
        "id": "r1",
        "status": "completed",
        "created_at": "2026-11-20T10:00:00Z",
        "tags": [f"t{n}" for n in range(250)],
    }
    replies = {
        "POST /runs/find": reply([run]),
        "POST /runs/search": reply([run]),
        "POST /runs/facets": reply({"total": 1}),
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "aggregate_runs", by="tag", measures=["median_ms"], limit=200)
    assert answer.structured["left_out"] == 50
    assert "50 further groups: narrow the filters, e.g. by start and end." in answer.text


async def test_runs_without_a_field_are_counted_as_missing_in_its_measures(
    client: Client, documents: list[dict[str, Any]]
) -> None:
    answer, _ = await groups_of(client)
    without = sum("execution_time" not in run for run in documents)
    assert answer.structured["missing"]["execution_time"] == without
    assert f"Runs left out of measures: {without} without duration" in answer.text


@pytest.mark.parametrize("by", [["day"], ["interaction", "environment"], ["error", "model"], ["hour", "environment"]])
async def test_twenty_groups_take_less_than_1500_characters(client: Client, by: list[str]) -> None:
    answer, groups = await groups_of(client, by=by, limit=20)
    assert len(groups) <= 20
    assert len(answer.text) < 1500
    for group in groups:
        assert "|".join(group["by"].values()) in answer.text


async def test_long_labels_are_shortened_in_the_middle(connect: Connect) -> None:
    models = [f"projects/example/locations/europe-west4/publishers/google/models/gemini-{n:02}" for n in range(20)]
    runs = [{"id": f"r{n}", "modelId": model, "created_at": "2026-11-01"} for n, model in enumerate(models)]
    replies = {"POST /runs/find": reply(runs), "POST /runs/facets": reply({"total": 20})}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer, groups = await groups_of(client, by="model")
    assert sorted(group["by"]["model"] for group in groups) == models
    assert len(answer.text) < 1500
    assert all(f"gemini-{n:02}|1|" in answer.text for n in range(20))


async def test_counting_alone_reads_no_runs(client: Client) -> None:
    said = Notifications()
    answer = await call(client, "aggregate_runs", progress=said, by="model", measures=["runs", "failed"])
    assert said.messages == []
    assert answer.structured["covered"] == 200
    assert "oldest" not in answer.structured


async def test_an_incomplete_scan_is_reported_with_its_coverage(config: Config) -> None:
    short = config.model_copy(update={"server": ServerSettings(max_scan=120)})
    async with Client(build_server(short).mcp, client_info=PATIENT) as client:
        said = Notifications()
        answer = await call(client, "aggregate_runs", progress=said, measures=["median_ms", "runs"])
    told = answer.structured
    assert (told["covered"], told["complete"], told["matching"]) == (120, False, 200)
    assert told["total"]["runs"] == 120
    assert told["oldest"]
    assert "INCOMPLETE: 120 of 200 matching runs counted" in answer.text
    assert f'ask for a shorter period, e.g. start="{told["oldest"][:16]}Z"' in answer.text
    assert said.messages == ["120 of 200 runs"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sort": "speed"}, "sort takes one of runs, failed"),
        ({"by": ["model", "status", "day"]}, "`by`"),
        ({"measures": ["median"]}, "`measures`"),
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


async def test_milliseconds_are_whole_and_other_numbers_are_short(client: Client) -> None:
    measures = ["mean_ms", "median_ms", "p95_ms", "max_ms", "total_tokens", "mean_tokens", "failure_rate", "cost"]
    answer, groups = await groups_of(client, by="model", measures=measures)
    for values in [answer.structured["total"], *groups]:
        assert all(isinstance(values[name], int) for name in measures if name.endswith("_ms"))
        assert values["mean_tokens"] == round(values["mean_tokens"], 1)
        assert values["failure_rate"] == round(values["failure_rate"], 4)
        assert values["cost"] == round(values["cost"], 8)
    assert not re.search(r"\d\.\d{9}|\de-\d", answer.text)


async def test_text_and_structured_content_agree(client: Client) -> None:
    answer, groups = await groups_of(client, by="status", measures=["runs", "total_tokens"])
    for group in groups:
        assert f"{group['by']['status']}|{group['runs']}|{group['total_tokens']}" in answer.text
    assert json.dumps(answer.structured["total"]["runs"]) in answer.text


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
@pytest.mark.parametrize(
    ("operations", "status"),
    [
        pytest.param(("find",), 403, id="find, 403"),
        pytest.param(("facets",), 403, id="facets, 403"),
        pytest.param(("find", "facets"), 404, id="both, 404"),
    ],
)
async def test_where_operations_are_closed_the_numbers_are_the_same(
    tmp_path: Path, edition: str, operations: tuple[Operation, ...], status: int
) -> None:
    questions: list[dict[str, Any]] = [
        {"by": "model", "measures": ["runs", "failed"]},
        {"by": ["day"], "measures": ["median_ms", "total_tokens"], "limit": 200},
        {"by": "error", "interaction": "ContractReview", "query": "invoice"},
        {"by": "status", "where": {"modelId": "gpt-4o", "created_at": {"$gte": "2026-11-05"}}},
    ]
    data = tmp_path / "runs.db"  # one file, because the times of sample runs depend on when they are made
    async with served(SandboxOptions(data=data), edition) as whole:
        expected = [await groups_of(whole, **question) for question in questions]
    options = SandboxOptions(data=data, answers=closed(*operations, status=status))
    async with served(options, edition) as restricted:
        for question, (_, expected_groups) in zip(questions, expected, strict=True):
            answer, groups = await groups_of(restricted, **question)
            assert groups == expected_groups
            assert answer.structured["complete"]


@pytest.mark.parametrize("arguments", [{}, {"query": "invoice"}], ids=["alone", "with a text"])
async def test_where_find_is_closed_a_filter_that_needs_it_is_refused(arguments: dict[str, Any]) -> None:
    async with served(SandboxOptions(answers=closed("find")), "vertesia") as client:
        answer = await call(client, "aggregate_runs", where={"execution_time": {"$gt": 5}}, **arguments)
    assert answer.failed
    assert "may not use MongoDB filters" in answer.text


@asynccontextmanager
async def served(options: SandboxOptions, edition: str) -> AsyncIterator[Client]:
    """A client of a server in front of a sandbox with `options`."""
    async with running(options) as sandbox:
        config = Config(api=sandbox_api(sandbox.url, ApiSettings(edition=edition)))
        async with Client(build_server(config).mcp, client_info=PATIENT) as connected:
            yield connected


async def test_the_runs_that_no_group_of_errors_has_are_counted(client: Client) -> None:
    answer = await call(client, "aggregate_runs", by=["error", "model"])
    grouped = sum(group["runs"] for group in answer.structured["groups"])
    assert answer.structured["without_error"] == 200 - grouped
    assert f"Runs in no group: {200 - grouped} without an error." in answer.text


async def test_the_runs_that_no_group_of_tags_has_are_counted(client: Client, documents: list[dict[str, Any]]) -> None:
    untagged = sum(not run["tags"] for run in documents)
    successful = sum("error" not in run for run in documents)
    answer = await call(client, "aggregate_runs", by=["tag"], measures=["total_tokens"])
    assert answer.structured["without_tag"] == untagged > 0
    assert f"Runs in no group: {untagged} without a tag." in answer.text
    answer = await call(client, "aggregate_runs", by=["error", "tag"], measures=["total_tokens"])
    assert f"Runs in no group: {successful} without an error, {untagged} without a tag." in answer.text


@pytest.mark.parametrize("measure", ["runs", "total_tokens"], ids=["counted by the API", "counted here"])
async def test_groups_of_tags_note_that_they_can_share_runs(client: Client, measure: str) -> None:
    note = "A run counts in the group of each of its tags."
    tags = await call(client, "aggregate_runs", by=["tag"], measures=[measure])
    assert note in tags.text
    assert tags.structured["note"] == note
    models = await call(client, "aggregate_runs", by=["model"], measures=[measure])
    assert note not in models.text
    assert "note" not in models.structured
