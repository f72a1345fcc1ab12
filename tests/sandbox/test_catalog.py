"""Interactions, environments and models, in both contracts."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from runs_mcp.sandbox import SandboxOptions
from runs_mcp.sandbox.content.demo_interactions import IN_CODE, INTERACTIONS, VERSIONS
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, get, sandbox, signed_in

pytestmark = pytest.mark.anyio

SUMMARY = "66a1f0c2e4b0a1b2c3d40001"
DRAFT = "66a1f0c2e4b0a1b2c3d4d001"
OPENAI = "66b2f0c2e4b0a1b2c3d4e001"
CONTRACTS = pytest.mark.parametrize("headers", [{}, TODAY], ids=["reference document", "today"])


async def endpoints(api: httpx.AsyncClient, **body: Any) -> list[JsonObject]:
    found: list[JsonObject] = await answered(await api.post("/interactions/endpoints", json=body, headers=TODAY))
    return found


def names(interactions: Sequence[JsonObject]) -> list[tuple[str, int]]:
    return [(one["name"], one["version"]) for one in interactions]


@CONTRACTS
async def test_endpoints_hold_everything_a_typed_tool_needs(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    body = {"status": "published", "include_params_schema": True, "include_result_schema": True}
    found = await answered(await api.post("/interactions/endpoints", json=body, headers=headers))
    assert {one["name"] for one in found} == {one.name for one in INTERACTIONS}
    for one in found:
        Draft202012Validator.check_schema(one["params_schema"])
        assert set(one["params_schema"]["required"]) <= set(one["params_schema"]["properties"])
        assert all(schema["description"] for schema in one["params_schema"]["properties"].values())
        assert {"id", "endpoint", "description", "tags"} <= set(one)
    assert any("result_schema" in one for one in found)


async def test_endpoints_have_no_schemas_unless_asked_for(api: httpx.AsyncClient) -> None:
    assert not any({"params_schema", "result_schema"} & set(one) for one in await endpoints(api))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"includes": ["SummarizeText", "AlwaysFails"]}, [("SummarizeText", 3), ("AlwaysFails", 3)]),
        ({"includes": ["SummarizeText"], "excludes": ["SummarizeText"]}, [("SummarizeText", 3)]),
        ({"tags": ["text", "support"]}, [("ClassifySentiment", 3)]),
        ({"status": "draft"}, [("SummarizeText", 4), ("TranslateNote", 1)]),
        ({"visibility": "private"}, [("TranslateNote", 1)]),
        ({"version": 2}, [("SummarizeText", 2)]),
        ({"limit": 1, "offset": 1}, [("ClassifySentiment", 3)]),
        ({"status": "archived"}, []),
        ({"is_skill": True}, []),
    ],
    ids=str,
)
async def test_endpoints_are_filtered(
    api: httpx.AsyncClient, body: JsonObject, expected: list[tuple[str, int]]
) -> None:
    assert names(await endpoints(api, **body)) == expected


async def test_the_endpoint_of_every_interaction_can_be_executed(api: httpx.AsyncClient) -> None:
    for one in await endpoints(api, includes=["ClassifySentiment", "ExtractContacts"]):
        assert (await create(api, one["endpoint"], {"text": "Good."}))["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "SummarizeText"}, [3]),
        ({"name": "SummarizeText", "versions": ["draft"]}, [4]),
        ({"name": "SummarizeText", "versions": [2, "latest"]}, [3, 2]),
        ({"name": "SummarizeText", "tags": ["old"], "versions": [2]}, [2]),
        ({"name": "Nothing"}, []),
    ],
    ids=str,
)
async def test_an_export_has_the_input_schemas_of_the_versions_asked_for(
    api: httpx.AsyncClient, body: JsonObject, expected: list[int]
) -> None:
    found = await answered(await api.post("/interactions/export", json=body))
    assert [one["version"] for one in found] == expected
    assert all(one["prompts"][0]["template"]["inputSchema"]["type"] == "object" for one in found)


@pytest.mark.parametrize("path", ["/interactions/endpoints", "/interactions/export"])
async def test_the_current_contract_rejects_unknown_keys(api: httpx.AsyncClient, path: str) -> None:
    response = await api.post(path, json={"nmae": "x"}, headers=TODAY)
    assert response.status_code == 400
    assert response.json()["details"] == "nmae: unknown property"
    assert (await api.post(path, json={"nmae": "x"})).status_code == 200


@pytest.mark.parametrize(
    ("params", "headers", "expected"),
    [
        ({"status": ["draft", "published"], "name": "summ"}, TODAY, {2, 3, 4}),
        ({"status": "draft", "name": "summ"}, {}, {4}),
        ({"tags": "text,production"}, {}, {3}),
        ({"tags": ["text", "production"]}, TODAY, {3}),
        ({"name": "SummarizeText", "version": "latest"}, TODAY, {3}),
        ({"name": "SummarizeText", "version": "2"}, TODAY, {2}),
    ],
    ids=str,
)
async def test_interactions_are_listed_with_every_version(
    api: httpx.AsyncClient, params: JsonObject, headers: dict[str, str], expected: set[int]
) -> None:
    found = await answered(await api.get("/interactions", params=params, headers=headers))
    assert {one["version"] for one in found} == expected


async def test_each_name_has_a_single_id(api: httpx.AsyncClient) -> None:
    found = await answered(await api.get("/interactions/names"))
    assert all(set(one) == {"id", "name"} for one in found)
    assert len({one["name"] for one in found}) == len(found)
    assert {"id": SUMMARY, "name": "SummarizeText"} in found


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        (SUMMARY, ("SummarizeText", 3)),
        ("SummarizeText", ("SummarizeText", 3)),
        ("SummarizeText@2", ("SummarizeText", 2)),
        ("SummarizeText@draft", ("SummarizeText", 4)),
        ("SummarizeText@old", ("SummarizeText", 2)),
        (f"oid:{DRAFT}", ("SummarizeText", 4)),
        ("oid:SummarizeText@latest", ("SummarizeText", 3)),
        ("TranslateNote", ("TranslateNote", 1)),
        ("sys:WriteTestData", ("WriteTestData", 1)),
        ("app:crm:ScoreLead", ("ScoreLead", 1)),
    ],
)
async def test_a_selector_resolves_to_the_interaction_that_a_create_runs(
    api: httpx.AsyncClient, selector: str, found: tuple[str, int]
) -> None:
    path = f"/interactions/resolve/{selector.replace('@', '%40')}"
    resolved = await answered(await api.get(path, params={"environment": OPENAI}))
    assert (resolved["name"], resolved["version"]) == found
    assert resolved["resolved"]["environment"] == {"id": OPENAI, "name": "OpenAI production", "provider": "openai"}
    assert resolved["resolved"]["model"] == "gpt-4o"


@pytest.mark.parametrize(
    "path", ["/interactions/nothing", "/interactions/resolve/Nothing%409", "/environments/nothing"]
)
async def test_an_unknown_id_is_a_404(api: httpx.AsyncClient, path: str) -> None:
    response = await api.get(path)
    assert response.status_code == 404
    assert "not found" in response.json()["message"]


async def test_an_interaction_is_read_with_its_prompts_and_test_data(api: httpx.AsyncClient) -> None:
    found = await answered(await api.get(f"/interactions/{SUMMARY}"))
    assert found["prompts"][0]["template"]["inputSchema"]["required"] == ["text"]
    assert found["test_data"]["text"]
    assert (await create(api, SUMMARY, found["test_data"]))["status"] == "completed"


async def test_the_catalogue_has_stored_system_and_app_interactions(api: httpx.AsyncClient) -> None:
    found = await answered(await api.get("/interactions/catalog"))
    assert {one["type"] for one in found} == {"stored", "draft", "sys", "app"}
    for one in found:
        assert (await answered(await api.get(f"/interactions/catalog/resolve/{one['id']}")))["id"] == one["id"]
    stored = {one.id for one in (*INTERACTIONS, *VERSIONS)} - {DRAFT, "66a1f0c2e4b0a1b2c3d42001"}
    assert {one["id"] for one in found} == {f"oid:{one}" for one in stored} | {one.id for one in IN_CODE}


ODD = {"BrokenResultSchema", "billing:Invoice", "文書要約", "ReviewText", "review_text", "BrokenInputSchema", "NoInput"}


async def test_odd_interactions_need_an_option(api: httpx.AsyncClient) -> None:
    usual = {one["name"] for one in await endpoints(api)}
    assert not usual & ODD
    async with sandbox(SandboxOptions(seed_runs=0, odd_interactions=True)) as odd:
        found = {one["name"]: one for one in await endpoints(odd, include_result_schema=True)}
        assert set(found) == usual | ODD
        assert set(found["BrokenResultSchema"]["result_schema"]) == {"$uri"}
        run = await create(odd, "billing:Invoice", {"amounts": [1.5, 2]})
        assert run["result"] == {"total": 3.5}
        assert (await create(odd, "文書要約", {"text": "猫"}))["result"] == "猫"


@CONTRACTS
async def test_environments_hold_secrets_that_no_client_may_pass_on(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    found = await answered(await api.get("/environments", headers=headers))
    assert [one["name"] for one in found].count("Staging") == 2
    for one in found:
        assert {"apiKey", "apikey_hint", "config", "settings", "endpoint_url"} <= set(one)
        assert "never-show-this" in str(one)


async def test_the_all_parameter_lists_environments_of_other_projects(api: httpx.AsyncClient) -> None:
    usable = await answered(await api.get("/environments"))
    every = await answered(await api.get("/environments", params={"all": "true"}))
    assert [one["name"] for one in every if one not in usable] == ["Archive"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["gpt-4o", "gpt-4o-mini", "gpt-4.1"]),
        ({"text": "MINI"}, ["gpt-4o-mini"]),
        ({"owner": "anthropic"}, []),
        ({"type": "text", "tags": "chat"}, ["gpt-4o", "gpt-4o-mini", "gpt-4.1"]),
    ],
    ids=str,
)
async def test_models_are_listed_by_environment(
    api: httpx.AsyncClient, params: JsonObject, expected: list[str]
) -> None:
    found = await answered(await api.get(f"/environments/{OPENAI}/models", params=params))
    assert [one["id"] for one in found] == expected
    assert all({"provider", "can_stream", "tool_support", "input_modalities"} <= set(one) for one in found)


async def test_the_public_key_reads_neither_interactions_nor_environments(api: httpx.AsyncClient) -> None:
    async with signed_in(str(api.base_url).removesuffix("/api/v1/"), "pk-sandbox-demo") as public:
        for path, permission in (("/interactions/names", "interaction:read"), ("/environments", "account:member")):
            response = await public.get(path)
            assert response.status_code == 403
            assert response.json()["message"] == f"Missing permission {permission}."


@pytest.mark.parametrize(
    ("selector", "data", "result"),
    [
        ("oid:ClassifySentiment", {"text": "Good."}, {"sentiment": "positive", "score": 1.0, "evidence": ["good"]}),
        ("sys:WriteTestData", {"count": 2}, {"records": [{"id": 1}, {"id": 2}]}),
        ("app:crm:ScoreLead", {"employees": 400, "budget": "high"}, {"score": 70}),
        ("TranslateNote", {"note": "Hello", "language": "de"}, {"language": "de", "text": "Hello"}),
    ],
)
async def test_selectors_with_prefixes_are_executed(
    api: httpx.AsyncClient, selector: str, data: JsonObject, result: JsonObject
) -> None:
    run = await create(api, selector, data)
    assert run["result"] == result
    assert (await get(api, run["id"]))["status"] == "completed"


async def test_a_temporary_interaction_answers_with_its_prompts_filled_with_the_data(api: httpx.AsyncClient) -> None:
    prompts = [{"role": "user", "content": "Hello {{name}}, ${missing}", "content_type": "handlebars"}]
    run = await create(api, "tmp:greeting", {"name": "Ada"}, prompts=prompts)
    assert run["result"] == "Hello Ada, ${missing}"
    refused = await api.post("/runs", json={"interaction": "tmp:greeting"})
    assert (refused.status_code, refused.json()["message"]) == (400, "tmp:greeting needs prompts.")
