"""Dry runs: they resolve a run, check its data, and create nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed_operations, running
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, Answer, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = pytest.mark.anyio

SAID = {"text": "I love it"}


@pytest.fixture(params=["composable", "vertesia"])
async def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client in both editions of the API; the server requires confirmation of creates, but never of dry runs."""
    api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": request.param}))
    config = Config.model_validate({"api": api, "server": {"confirm_create": True, "create_limit": {"per_hour": 1}}})
    async with Client(build_server(config).mcp, client_info=PATIENT) as connected:
        yield connected


async def dry(client: Client, **arguments: Any) -> Answer:
    """Return the answer to a dry run, after making sure that it creates nothing."""
    before = (await call(client, "compute_run_facets")).structured["total"]
    answer = await call(client, "create_run", dry_run=True, **arguments)
    assert (await call(client, "compute_run_facets")).structured["total"] == before
    return answer


async def test_a_dry_run_names_version_environment_and_model_and_checks_the_data(client: Client) -> None:
    answer = await dry(client, interaction="ClassifySentiment", data=SAID)
    assert answer.structured["runs"] == [
        {
            "interaction": "ClassifySentiment",
            "version": "3",
            "environment": "OpenAI production",
            "model": "gpt-4o",
            "model_source": "interaction",
            "input": "fits",
        }
    ]
    assert answer.text.startswith("Dry run: nothing was created.")
    assert "ClassifySentiment | 3 | OpenAI production | gpt-4o | fits" in answer.text


async def test_a_dry_run_resolves_the_settings_of_the_call(client: Client) -> None:
    settings = {"environment": "Bedrock EU", "model": "claude-3-haiku", "interaction_tag": "2"}
    answer = await dry(client, interaction="SummarizeText", data={"text": "One."}, **settings)
    [run] = answer.structured["runs"]
    assert (run["version"], run["environment"], run["model"]) == ("2", "Bedrock EU", "claude-3-haiku")
    assert run["problems"] == ["Only the input schema of version 3 is known."]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "`note`: is required."),
        ({"note": "Hi", "language": "xx"}, "`language`: 'xx' is not one of"),
        ({"note": "Hi", "language": "de", "options": {"formal": "yes"}}, "`options.formal`: "),
    ],
)
async def test_a_dry_run_names_the_invalid_field(client: Client, data: dict[str, Any], problem: str) -> None:
    answer = await dry(client, interaction="TranslateNote", data=data)
    [run] = answer.structured["runs"]
    assert run["input"] == "does not fit"
    assert any(problem in one for one in run["problems"])
    assert problem in answer.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"interaction": "Nothing"}, "there is no 'Nothing'"),
        ({"interaction": "ClassifySentiment@99"}, "Interaction not found: ClassifySentiment@99"),
        ({"interaction": "ClassifySentiment", "model": "unheard-of"}, "has no model unheard-of"),
    ],
)
async def test_a_dry_run_reports_the_problems_of_the_create(
    client: Client, arguments: dict[str, Any], words: str
) -> None:
    answer = await dry(client, **arguments, data=SAID)
    assert words in answer.structured["runs"][0]["failure"]
    assert words in answer.text


async def test_earlier_runs_inputs_and_models_have_a_line_each(client: Client) -> None:
    runs = (await call(client, "list_runs", interaction="ClassifySentiment", limit=2)).structured["runs"]
    ids = [one["id"] for one in runs]
    again = await dry(client, like=[*ids, "nowhere"])
    assert [one["for"] for one in again.structured["runs"]] == [*ids, "nowhere"]
    assert "(404)" in again.structured["runs"][2]["failure"]
    inputs = await dry(client, interaction="ClassifySentiment", inputs=[SAID, {}])
    assert [one["input"] for one in inputs.structured["runs"]] == ["fits", "does not fit"]
    assert "input 2: input does not fit: `text`: is required." in inputs.text
    models = await dry(client, interaction="ClassifySentiment", data=SAID, models=["gpt-4o", "gpt-4o-mini"])
    assert [one["model"] for one in models.structured["runs"]] == ["gpt-4o", "gpt-4o-mini"]


async def test_without_the_catalogue_the_unknown_facts_are_named() -> None:
    closed = SandboxOptions(answers=closed_operations(["interactions"]), seed_runs=20)
    async with running(closed) as sandbox:
        config = Config(api=sandbox_api(sandbox.url, ApiSettings()))
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            answer = await dry(client, interaction="ClassifySentiment", data=SAID)
    assert answer.structured["runs"][0]["input"] == "not checked"
    assert "The API does not resolve interactions" in answer.text


@pytest.mark.parametrize("interaction", ["ClassifySentiment", "66a1f0c2e4b0a1b2c3d40001"])
async def test_a_dry_run_reports_a_failure_of_the_api(connect: Connect, interaction: str) -> None:
    fails = reply({"error": "down"}, 500)
    places = (
        "POST /interactions/export",
        "GET /interactions/names",
        "GET /runs/filter-options/interaction",
        "GET /runs",
    )
    replies = dict.fromkeys((*places, f"GET /interactions/resolve/{interaction}"), fails)
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction=interaction, data=SAID, dry_run=True)
    assert answer.failed
    assert answer.text == 'The Runs API failed (500). It says: "down". No run was created. Try again.'


async def test_a_run_whose_resolution_fails_is_named_with_the_reason(connect: Connect) -> None:
    known = [{"id": "i1", "name": "A", "endpoint": "A", "version": 1, "status": "published", "prompts": []}]
    replies = {"POST /interactions/export": reply(known), "GET /interactions/resolve/A": reply({"error": "down"}, 500)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="A", data={}, dry_run=True)
    failure = 'The Runs API failed (500). It says: "down". No run was created. Try again.'
    assert answer.structured["runs"] == [{"failure": failure}]
    assert failure in answer.text
    assert "does not resolve" not in answer.text


CIRCULAR = {"type": "object", "properties": {"next": {"$ref": "#"}}}
UNUSABLE = {
    "stored elsewhere": ({"$uri": "store:invoice"}, "it does not describe an object"),
    "circular": (CIRCULAR, "refers to itself"),
    "two megabytes": (
        {"type": "object", "properties": {"a": {"type": "string", "title": "x" * 2_000_000}}},
        "too long",
    ),
}


@pytest.mark.parametrize(("schema", "reason"), UNUSABLE.values(), ids=UNUSABLE)
async def test_an_unusable_schema_is_not_checked_and_the_reason_is_given(schema: dict[str, Any], reason: str) -> None:
    exported = [{"id": "i1", "name": "Odd", "prompts": [{"template": {"inputSchema": schema}}]}]
    resolved = {"id": "i1", "name": "Odd", "version": 1, "resolved": {"model": "gpt-4o"}}
    replies: upstream.Replies = {
        "POST /interactions/export": reply(exported),
        "GET /interactions/resolve/Odd": reply(resolved),
    }
    async with (
        upstream.serving(replies) as api,
        Client(build_server(configured(api)).mcp, client_info=PATIENT) as client,
    ):
        answer = await call(client, "create_run", interaction="Odd", data=SAID, dry_run=True)
    [run] = answer.structured["runs"]
    assert run["input"] == "not checked"
    assert reason in run["problems"][0]
