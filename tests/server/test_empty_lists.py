"""Empty lists: their hints name the filter that hides runs, and how many runs match without it."""

import re
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed, running
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, Answer, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = pytest.mark.anyio

PARENT = "18adf10a8c6d6fb8e027546a"


def hidden_by(name: str, answer: Answer) -> int:
    """Return the number of runs that an answer counts without a filter."""
    found = re.search(rf'Without {name}="[^"]+" ([0-9,]+) runs? match', answer.text)
    assert found, answer.text
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize(
    ("tool", "others"),
    [
        pytest.param("search_runs", {"start": "2d"}, id="a period"),
        pytest.param("search_runs", {"query": "invoice"}, id="words"),
        pytest.param("search_runs", {"name": "Contract"}, id="a name"),
        pytest.param("search_runs", {"tags": ["legal"]}, id="tags"),
        pytest.param("search_runs", {"parent": [PARENT]}, id="parents"),
        pytest.param("search_runs", {"sort": "-created_at", "tags": ["legal"]}, id="sorted"),
        pytest.param("list_runs", {"parent": PARENT}, id="a parent"),
        pytest.param("list_runs", {"parent": False, "interaction": "ContractReview"}, id="no parent"),
        pytest.param("list_runs", {"tag": "legal", "environment": "Bedrock EU"}, id="two filters of a list"),
    ],
)
async def test_the_hint_counts_only_runs_that_match_all_other_filters(
    client: Client, tool: str, others: dict[str, Any]
) -> None:
    matching = len((await call(client, tool, limit=100, **others)).structured["runs"])
    assert 0 < matching < 100
    answer = await call(client, tool, model="no-such-model", **others)
    assert answer.structured["runs"] == []
    assert hidden_by("model", answer) == matching


@pytest.mark.parametrize("tool", ["search_runs", "compute_run_facets", "aggregate_runs"])
async def test_counts_of_nothing_name_the_filter_that_hides_runs(client: Client, tool: str) -> None:
    answer = await call(client, tool, model="GPT-4o", status="failed")
    hint = 'Without model="GPT-4o" 26 runs match (did you mean gpt-4o?).'
    assert answer.text.endswith(hint)
    assert answer.structured["advice"] == hint


async def test_a_filter_without_values_names_the_filter_that_hides_runs(client: Client) -> None:
    answer = await call(client, "get_run_filter_options", field="model", tag="Legal")
    assert answer.structured["options"] == []
    assert answer.structured["advice"] in answer.text
    assert hidden_by("tag", answer) == 200
    assert "did you mean legal?" in answer.text


async def test_without_filter_values_others_may_exist() -> None:
    async with running(SandboxOptions(answers=closed("filter_options"))) as sandbox:
        config = Config(api=sandbox_api(sandbox.url, ApiSettings()))
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            answer = await call(client, "get_run_filter_options", field="model", tag="Legal")
    assert answer.structured["options"] == []
    assert answer.structured["note"] in answer.text
    assert answer.structured["advice"] in answer.text


async def test_a_count_of_nothing_names_a_misspelled_finish_reason(connect: Connect, sandbox: Sandbox) -> None:
    async with connect(Config(api=sandbox_api(sandbox.url, ApiSettings(edition="vertesia")))) as client:
        answer = await call(client, "aggregate_runs", finish_reason="Stop")
    assert hidden_by("finish_reason", answer) == 200
    assert "did you mean stop?" in answer.text


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        pytest.param(
            {"status": "FAILED"},
            "Runs may have no status FAILED; known: created, processing, completed, failed.",
            id="case",
        ),
        pytest.param(
            {"$or": [{"status": {"$in": ["error"]}}, {"status": "FAILED"}]},
            "Runs may have no status error; known: created, processing, completed, failed. "
            "Runs may have no status FAILED; known: created, processing, completed, failed.",
            id="statuses of other systems",
        ),
        pytest.param({"execution_time": {"$gt": "5000"}}, "execution_time holds numbers, not texts.", id="a number"),
        pytest.param(
            {"token_use.total": {"$gt": "9"}}, "token_use holds numbers, not texts.", id="a number in a field"
        ),
        pytest.param({"model": "gpt-4o"}, "Runs may have no field model (did you mean modelId?).", id="a field"),
        pytest.param({"zzz.total": 1}, "Runs may have no field zzz.", id="a field unlike others"),
        pytest.param(
            {"error.code": "rate_limit"}, 'aggregate_runs(by=["error"]) shows the codes of errors.', id="an error code"
        ),
        pytest.param(
            {"error": {"$regex": "limit"}},
            "error holds objects, not texts: compare error.code or error.message. "
            'aggregate_runs(by=["error"]) shows the codes of errors.',
            id="an error as text",
        ),
        pytest.param(
            {"created_at": "2d"}, "created_at equals a single moment: compare it by $gte and $lt.", id="an equal time"
        ),
    ],
)
async def test_a_mongodb_filter_without_runs_names_the_condition_that_no_run_can_meet(
    client: Client, query: dict[str, Any], hint: str
) -> None:
    found = await call(client, "find_runs", query=query)
    assert found.structured == found.structured | {"runs": [], "advice": hint}
    assert found.text.endswith(hint)
    counted = await call(client, "aggregate_runs", where=query)
    assert counted.structured == counted.structured | {"covered": 0, "advice": hint}
    assert counted.text.endswith(hint)


@pytest.mark.parametrize(
    "query",
    [
        {"status": {"$regex": "^none"}},
        {"status": "processing"},
        {"finish_reason": "FAILED"},
        {"execution_time": {"$gt": 1e9}},
    ],
)
async def test_a_mongodb_filter_that_runs_could_meet_gets_no_doubts(client: Client, query: dict[str, Any]) -> None:
    assert (await call(client, "find_runs", query=query)).text.endswith("End of list.")


async def test_a_selected_field_that_no_run_has_is_named(client: Client) -> None:
    answer = await call(client, "find_runs", query={}, limit=2, select=["status", "model"])
    hint = "Runs may have no field model (did you mean modelId?)."
    assert answer.structured["note"] == hint
    assert hint in answer.text
    assert "note" not in (await call(client, "find_runs", query={}, limit=2, select=["status", "error"])).structured
    answer = await call(client, "find_runs", query={}, limit=2, select=["status", "cost"])
    assert answer.structured["note"] == "Runs may have no field cost."


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        pytest.param({"start": "2100-01-01"}, 'Without start="2100-01-01T00:00:00.000Z" 200 runs match.', id="a start"),
        pytest.param({"tags": ["LEGAL"]}, 'Without tags=["LEGAL"] 200 runs match (did you mean legal?).', id="a tag"),
        pytest.param(
            {"tags": ["legal,nightly"]},
            'Without tags=["legal,nightly"] 200 runs match (did you mean nightly?).',
            id="tags in one text",
        ),
        pytest.param(
            {"environment": "66b2f0c2e4b0a1b2c3d4e009"},
            'Without environment="66b2f0c2e4b0a1b2c3d4e009" 200 runs match.',
            id="an id",
        ),
        pytest.param({"parent": ["nonexistent"]}, 'Without parent=["nonexistent"] 200 runs match.', id="a parent"),
        pytest.param({"name": "nonexistent"}, 'Without name="nonexistent" 200 runs match.', id="a name"),
        pytest.param(
            {"query": "rate limit", "status": "failed"},
            'Without query="rate limit" 26 runs match. '
            'query does not search errors: aggregate_runs(by=["error"]) counts them.',
            id="words",
        ),
        pytest.param(
            {"model": "claude"},
            'Without model="claude" 200 runs match (did you mean claude-3-5-sonnet, claude-3-haiku?).',
            id="a part of a model",
        ),
    ],
)
async def test_any_filter_of_a_search_that_hides_runs_is_named(
    client: Client, arguments: dict[str, Any], hint: str
) -> None:
    for tool in ("search_runs", "compute_run_facets", "aggregate_runs"):
        answer = await call(client, tool, **arguments)
        assert answer.structured["advice"] == hint
        assert answer.text.endswith(hint)


async def test_several_values_of_a_filter_that_hides_runs_are_named(connect: Connect, sandbox: Sandbox) -> None:
    async with connect(Config(api=sandbox_api(sandbox.url, ApiSettings(edition="vertesia")))) as client:
        answer = await call(client, "list_runs", model=["GPT-4O", "mistral"])
    assert 'Without model=["GPT-4O", "mistral"] 200 runs match (did you mean gpt-4o, mistral-large?).' in answer.text


async def test_a_hint_suggests_no_tag_of_the_server(connect: Connect) -> None:
    tags = [{"_id": "runs-mcp:4f0c", "count": 3}, {"_id": "runs", "count": 1}]
    replies = {
        "POST /runs/search": reply([]),
        "POST /runs/facets": reply({"total": 4, "tags": tags, "status": [{"_id": "failed", "count": 4}]}),
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "search_runs", tags=["Runs"])
    assert answer.structured["advice"] == 'Without tags=["Runs"] 4 runs match (did you mean runs?).'
    assert "runs-mcp" not in answer.text


async def test_a_run_with_several_tags_counts_once(client: Client) -> None:
    everything = (await call(client, "compute_run_facets", facets=["status"])).structured["total"]
    assert hidden_by("tag", await call(client, "list_runs", tag="no-such-tag")) == everything


async def test_several_values_of_another_filter_count_together(connect: Connect, sandbox: Sandbox) -> None:
    several = {"status": ["failed", "created"]}
    async with connect(Config(api=sandbox_api(sandbox.url, ApiSettings(edition="vertesia")))) as client:
        matching = len((await call(client, "list_runs", limit=100, **several)).structured["runs"])
        answer = await call(client, "list_runs", model="no-such-model", **several)
    assert hidden_by("model", answer) == matching > 0


async def test_without_a_filter_that_hides_runs_the_hint_is_general(client: Client) -> None:
    answer = await call(client, "search_runs", query="nonexistent", name="nonexistent")
    assert "Without" not in answer.text
    assert "list_runs without filters shows the newest runs" in answer.text


async def test_a_single_hidden_run_is_counted_in_the_singular(connect: Connect) -> None:
    replies = {"POST /runs/search": reply([]), "POST /runs/facets": reply({"status": [{"_id": "failed", "count": 1}]})}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "search_runs", status="completed")
    assert 'Without status="completed" 1 run matches (failed).' in answer.text
