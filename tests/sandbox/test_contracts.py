"""The two contracts: the reference document's without a version header, the strict one with the newest version."""

from typing import Any

import httpx
import pytest

from tests.sandbox.sandbox_client import TODAY, create

pytestmark = pytest.mark.anyio

TEXT = {"text": "I love it"}
SENTIMENT = {"sentiment": "positive", "score": 1.0, "evidence": ["love"]}
STRICT = [
    pytest.param("/runs/search", {"queri": {}}, "queri: unknown property", id="an unknown key"),
    pytest.param("/runs/search", {"query": {"tag": "a"}}, "query.tag: unknown property", id="an unknown key inside"),
    pytest.param("/runs/search", {"limit": None}, "limit: ", id="null"),
    pytest.param("/runs/search", {"limit": "10"}, "limit: ", id="a wrong type"),
    pytest.param("/runs/search", {"query": {"parent": False}}, "query.parent: ", id="parent as false"),
    pytest.param("/runs/search", {"query": {"start": "soon"}}, "query.start: not ISO 8601", id="a malformed date"),
    pytest.param("/runs", {"interaction": "SlowWriter", "tags": "a"}, "tags: ", id="one tag as text"),
    pytest.param(
        "/runs",
        {"interaction": "SlowWriter", "config": {"temperature": 1}},
        "config.temperature: unknown",
        id="temperature",
    ),
    pytest.param("/runs/find", {"limit": 3}, "query: Field required", id="find without a query"),
]


@pytest.mark.parametrize(("path", "body", "details"), STRICT)
async def test_the_current_contract_rejects_invalid_bodies_with_details(
    api: httpx.AsyncClient, path: str, body: Any, details: str
) -> None:
    response = await api.post(path, json=body, headers=TODAY)
    assert response.status_code == 400
    answer = response.json()
    assert (answer["error"], answer["status"]) == ("Bad Request", 400)
    assert details in answer["details"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/runs/search", {"queri": {}, "limit": None, "query": {"tag": "a", "name": None}}, id="search"),
        pytest.param("/runs/search", {"limit": "ten", "query": {"tags": "a"}}, id="wrong types"),
        pytest.param("/runs", {"interaction": "SlowWriter", "data": {"chunks": 1}, "odd": 1, "tags": "a"}, id="create"),
        pytest.param(
            "/runs",
            {"interaction": "SlowWriter", "data": {"chunks": 1}, "config": {"temperature": 1, "x": None}},
            id="config",
        ),
    ],
)
async def test_the_reference_document_ignores_keys_that_the_strict_contract_rejects(
    api: httpx.AsyncClient, path: str, body: Any
) -> None:
    assert (await api.post(path, json=body)).status_code == 200


@pytest.mark.parametrize(
    ("version", "result"),
    [
        pytest.param(None, SENTIMENT, id="no version"),
        pytest.param("20250101", SENTIMENT, id="an old one"),
        pytest.param("20250925", [{"type": "json", "value": SENTIMENT}], id="since results are parts"),
        pytest.param("20260803", [{"type": "json", "value": SENTIMENT}], id="today"),
    ],
)
async def test_the_version_decides_the_shape_of_results(
    api: httpx.AsyncClient, version: str | None, result: Any
) -> None:
    headers = {"x-api-version": version} if version else {}
    body = {"interaction": "ClassifySentiment", "data": TEXT}
    created = (await api.post("/runs", json=body, headers=headers)).json()
    assert created["result"] == result
    assert (await api.get(f"/runs/{created['id']}", headers=headers)).json()["result"] == result


async def test_create_answers_with_ids_where_retrieve_has_objects(api: httpx.AsyncClient) -> None:
    created = await create(api, "ClassifySentiment", TEXT)
    whole = (await api.get(f"/runs/{created['id']}")).json()
    for name in ("interaction", "account", "project"):
        assert created[name] == whole[name]["id"]
    assert created["environment"] == whole["environment"]


async def test_lists_omit_the_prompt(api: httpx.AsyncClient) -> None:
    [run] = (await api.get("/runs", params={"limit": 1})).json()
    assert "prompt" not in run


async def test_a_null_in_a_filter_is_a_condition(api: httpx.AsyncClient) -> None:
    response = await api.post("/runs/find", json={"query": {"parent": None}, "limit": 3}, headers=TODAY)
    assert response.status_code == 200
    assert len(response.json()) == 3


async def test_a_body_that_is_not_json_is_rejected(api: httpx.AsyncClient) -> None:
    for content in (b"{", b"[1]", b"\xff"):
        response = await api.post("/runs/search", content=content)
        assert response.status_code == 400
        assert "JSON" in response.json()["message"]
