"""The operations that change interactions have the effects that later requests show."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, sandbox, signed_in

pytestmark = pytest.mark.anyio

DRAFT = "66a1f0c2e4b0a1b2c3d4d001"
SENTIMENT = "66a1f0c2e4b0a1b2c3d40002"
OPENAI, BEDROCK = "66b2f0c2e4b0a1b2c3d4e001", "66b2f0c2e4b0a1b2c3d4e002"
CAREFUL = "66d4f0c2e4b0a1b2c3d4f101"
NAME: JsonObject = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
GREETING: JsonObject = {
    "type": "object",
    "properties": {"greeting": {"type": "string"}, "tone": {"enum": ["warm", "cold"]}},
    "required": ["greeting", "tone"],
}


@pytest.fixture
async def api(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a new sandbox, which a test may change; it speaks the strict contract."""
    async with sandbox(SandboxOptions(seed_runs=0)) as client:
        client.headers.update(TODAY)
        yield client


@pytest.fixture(scope="module")
async def unchanged(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a sandbox that rejects everything in a test; it speaks the strict contract."""
    async with sandbox(SandboxOptions(seed_runs=0, odd_interactions=True)) as client:
        client.headers.update(TODAY)
        yield client


def prompt(content: str = "Greet {{name}}.", schema: JsonObject = NAME, **more: Any) -> JsonObject:
    """Return a prompt segment with its whole template."""
    template = {
        "id": "66e5f0c2e4b0a1b2c3d4a001",
        "name": "GreetPrompt",
        "role": "user",
        "content": content,
        "content_type": "handlebars",
        "inputSchema": schema,
        "status": "draft",
        "version": 1,
        "project": "66a1f0c2e4b0a1b2c3d4bee0",
        "created_by": "user:x",
        "updated_by": "user:x",
        "created_at": "2026-11-01T00:00:00.000Z",
        "updated_at": "2026-11-01T00:00:00.000Z",
    }
    return {"type": "template", "template": {**template, **more}}


async def created(api: httpx.AsyncClient, **fields: Any) -> JsonObject:
    body = {"name": "Greet a person", "status": "draft", "prompts": [prompt()], **fields}
    interaction: JsonObject = await answered(await api.post("/interactions", json=body))
    return interaction


async def refusal(response: httpx.Response, status: int) -> str:
    """Return the message and the details of an error in the form of the platform."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["status"] == status
    assert body["error"]
    return f"{body['message']} {body.get('details', '')}"


async def test_a_created_interaction_is_a_draft_that_lists_selectors_and_runs_know(api: httpx.AsyncClient) -> None:
    draft = await created(api, description="Greet.", tags=["new"], test_data={"name": "Ada"})
    assert (draft["endpoint"], draft["status"], draft["version"]) == ("GreetAPerson", "draft", 1)
    assert await answered(await api.get(f"/interactions/{draft['id']}")) == draft
    listed = await answered(await api.get("/interactions", params={"name": "greet a"}))
    assert [one["id"] for one in listed] == [draft["id"]]
    assert {"id": draft["id"], "name": "Greet a person"} in await answered(await api.get("/interactions/names"))
    resolved = await answered(await api.get("/interactions/resolve/GreetAPerson"))
    assert resolved["id"] == draft["id"]
    run = await create(api, "GreetAPerson", draft["test_data"])
    assert run["result"] == [{"type": "text", "value": "Greet Ada."}]
    assert run["prompt"] == [{"role": "user", "content": "Greet Ada."}]
    misfit = await api.post("/runs", json={"interaction": draft["id"], "data": {"name": 1}})
    assert "data.name: 1 is not of type 'string'" in await refusal(misfit, 422)


async def test_an_interaction_with_a_result_schema_answers_with_an_object_that_fits_it(api: httpx.AsyncClient) -> None:
    await created(api, result_schema=GREETING)
    run = await create(api, "GreetAPerson", {"name": "Ada"})
    assert run["result"] == [{"type": "json", "value": {"greeting": "greeting 1", "tone": "warm"}}]
    assert run["result_schema"] == GREETING
    misfit = await create(api, "GreetAPerson", {"name": "Ada"}, result_schema={"type": "object", "required": ["x"]})
    assert misfit["error"]["code"] == "invalid_result"
    unchecked = await create(api, "GreetAPerson", {"name": "Ada"}, result_schema=None)
    assert unchecked["result"] == [{"type": "text", "value": "Greet Ada."}]
    assert "result_schema" not in unchecked


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"nmae": 1}, "nmae: unknown property"),
        ({"prompts": "none"}, "prompts: Input should be a valid list"),
        ({"name": "Classify sentiment"}, "An interaction with the endpoint ClassifySentiment exists."),
        ({"status": "published"}, "A new interaction is a draft"),
        ({"name": "!"}, "! contains no letter for an endpoint."),
        ({"environment": "nowhere"}, "Environment not found: nowhere"),
        ({"inference_profile": "0" * 24}, f"Inference profile not found: {'0' * 24}"),
        ({"prompts": [{"type": "template", "template": "nothing"}]}, "Prompt template not found: nothing"),
        ({"prompts": [prompt(schema={"type": 3})]}, "inputSchema of GreetPrompt is not a JSON schema"),
        ({"result_schema": {"type": "text"}}, "result_schema is not a JSON schema"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_invalid_interaction_is_not_created(
    unchanged: httpx.AsyncClient, fields: JsonObject, problem: str
) -> None:
    body = {"name": "Greet", "status": "draft", "prompts": [], **fields}
    assert problem in await refusal(await unchanged.post("/interactions", json=body), 400)
    assert await answered(await unchanged.get("/interactions", params={"name": "Greet"})) == []


async def test_the_older_contract_ignores_unknown_keys_of_a_new_interaction(api: httpx.AsyncClient) -> None:
    del api.headers["x-api-version"]
    assert (await created(api, temperature=0.5))["endpoint"] == "GreetAPerson"


async def test_an_update_changes_a_draft_and_its_runs(api: httpx.AsyncClient) -> None:
    draft = await created(api, result_schema=GREETING)
    body = {
        "expected_edit_revision": 1,
        "name": "Farewell",
        "prompts": [prompt("Bye {{name}}.")],
        "result_schema": None,
    }
    changed = await answered(await api.put(f"/interactions/{draft['id']}", json=body))
    assert (changed["name"], changed["endpoint"], changed["edit_revision"]) == ("Farewell", "GreetAPerson", 2)
    assert "result_schema" not in changed
    assert (await create(api, "GreetAPerson", {"name": "Ada"}))["result"] == [{"type": "text", "value": "Bye Ada."}]
    stale = await api.put(f"/interactions/{draft['id']}", json=body)
    assert "its edit revision is 2" in await refusal(stale, 409)


async def test_a_renamed_endpoint_replaces_the_old_name(api: httpx.AsyncClient) -> None:
    draft = await created(api)
    await answered(await api.put(f"/interactions/{draft['id']}", json={"endpoint": "Salute"}))
    assert (await create(api, "Salute", {"name": "Ada"}))["status"] == "completed"
    assert (await api.post("/runs", json={"interaction": "GreetAPerson"})).status_code == 404
    for taken in ("SummarizeText", "ClassifySentiment"):
        response = await api.put(f"/interactions/{draft['id']}", json={"endpoint": taken})
        assert f"An interaction with the endpoint {taken} exists." in await refusal(response, 400)


async def test_an_update_that_repeats_the_prompts_keeps_the_answers_of_a_sample(api: httpx.AsyncClient) -> None:
    draft = await answered(await api.get(f"/interactions/{DRAFT}"))
    await answered(await api.put(f"/interactions/{DRAFT}", json={"prompts": draft["prompts"], "tags": ["kept"]}))
    run = await create(api, "SummarizeText@draft", {"text": "Cats sleep.", "sentences": 1})
    assert run["result"] == [{"type": "text", "value": "Cats sleep."}]


async def test_a_published_version_keeps_its_content_when_the_draft_changes(api: httpx.AsyncClient) -> None:
    draft = await created(api, tags=["first"])
    version = await answered(await api.post(f"/interactions/{draft['id']}/publish", json={"tags": ["live"]}))
    assert (version["status"], version["version"], version["parent"]) == ("published", 1, draft["id"])
    assert (version["visibility"], version["tags"]) == ("public", ["live"])
    after = await answered(await api.get(f"/interactions/{draft['id']}"))
    assert (after["status"], after["version"]) == ("draft", 2)
    assert after["last_published_at"] == version["created_at"]
    await answered(await api.put(f"/interactions/{draft['id']}", json={"prompts": [prompt("Bye {{name}}.")]}))
    answers = {
        selector: (await create(api, selector, {"name": "Ada"}))["result"][0]["value"]
        for selector in ("GreetAPerson", "GreetAPerson@1", "GreetAPerson@live", "GreetAPerson@draft")
    }
    assert list(answers.values()) == ["Greet Ada.", "Greet Ada.", "Greet Ada.", "Bye Ada."]
    versions = await answered(await api.get(f"/interactions/{draft['id']}/versions"))
    assert [one["version"] for one in versions] == [1]


async def test_a_published_version_changes_only_in_status_visibility_and_tags(api: httpx.AsyncClient) -> None:
    path = f"/interactions/{SENTIMENT}"
    assert "cannot change: description" in await refusal(await api.put(path, json={"description": "x"}), 400)
    assert "Only a draft can be published" in await refusal(await api.post(f"{path}/publish", json={}), 400)
    await answered(await api.put(path, json={"status": "archived"}))
    assert (await api.post("/runs", json={"interaction": "ClassifySentiment"})).status_code == 404


async def test_a_version_number_is_published_once(api: httpx.AsyncClient) -> None:
    await answered(await api.put(f"/interactions/{DRAFT}", json={"version": 3}))
    response = await api.post(f"/interactions/{DRAFT}/publish", json={})
    assert "Version 3 of SummarizeText is published already" in await refusal(response, 409)


async def test_a_fork_is_an_independent_draft(api: httpx.AsyncClient) -> None:
    path = f"/interactions/{SENTIMENT}"
    body = {"newName": "Detect mood", "keepTags": True, "forkPrompts": True}
    fork = await answered(await api.post(f"{path}/fork", json=body))
    assert (fork["endpoint"], fork["status"], fork["parent"]) == ("DetectMood", "draft", SENTIMENT)
    assert fork["tags"] == ["text", "support"]
    source = await answered(await api.get(path))
    ids = [one["prompts"][0]["template"]["id"] for one in (fork, source)]
    assert fork["prompts"][0]["template"]["parent"] == ids[1] != ids[0]
    run = await create(api, "DetectMood", {"text": "Good."})
    assert run["result"][0]["value"]["sentiment"] == "positive"
    assert [one["id"] for one in await answered(await api.get(f"{path}/forks"))] == [fork["id"]]
    unnamed = [(await answered(await api.post(f"{path}/fork", json={})))["endpoint"] for _ in range(2)]
    assert unnamed == ["ClassifySentimentCopy", "ClassifySentimentCopy2"]
    elsewhere = await api.post(f"{path}/fork", json={"targetProject": "other"})
    assert "Project not found: other" in await refusal(elsewhere, 404)


@pytest.mark.parametrize(("params", "left"), [({}, {2, 3}), ({"cascade": "true"}, set())], ids=["alone", "cascade"])
async def test_a_deleted_interaction_is_gone(api: httpx.AsyncClient, params: JsonObject, left: set[int]) -> None:
    assert await answered(await api.delete(f"/interactions/{DRAFT}", params=params)) == {"id": DRAFT}
    assert "Interaction not found" in await refusal(await api.get(f"/interactions/{DRAFT}"), 404)
    assert "Interaction not found" in await refusal(await api.delete(f"/interactions/{DRAFT}"), 404)
    found = await answered(await api.get("/interactions", params={"name": "SummarizeText"}))
    assert {one["version"] for one in found} == left


async def test_interactions_in_code_cannot_change_but_have_a_configuration(api: httpx.AsyncClient) -> None:
    assert "not found" in await refusal(await api.put("/interactions/app:crm:ScoreLead", json={}), 404)
    path = "/interaction-configurations/app:crm:ScoreLead"
    assert await answered(await api.get(path)) == {"configuration": None}
    cheap = CAREFUL[:-1] + "2"
    saved = await answered(await api.put(path, json={"inference_profile": cheap, "budget": {"limit_tokens": 9}}))
    assert await answered(await api.get(path)) == saved
    run = await create(api, "app:crm:ScoreLead", {"employees": 1})
    assert (run["modelId"], run["inference_profile"]["source"]) == ("gpt-4o-mini", "interaction")
    bypassed = await create(api, "app:crm:ScoreLead", {"employees": 1}, config={"inference_profile": None})
    assert bypassed["modelId"] == "gpt-4o"
    kept = await answered(await api.put(path, json={"inference_profile": None}))
    assert kept["configuration"]["budget"] == {"limit_tokens": 9}
    assert await answered(await api.delete(path)) == {"configuration": None}
    assert await answered(await api.get(path)) == {"configuration": None}
    assert "not found" in await refusal(await api.get(f"/interaction-configurations/{SENTIMENT}"), 404)


async def test_an_interaction_runs_in_its_own_environment(api: httpx.AsyncClient) -> None:
    await created(api, environment=BEDROCK, model="claude-3-haiku")
    resolved = (await answered(await api.get("/interactions/resolve/GreetAPerson")))["resolved"]
    assert (resolved["environment"]["id"], resolved["model"], resolved["model_source"]) == (
        BEDROCK,
        "claude-3-haiku",
        "interaction",
    )
    assert (await create(api, "GreetAPerson", {"name": "Ada"}))["modelId"] == "claude-3-haiku"
    elsewhere = await create(api, "GreetAPerson", {"name": "Ada"}, config={"environment": OPENAI})
    assert elsewhere["modelId"] == "gpt-4o"
    found = await answered(await api.get("/interactions", params={"environment": BEDROCK}))
    assert [one["endpoint"] for one in found] == ["GreetAPerson"]


async def test_lists_and_facets_filter_by_the_options_of_agents(api: httpx.AsyncClient) -> None:
    agent = await created(api, agent_runner_options={"is_agent": True})
    found = await answered(await api.get("/interactions", params={"is_agent": "true"}))
    assert [one["id"] for one in found] == [agent["id"]]
    body = {"facets": [{"name": "states", "field": "status"}], "query": {"is_basic": False}}
    assert await answered(await api.post("/interactions/facets", json=body)) == {
        "states": [{"_id": "draft", "count": 1}],
        "total": 1,
    }


async def test_test_data_fits_the_input_schema(api: httpx.AsyncClient) -> None:
    path = f"/interactions/{DRAFT}/generate-test-data"
    records = await answered(await api.post(path, json={"config": {"environment": OPENAI}, "count": 3}))
    assert [record["style"] for record in records] == ["plain", "bullets", "plain"]
    assert len({record["text"] for record in records}) == 3
    for record in records:
        assert (await create(api, "SummarizeText@draft", record))["status"] == "completed"
    assert "config: Field required" in await refusal(await api.post(path, json={}), 400)
    unknown = await api.post(path, json={"config": {"environment": OPENAI, "model": "none"}})
    assert "has no model none" in await refusal(unknown, 400)


async def test_a_generated_interaction_can_be_created(api: httpx.AsyncClient) -> None:
    body = {"description": "List the verbs of a text", "config": {}}
    [definition] = await answered(await api.post(f"/interactions/{DRAFT}/generate-interaction", json=body))
    assert (definition["name"], definition["tags"]) == ("ListTheVerbsOf", ["generated"])
    prompts = [prompt(**one["template"]) for one in definition["prompts"]]
    schema = definition["result_schema"]
    draft = await created(api, name=definition["name"], prompts=prompts, result_schema=schema)
    run = await create(api, draft["endpoint"], {"text": "Cats sleep."})
    assert run["result"][0]["value"] == {"answer": "answer 1"}


async def test_improvements_name_the_missing_parts_of_a_prompt(api: httpx.AsyncClient) -> None:
    path = f"/interactions/{SENTIMENT}/suggest-prompt-improvements"
    [part] = (await answered(await api.post(path, json={"config": {}})))["result"]
    assert "ClassifySentimentPrompt: name the place of the input" in part["value"]
    body = {
        "config": {},
        "interaction_name": "Greet",
        "prompt": [{"name": "user", "content": "Greet {{name}}, for example: Hi."}],
        "result_schema": GREETING,
    }
    [part] = (await answered(await api.post("/interactions/improve", json=body)))["result"]
    assert part["value"] == "Improvements of Greet:\n- No improvement found."
    del api.headers["x-api-version"]
    assert isinstance((await answered(await api.post(path, json={"config": {}})))["result"], str)


async def test_a_broken_input_schema_is_an_error_in_the_form_of_the_platform(
    unchanged: httpx.AsyncClient,
) -> None:
    broken = await unchanged.post("/runs", json={"interaction": "BrokenInputSchema", "data": {"text": "x"}})
    assert "its references cannot be followed" in await refusal(broken, 422)
    unresolved = await unchanged.post("/runs", json={"interaction": "BrokenResultSchema", "data": {"text": "x"}})
    assert "The result schema of BrokenResultSchema is not stored" in await refusal(unresolved, 400)


async def test_the_schemas_of_temporary_prompts_are_checked(unchanged: httpx.AsyncClient) -> None:
    prompts = [{"role": "user", "content": "{{n}}", "content_type": "handlebars", "schema": {"required": 5}}]
    body = {"interaction": "tmp:x", "data": {"n": 1}, "prompts": [*prompts, *prompts]}
    assert "The schema of a prompt is not a JSON schema" in await refusal(await unchanged.post("/runs", json=body), 400)
    prompts[0]["schema"] = {"type": "object", "properties": {"n": {"type": "string"}}}
    misfit = await unchanged.post("/runs", json={**body, "prompts": prompts})
    assert "data.n: 1 is not of type 'string'" in await refusal(misfit, 422)


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("POST", "/interactions", "interaction:write"),
        ("PUT", f"/interactions/{DRAFT}", "interaction:write"),
        ("DELETE", f"/interactions/{DRAFT}", "interaction:delete"),
        ("POST", f"/interactions/{DRAFT}/publish", "interaction:write"),
        ("POST", f"/interactions/{DRAFT}/fork", "interaction:write"),
        ("POST", "/interactions/improve", "interaction:execute"),
        ("PUT", "/interaction-configurations/sys:WriteTestData", "project:settings_write"),
        ("POST", "/environments", "environment:admin"),
        ("DELETE", f"/environments/{BEDROCK}", "environment:admin"),
        ("POST", f"/environments/{OPENAI}/embeddings", "interaction:execute"),
    ],
)
async def test_the_read_only_key_changes_nothing(
    unchanged: httpx.AsyncClient, method: str, path: str, permission: str
) -> None:
    async with signed_in(str(unchanged.base_url).removesuffix("/api/v1/"), "sk-sandbox-read-only") as reader:
        response = await reader.request(method, path, json={})
    assert f"Missing permission {permission}." in await refusal(response, 403)
