"""The runs a sandbox starts with."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from runs_mcp.sandbox.content import samples
from runs_mcp.sandbox.content.demo_interactions import INTERACTIONS
from tests.sandbox.sandbox_client import JsonObject

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def runs() -> Sequence[JsonObject]:
    """A month of sample runs."""
    return list(samples.generate(200, now=NOW))


def time(run: JsonObject) -> datetime:
    return datetime.fromisoformat(run["created_at"])


def test_the_requested_number_of_runs_has_distinct_ids(runs: Sequence[JsonObject]) -> None:
    assert len({run["id"] for run in runs}) == len(runs) == 200
    assert all(len(run["id"]) == 24 and int(run["id"], 16) for run in runs)


def test_runs_are_spread_over_the_last_thirty_days(runs: Sequence[JsonObject]) -> None:
    assert all(NOW - timedelta(days=30) <= time(run) < NOW for run in runs)
    assert len({time(run).date() for run in runs}) >= 28


def test_runs_vary_in_interaction_environment_model_and_tags(runs: Sequence[JsonObject]) -> None:
    assert len({run["interaction"]["name"] for run in runs}) >= 5
    assert len({run["environment"]["id"] for run in runs}) == 5
    assert len({run["modelId"] for run in runs}) >= 5
    assert {tag for run in runs for tag in run["tags"]} == set(samples.TAG_CHOICES)


def test_most_runs_completed_and_some_failed_or_never_started(runs: Sequence[JsonObject]) -> None:
    statuses = Counter(run["status"] for run in runs)
    assert set(statuses) == {"completed", "failed", "created"}
    assert statuses["completed"] > 2 * statuses["failed"] > 20


def test_a_run_has_the_fields_of_its_status(runs: Sequence[JsonObject]) -> None:
    has = {status: [run for run in runs if run["status"] == status] for status in ("completed", "failed", "created")}
    assert all({"result", "token_use", "execution_time"} <= set(run) and "error" not in run for run in has["completed"])
    assert all(run["error"]["code"] and run["error"]["message"] for run in has["failed"])
    assert not any({"result", "error", "execution_time"} & set(run) for run in has["created"])


def test_failures_have_several_causes(runs: Sequence[JsonObject]) -> None:
    assert len({run["error"]["code"] for run in runs if run["status"] == "failed"}) >= 5


def test_children_are_newer_than_their_parent(runs: Sequence[JsonObject]) -> None:
    by_id = {run["id"]: run for run in runs}
    children = [run for run in runs if "parent" in run]
    assert len(children) > 5
    assert all(time(by_id[child["parent"]]) <= time(child) for child in children)


def test_results_are_those_of_the_interactions(runs: Sequence[JsonObject]) -> None:
    answers = {one.id: one.answer for one in INTERACTIONS}
    completed = [run for run in runs if run["status"] == "completed"]
    assert all(run["result"] == answers[run["interaction"]["id"]](run["parameters"], None) for run in completed)


def test_the_same_seed_gives_the_same_runs(runs: Sequence[JsonObject]) -> None:
    assert list(samples.generate(200, now=NOW)) == runs
    assert list(samples.generate(200, now=NOW, seed=8)) != runs


@pytest.mark.parametrize("hour", [0, 2, 3, 4, 12, 23])
def test_last_nights_contract_reviews_failed_where_the_contract_was_too_long(hour: int) -> None:
    now = NOW.replace(hour=hour)
    night = [
        run
        for run in samples.generate(200, now=now)
        if run["tags"] == ["legal", "nightly"]
        and run["interaction"]["name"] == "ContractReview"
        and "party" in run["parameters"]
    ]
    failed = [run for run in night if run["status"] == "failed"]
    assert len(night) == 9
    assert len(failed) > len(night) / 2
    assert {run["error"]["code"] for run in failed} == {"context_length_exceeded"}
    assert all(timedelta() < now - time(run) < timedelta(hours=26) for run in night)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 50])
def test_any_number_of_runs_can_be_generated(count: int) -> None:
    assert len(list(samples.generate(count, now=NOW))) == count


def test_only_some_runs_have_costs_and_cached_tokens(runs: Sequence[JsonObject]) -> None:
    used = [run["token_use"] for run in runs if "token_use" in run]
    for name in ("provider_cost_usd", "prompt_cached"):
        assert 10 < sum(name in use for use in used) < len(used) - 10
    assert all(use["prompt_cached"] <= use["prompt"] for use in used if "prompt_cached" in use)


def test_some_ended_runs_have_no_execution_time(runs: Sequence[JsonObject]) -> None:
    ended = [run for run in runs if run["status"] != "created"]
    assert 0 < sum("execution_time" not in run for run in ended) < len(ended) / 10
