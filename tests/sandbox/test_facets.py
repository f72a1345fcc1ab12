"""Counting runs by facets, under a query."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, sandbox

pytestmark = pytest.mark.anyio

FIVE = [
    {"name": "environments", "field": "environment"},
    {"name": "interactions", "field": "interaction"},
    {"name": "models", "field": "modelId"},
    {"name": "tags", "field": "tags"},
    {"name": "status", "field": "status"},
]
TODAYS_FIVE = [
    {"name": "environments", "field": "environment"},
    {"name": "interactions", "field": "interaction"},
    {"name": "models", "field": "modelId"},
    {"name": "statuses", "field": "status"},
    {"name": "finish_reason", "field": "finish_reason"},
]
VALUES: dict[str, Callable[[JsonObject], Iterable[str | None]]] = {
    "environments": lambda run: [run["environment"]["id"]],
    "interactions": lambda run: [run["interaction"]["id"]],
    "models": lambda run: [run["modelId"]],
    "tags": lambda run: run["tags"],
    "status": lambda run: [run["status"]],
    "statuses": lambda run: [run["status"]],
    "finish_reason": lambda run: [run.get("finish_reason")],
}


async def facets(api: httpx.AsyncClient, body: JsonObject, headers: dict[str, str] | None = None) -> JsonObject:
    counted: JsonObject = await answered(await api.post("/runs/facets", json=body, headers=headers))
    return counted


async def runs(api: httpx.AsyncClient, query: JsonObject, headers: dict[str, str] | None = None) -> list[JsonObject]:
    found: list[JsonObject] = await answered(
        await api.post("/runs/search", json={"query": query, "limit": 1_000}, headers=headers)
    )
    return found


def counted(runs: list[JsonObject], name: str) -> dict[str | None, int]:
    return dict(Counter(value for run in runs for value in VALUES[name](run)))


QUERIES: list[JsonObject] = [
    {},
    {"status": "failed"},
    {"tags": ["legal", "nightly"]},
    {"query": "battery"},
    {"name": "review", "model": "gpt-4o"},
    {"status": "unheard-of"},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_facets_count_the_runs_that_search_finds(api: httpx.AsyncClient, query: JsonObject) -> None:
    answer = await facets(api, {"facets": FIVE, "query": query})
    found = await runs(api, query)
    assert answer.pop("total") == len(found)
    assert {name: {one["_id"]: one["count"] for one in buckets} for name, buckets in answer.items()} == {
        facet["name"]: counted(found, facet["name"]) for facet in FIVE
    }


@pytest.mark.parametrize("query", QUERIES[:-1], ids=str)
async def test_facets_of_the_current_contract_count_runs_without_a_value(
    api: httpx.AsyncClient, query: JsonObject
) -> None:
    answer = await facets(api, {"facets": TODAYS_FIVE, "query": query}, TODAY)
    found = await runs(api, query, TODAY)
    assert answer.pop("total") == len(found)
    assert {name: {one["_id"]: one["count"] for one in buckets} for name, buckets in answer.items()} == {
        facet["name"]: counted(found, facet["name"]) for facet in TODAYS_FIVE
    }


async def test_a_null_bucket_is_left_out_of_the_reference_documents_facets(api: httpx.AsyncClient) -> None:
    answer = await facets(api, {"facets": [{"name": "reasons", "field": "finish_reason"}]})
    assert {one["_id"] for one in answer["reasons"]} == {"stop", "error"}
    assert sum(one["count"] for one in answer["reasons"]) < answer["total"]


async def test_buckets_are_ordered_by_count_and_named_where_a_name_is_known(api: httpx.AsyncClient) -> None:
    answer = await facets(api, {"facets": FIVE})
    for name in ("environments", "interactions", "models", "tags", "status"):
        counts = [bucket["count"] for bucket in answer[name]]
        assert counts == sorted(counts, reverse=True)
    assert {bucket["name"] for bucket in answer["interactions"]} >= {"SummarizeText", "ContractReview"}
    assert [bucket["name"] for bucket in answer["environments"]].count("Staging") == 2
    assert not any("name" in bucket for bucket in answer["models"])


async def test_facets_may_have_any_name(api: httpx.AsyncClient) -> None:
    answer = await facets(api, {"facets": [{"name": "how it went", "field": "status"}]})
    assert set(answer) == {"how it went", "total"}


async def test_facets_follow_a_run_as_its_status_changes() -> None:
    async with sandbox(SandboxOptions(seed_runs=0)) as api:
        body = {"facets": [{"name": "status", "field": "status"}]}
        assert await facets(api, body) == {"status": [], "total": 0}
        run = await create(api, "AlwaysFails", {}, stream=True, tags="one")
        assert await facets(api, body) == {"status": [{"_id": "created", "count": 1}], "total": 1}
        await api.get(f"/runs/{run['id']}/stream")
        assert await facets(api, body) == {"status": [{"_id": "failed", "count": 1}], "total": 1}


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        ({"facets": [{"name": "a", "field": "colour"}]}, {}, "Unknown field: colour"),
        ({}, {}, "facets: Field required"),
        ({"facets": [{"name": "tags", "field": "tags"}]}, TODAY, "Unknown facet: tags/tags"),
        ({"facets": [{"name": "status", "field": "status"}]}, TODAY, "Unknown facet: status/status"),
        ({"facets": [{"name": "statuses", "field": "modelId"}]}, TODAY, "Unknown facet: statuses/modelId"),
        ({"facets": [TODAYS_FIVE[0]] * 6}, TODAY, "At most 5 facets"),
        ({"facets": [{"name": "statuses"}]}, TODAY, "facets.0.field: Field required"),
    ],
)
async def test_unknown_facets_are_a_400(
    api: httpx.AsyncClient, body: JsonObject, headers: dict[str, str], said: str
) -> None:
    response = await api.post("/runs/facets", json=body, headers=headers)
    assert response.status_code == 400
    refusal: dict[str, Any] = response.json()
    assert said in f"{refusal['message']} {refusal.get('details', '')}"
