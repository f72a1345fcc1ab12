"""The operations that change or use environments have the effects that later requests show."""

import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, sandbox

pytestmark = pytest.mark.anyio

OPENAI, BEDROCK, STAGING = (f"66b2f0c2e4b0a1b2c3d4e00{number}" for number in (1, 2, 4))
TRANSLATE = "66a1f0c2e4b0a1b2c3d4d008"
OWN: JsonObject = {"id": "own-1", "name": "Own 1", "provider": "test"}


@pytest.fixture
async def api(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a new sandbox, which a test may change; it speaks the strict contract."""
    async with sandbox(SandboxOptions(seed_runs=40)) as client:
        client.headers.update(TODAY)
        yield client


async def created(api: httpx.AsyncClient, **fields: Any) -> JsonObject:
    body = {"name": "Own", "provider": "test", "enabled_models": [OWN], **fields}
    environment: JsonObject = await answered(await api.post("/environments", json=body))
    return environment


def model_ids(environment: JsonObject) -> list[str]:
    return [model["id"] for model in environment["enabled_models"]]


def similarity(first: list[float], second: list[float]) -> float:
    return sum(one * other for one, other in zip(first, second, strict=True))


async def test_a_created_environment_is_listed_and_runs_interactions(api: httpx.AsyncClient) -> None:
    own = await created(api, apiKey="secret-0123456789", default_model="own-1")
    assert own["apikey_hint"] == own["apiKey"] == "secr...6789"
    assert await answered(await api.get(f"/environments/{own['id']}")) == own
    assert own["id"] in [one["id"] for one in await answered(await api.get("/environments"))]
    assert [one["id"] for one in await answered(await api.get(f"/environments/{own['id']}/models"))] == ["own-1"]
    run = await create(api, "SlowWriter", {"chunks": 1}, config={"environment": own["id"]})
    assert (run["environment"]["name"], run["modelId"]) == ("Own", "own-1")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"name": "Own"}, "provider: Field required"),
        ({"name": "Own", "provider": "unknown"}, "provider: Input should be"),
        ({"name": "Own", "provider": "test", "key": "x"}, "key: unknown property"),
    ],
    ids=str,
)
async def test_an_invalid_environment_is_not_created(api: httpx.AsyncClient, body: JsonObject, problem: str) -> None:
    response = await api.post("/environments", json=body)
    assert response.status_code == 400
    assert problem in response.json()["details"]


async def test_a_number_that_json_cannot_hold_is_rejected(api: httpx.AsyncClient) -> None:
    body = '{"name": "Own", "provider": "test", "config": {"limit": 1e999}}'
    assert (await api.post("/environments", content=body)).status_code == 400


async def test_an_update_changes_only_the_fields_that_it_names(api: httpx.AsyncClient) -> None:
    own = await created(api, description="First.")
    changed = await answered(await api.put(f"/environments/{own['id']}", json={"name": "Renamed"}))
    assert (changed["name"], changed["description"]) == ("Renamed", "First.")
    assert await answered(await api.get(f"/environments/{own['id']}")) == changed


async def test_an_environment_of_another_project_cannot_be_used(api: httpx.AsyncClient) -> None:
    await answered(await api.put(f"/environments/{BEDROCK}", json={"allowed_projects": ["other"]}))
    assert BEDROCK not in [one["id"] for one in await answered(await api.get("/environments"))]
    body = {"interaction": "SlowWriter", "config": {"environment": BEDROCK}}
    assert (await api.post("/runs", json=body)).status_code == 400


async def test_the_configuration_is_merged(api: httpx.AsyncClient) -> None:
    own = await created(api, provider="virtual_lb")
    path = f"/environments/{own['id']}/config"
    await answered(await api.put(path, json={"config": {"entries": [{"model": "own-1", "weight": 2}]}}))
    merged = await answered(await api.put(path, json={"config": {"failover": True}}))
    assert merged["config"] == {"entries": [{"model": "own-1", "weight": 2}], "failover": True}
    assert model_ids(merged) == ["own-1"]
    assert model_ids(await answered(await api.put(path, json={"enabled_models": []}))) == []


async def test_only_enabled_models_run(api: httpx.AsyncClient) -> None:
    path = f"/environments/{STAGING}"
    body = {"interaction": "SlowWriter", "data": {"chunks": 1}, "config": {"environment": STAGING, "model": "gpt-4o"}}
    assert (await api.post("/runs", json=body)).status_code == 400
    assert "gpt-4o" in [one["id"] for one in await answered(await api.get(f"{path}/models"))]
    enabled = await answered(await api.post(f"{path}/models/enabled", json={"model_id": "gpt-4o"}))
    assert model_ids(enabled) == ["gpt-4o-mini", "gpt-4o"]
    assert (await api.post("/runs", json=body)).json()["status"] == "completed"
    for _ in range(2):  # disabling a disabled model succeeds
        disabled = await answered(await api.delete(f"{path}/models/enabled/gpt-4o"))
        assert model_ids(disabled) == ["gpt-4o-mini"]
    assert (await api.post("/runs", json=body)).status_code == 400
    unknown = await api.post(f"{path}/models/enabled", json={"model_id": "none"})
    assert (unknown.status_code, unknown.json()["error"]) == (400, "Bad Request")


async def test_an_environment_in_use_by_a_published_interaction_is_not_deleted(api: httpx.AsyncClient) -> None:
    used = await api.delete(f"/environments/{OPENAI}")
    assert used.status_code == 409
    assert "SummarizeText" in used.json()["message"]
    assert await answered(await api.delete(f"/environments/{BEDROCK}")) == {"id": BEDROCK}
    assert (await api.get(f"/environments/{BEDROCK}")).status_code == 404
    runs = await answered(await api.get("/runs", params={"environment": BEDROCK}))
    assert runs  # its runs remain


async def test_only_drafts_migrate_to_another_environment(api: httpx.AsyncClient) -> None:
    drafts = [TRANSLATE, "66a1f0c2e4b0a1b2c3d4d001"]
    body = {
        "new_env_id": BEDROCK,
        "new_model_id": "claude-3-haiku",
        "interaction_ids": [*drafts, "66a1f0c2e4b0a1b2c3d40002", "unknown"],
    }
    path = "/environments/migrate-interactions"
    assert await answered(await api.post(path, json=body)) == {"matched_count": 2, "modified_count": 2}
    assert await answered(await api.post(path, json=body)) == {"matched_count": 2, "modified_count": 0}
    run = await create(api, "TranslateNote", {"note": "Hello", "language": "de"})
    assert (run["environment"]["id"], run["modelId"]) == (BEDROCK, "claude-3-haiku")
    assert (await api.post(path, json={**body, "new_model_id": "gpt-4o"})).status_code == 400


async def test_texts_that_share_words_have_similar_embeddings(api: httpx.AsyncClient) -> None:
    path = f"/environments/{OPENAI}/embeddings"
    texts = ["fast delivery of the parcel", "the parcel had a fast delivery", "quarterly tax report"]
    body: JsonObject = {"inputs": [{"type": "text", "text": text} for text in texts], "dimensions": 256}
    found = await answered(await api.post(path, json=body))
    first, second, third = (result["outputs"][0]["values"] for result in found["results"])
    assert len(first) == 256
    assert math.isclose(math.hypot(*first), 1, abs_tol=1e-6)
    assert similarity(first, second) > 0.5 > similarity(first, third)
    assert found["usage"]["input_tokens"] == sum(result["input_tokens"] for result in found["results"])
    assert await answered(await api.post(path, json=body)) == found
    for wrong in ({"type": "text"}, {"type": "image", "source": {}}, {"type": "smell", "text": "x"}):
        assert (await api.post(path, json={"inputs": [wrong]})).status_code == 400
    del api.headers["x-api-version"]
    older = await answered(await api.post(path, json={"content": texts[0]}))
    assert older.keys() == {"values", "model", "token_count"}


async def test_analytics_count_the_runs_of_an_environment(api: httpx.AsyncClient) -> None:
    path = f"/environments/{OPENAI}/analytics"
    runs = await answered(await api.get("/runs", params={"environment": OPENAI}))

    async def counts(**body: Any) -> dict[str, int]:
        found = await answered(await api.post(path, json={"filterBy": {}, **body}))
        assert [one["timestamp"] for one in found] == sorted(one["timestamp"] for one in found)
        groups: dict[str, int] = {}
        for one in found:
            assert one["execution_time"]["min"] <= one["execution_time"]["avg"] <= one["execution_time"]["max"]
            groups[one["group"]] = groups.get(one["group"], 0) + one["count"]
        return groups

    assert await counts() == {"all": len(runs)}
    by_model = await counts(groupBy="modelId", resolution="week", resolutionStep=2)
    assert by_model == {model: sum(run["modelId"] == model for run in runs) for model in by_model}
    assert set(by_model) == {"gpt-4o", "gpt-4o-mini"}
    assert await counts(filterBy={"status": ["failed"]}, groupBy="status", resolution="year") == {
        "failed": sum(run["status"] == "failed" for run in runs)
    }
    assert await counts(to=1_000) == {}
    assert await counts(**{"from": 1_000}, resolution="month") == {"all": len(runs)}
    assert (await api.post(path, json={})).json()["details"] == "filterBy: Field required"


@pytest.mark.parametrize(
    ("environment", "model", "supported"),
    [(OPENAI, "gpt-4o", True), (OPENAI, "none", False), (BEDROCK, "claude-3-haiku", False)],
)
async def test_a_budget_needs_prices_of_the_model(
    api: httpx.AsyncClient, environment: str, model: str, *, supported: bool
) -> None:
    path = f"/environments/{environment}/run-budget-capability"
    found = await answered(await api.get(path, params={"model": model}))
    assert found["supported"] is supported
    assert supported is ("reason" not in found)
    assert (await api.get(path)).json()["details"] == "model: Field required"
