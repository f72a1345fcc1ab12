"""The catalogue: interactions with their schemas, and environments without their secrets."""

import json

import httpx
import pytest
import respx

from runs_mcp.api import NotFoundError, PermissionDeniedError, ProtocolError, RunsClient, connect
from runs_mcp.api.catalog import PAGE, merge_input_schemas
from runs_mcp.cli.sandbox import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed_operations, running
from tests.api.conftest import BASE, Open

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["composable", "vertesia"])
def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> RunsClient:
    """A client of one edition, not opened yet."""
    return connect(sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": request.param})))


async def test_interactions_have_both_schemas_in_both_editions(client: RunsClient) -> None:
    async with client as runs:
        found = {one.name: one for one in await runs.catalog.list_interactions()}
    sentiment = found["ClassifySentiment"]
    assert (sentiment.endpoint, sentiment.version, list(sentiment.tags)) == (
        "ClassifySentiment",
        3,
        ["text", "support"],
    )
    assert sentiment.input_schema is not None
    assert sentiment.input_schema["required"] == ["text"]
    assert sentiment.result_schema is not None
    assert "evidence" in sentiment.result_schema["properties"]
    assert found["SummarizeText"].result_schema is None


async def test_resolving_returns_the_interaction_that_a_run_would_use(client: RunsClient) -> None:
    async with client as runs:
        default = await runs.catalog.resolve_interaction("SummarizeText@2")
        chosen = await runs.catalog.resolve_interaction(
            "SummarizeText", environment="66b2f0c2e4b0a1b2c3d4e002", model="claude-3-haiku"
        )
        with pytest.raises(NotFoundError):
            await runs.catalog.resolve_interaction("Nothing")
    assert (default.name, default.version, default.model) == ("SummarizeText", 2, "gpt-4o")
    assert chosen.environment is not None
    assert (chosen.environment.name, chosen.model, chosen.model_source) == ("Bedrock EU", "claude-3-haiku", "config")


async def test_environments_carry_models_and_no_secret(client: RunsClient) -> None:
    async with client as runs:
        environments = await runs.catalog.list_environments()
    assert "Archive" not in [one.name for one in environments]
    [openai] = [one for one in environments if one.name == "OpenAI production"]
    assert openai.provider == "openai"
    assert openai.models == ["gpt-4o", "gpt-4o-mini", "gpt-4.1"]
    assert "never-show" not in repr(environments)


async def test_a_closed_catalogue_is_a_typed_error() -> None:
    closed = SandboxOptions(seed_runs=0, answers=closed_operations(["interactions", "environments=404"]))
    async with running(closed) as sandbox, connect(sandbox_api(sandbox.url, ApiSettings())) as runs:
        with pytest.raises(PermissionDeniedError):
            await runs.catalog.list_interactions()
        with pytest.raises(NotFoundError):
            await runs.catalog.list_environments()


@pytest.mark.parametrize("cap", [PAGE, 50], ids=["full pages", "pages that the API caps"])
async def test_every_page_of_interactions_is_read(open_client: Open, router: respx.MockRouter, cap: int) -> None:
    everything = [{"id": f"i{number}", "name": f"N{number}"} for number in range(PAGE + 1)]

    def page(request: httpx.Request) -> httpx.Response:
        offset = json.loads(request.content)["offset"]
        return httpx.Response(200, json=everything[offset : offset + cap])

    router.post(f"{BASE['vertesia']}/interactions/endpoints").mock(side_effect=page)
    async with open_client(edition="vertesia") as runs:
        listed = await runs.catalog.list_interactions()
    assert [one.id for one in listed] == [one["id"] for one in everything]


async def test_an_api_that_ignores_the_offset_causes_no_endless_paging(
    open_client: Open, router: respx.MockRouter
) -> None:
    same = [{"id": f"i{number}", "name": f"N{number}"} for number in range(PAGE)]
    route = router.post(f"{BASE['vertesia']}/interactions/endpoints").respond(json=same)
    async with open_client(edition="vertesia") as runs:
        assert len(await runs.catalog.list_interactions()) == PAGE
    assert route.call_count == 2


async def test_answers_of_another_shape_are_read_as_far_as_possible(
    open_client: Open, router: respx.MockRouter
) -> None:
    route = router.post(f"{BASE['vertesia']}/interactions/endpoints")
    odd = [{"id": "i1", "tags": {"no": "list"}, "version": "3", "params_schema": 5, "result_schema": None}, {}, "text"]
    route.side_effect = [respx.MockResponse(200, json=answer) for answer in (odd, [], {"no": "list"})]
    async with open_client(edition="vertesia") as runs:
        [read] = await runs.catalog.list_interactions()
        assert (read.name, read.endpoint, read.version, list(read.tags)) == ("i1", "i1", None, [])
        assert read.input_schema is read.result_schema is None
        with pytest.raises(ProtocolError):
            await runs.catalog.list_interactions()


def test_the_input_of_several_prompts_is_the_merge_of_their_schemas() -> None:
    text, language = {"type": "string"}, {"enum": ["de", "fr"]}
    prompts = [
        {"template": {"inputSchema": {"type": "object", "properties": {"text": text}, "required": ["text"]}}},
        {"template": {"id": "no schema"}},
        {"configuration": {}},
        {"template": {"inputSchema": {"properties": {"text": {}, "to": language}, "required": ["text", "to"]}}},
    ]
    assert merge_input_schemas(prompts) == {
        "type": "object",
        "properties": {"text": text, "to": language},
        "required": ["text", "to"],
    }
    assert merge_input_schemas(None) is None
