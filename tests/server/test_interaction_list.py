"""`list_interactions`, and the environments and models that no run has used."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import SandboxOptions, closed_operations, running
from runs_mcp.server import build_server
from runs_mcp.server.interactions.interaction_results import input_summary
from tests.calls import PATIENT, call
from tests.conftest import Connect

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def beside(
    *, closed: Sequence[str] = (), odd: bool = False, runs: int = 20, edition: str = "composable", **server: object
) -> AsyncIterator[Client]:
    """Yield a client of a server in front of a new sandbox."""
    options = SandboxOptions(seed_runs=runs, odd_interactions=odd, answers=closed_operations(closed))
    async with running(options) as sandbox:
        api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": edition}))
        config = Config.model_validate({"api": api, "server": server})
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            yield client


async def test_each_interaction_is_a_line_with_its_input(client: Client) -> None:
    answer = await call(client, "list_interactions")
    [line] = [one for one in answer.structured["interactions"] if one["interaction"] == "TranslateNote"]
    assert line["input"] == "note, language: de|en|fr|ja, options?: object"
    assert line["status"] == "draft"
    [text] = [one for one in answer.text.splitlines() if one.startswith("SummarizeText")]
    assert "3 | published | text, production | text, sentences?: integer | Summarise" in text
    assert answer.text.endswith("End of list.")


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_both_editions_list_the_same(edition: str) -> None:
    async with beside(edition=edition) as client:
        names = [one["interaction"] for one in (await call(client, "list_interactions")).structured["interactions"]]
    assert {"SummarizeText", "ContractReview", "TranslateNote"} <= set(names)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"query": "risky CLAUSES"}, ["ContractReview"]),
        ({"tag": "support"}, ["ClassifySentiment", "AnswerFromNotes"]),
        ({"tag": "support", "query": "notes"}, ["AnswerFromNotes"]),
        ({"query": "no such thing"}, []),
    ],
)
async def test_words_and_tags_narrow_the_list(client: Client, filters: dict[str, str], names: list[str]) -> None:
    answer = await call(client, "list_interactions", **filters)
    assert [one["interaction"] for one in answer.structured["interactions"]] == names


@pytest.mark.parametrize(
    ("arguments", "says", "advice"),
    [
        pytest.param(
            {"tag": "Legal"},
            'No interactions for list_interactions(tag="Legal")',
            "Without these filters there are 8; their tags: legal, production, support, test, text.",
            id="a tag",
        ),
        pytest.param(
            {"query": "nonexistent"},
            'No interactions for list_interactions(query="nonexistent")',
            "Without these filters there are 8.",
            id="words",
        ),
        pytest.param(
            {"offset": 70}, "No interactions from offset 70 on for list_interactions", "There are 8.", id="an offset"
        ),
    ],
)
async def test_an_empty_list_counts_the_interactions_without_filters(
    client: Client, arguments: dict[str, Any], says: str, advice: str
) -> None:
    answer = await call(client, "list_interactions", **arguments)
    assert answer.structured["interactions"] == []
    assert answer.structured["advice"] == advice
    assert answer.text.startswith(says)
    assert answer.text.endswith(advice)


async def test_a_single_interaction_is_counted_in_the_singular(client: Client) -> None:
    answer = await call(client, "list_interactions", query="contract")
    assert answer.text.startswith("1 interaction, 1 to 1 ")


async def test_pages_lead_through_the_whole_list(client: Client) -> None:
    everything = (await call(client, "list_interactions")).structured["interactions"]
    first = await call(client, "list_interactions", limit=3)
    assert first.structured["next"] == "list_interactions(limit=3, offset=3)"
    assert first.structured["next"] in first.text
    rest = await call(client, "list_interactions", offset=3, limit=100)
    assert first.structured["interactions"] + rest.structured["interactions"] == everything
    assert "next_offset" not in rest.structured


@pytest.mark.parametrize("given", ["ClassifySentiment", "classifysentiment", "66a1f0c2e4b0a1b2c3d40002"])
async def test_a_single_interaction_has_schemas_defaults_and_an_example(client: Client, given: str) -> None:
    answer = await call(client, "list_interactions", interaction=given)
    [one] = answer.structured["interactions"]
    assert one["input_schema"]["required"] == ["text"]
    assert one["result_schema"]["required"] == ["sentiment", "score", "evidence"]
    assert one["default_environment"] == "OpenAI production (66b2f0c2e4b0a1b2c3d4e001)"
    assert one["default_model"] == "gpt-4o"
    assert set(one["example"]) == {"text"}
    run = (await call(client, "get_run", run_id=answer.structured["example_run"])).structured
    assert run["status"] == "completed"
    assert json.dumps(one["example"]["text"], ensure_ascii=False) in answer.text


async def test_an_unknown_interaction_suggests_the_nearest(client: Client) -> None:
    answer = await call(client, "list_interactions", interaction="ClassifySentment")
    assert answer.failed
    assert "Did you mean ClassifySentiment?" in answer.text


async def test_large_schemas_and_examples_are_cut() -> None:
    async with beside(max_result_chars=1_000) as client:
        await call(client, "create_run", interaction="SummarizeText", data={"text": "Long" * 3_000})
        answer = await call(client, "list_interactions", interaction="SummarizeText")
    assert answer.structured["cut"] == ["example"]
    assert "(cut: 333 of 12,0" in answer.text
    assert len(answer.text) < 2_000


@pytest.mark.parametrize("closed", [["interactions"], ["interactions=404", "filter_options"]])
async def test_without_permission_names_are_taken_from_runs(closed: list[str]) -> None:
    async with beside(closed=closed, runs=200) as client:
        answer = await call(client, "list_interactions")
        one = await call(client, "list_interactions", interaction="SummarizeText")
    assert "SummarizeText" in [one["interaction"] for one in answer.structured["interactions"]]
    assert "these are the names that runs have used" in answer.text
    assert answer.structured["note"] in answer.text
    assert one.structured["interactions"][0]["example"]["text"]


async def test_names_in_other_scripts_and_with_colons_are_named_as_they_are() -> None:
    async with beside(odd=True) as client:
        for name in ("文書要約", "billing:Invoice", "BrokenInputSchema", "NoInput"):
            answer = await call(client, "list_interactions", interaction=name)
            assert not answer.failed, answer.text
            assert answer.structured["interactions"][0]["interaction"] == name


def test_the_input_of_an_interaction_fits_a_line() -> None:
    many = {f"f{number}": {"type": "string"} for number in range(20)}
    schema = {
        "properties": {"size": {"type": ["integer", "null"]}, "to": {"enum": ["de", "fr"]}, **many},
        "required": ["to"],
    }
    assert input_summary(schema).startswith("to: de|fr, size?, f0?, f1?")
    assert input_summary(schema).endswith(", …")
    assert input_summary(None) == input_summary({"properties": 5, "required": "x"}) == ""


async def test_environments_and_models_that_no_run_has_used_are_offered(connect: Connect, config: Config) -> None:
    async with beside(runs=0) as client:
        environments = (await call(client, "get_run_filter_options", field="environment")).structured["options"]
        models = (await call(client, "get_run_filter_options", field="model")).structured["options"]
        filtered = await call(client, "get_run_filter_options", field="model", status="failed")
    assert {"id": "66b2f0c2e4b0a1b2c3d4e002", "name": "Bedrock EU", "count": 0} in environments
    assert {"id": "mistral-large", "count": 0} in models
    assert filtered.structured["options"] == []


async def test_environments_replace_closed_filter_options() -> None:
    async with beside(closed=["filter_options"]) as client:
        answer = await call(client, "get_run_filter_options", field="environment")
        statuses = await call(client, "get_run_filter_options", field="status")
    assert {"id": "66b2f0c2e4b0a1b2c3d4e002", "name": "Bedrock EU"} in answer.structured["options"]
    assert "None" not in answer.text
    assert "Others may exist" in answer.text
    assert {one["id"] for one in statuses.structured["options"]} == {"created", "processing", "completed", "failed"}


async def test_closed_environments_leave_the_values_of_runs() -> None:
    async with beside(closed=["environments"], runs=200) as client:
        answer = await call(client, "get_run_filter_options", field="environment")
    assert not answer.failed
    assert 0 not in [one["count"] for one in answer.structured["options"]]


async def test_no_secret_of_an_environment_reaches_an_agent(client: Client) -> None:
    for field in ("environment", "model"):
        answer = await call(client, "get_run_filter_options", field=field)
        assert "never-show" not in answer.text + json.dumps(answer.structured)


@pytest.mark.parametrize(
    ("version", "other"),
    [("@draft", True), ("@1", True), ("@99", True), ("@3", False), ("@production", False), ("", False)],
)
async def test_schemas_of_another_version_are_noted(client: Client, version: str, *, other: bool) -> None:
    answer = await call(client, "list_interactions", interaction=f"SummarizeText{version}")
    note = f"Description and schemas are those of version 3; those of SummarizeText{version} are unknown."
    assert answer.structured.get("note") == (note if other else None)
    assert (note in answer.text) == other
