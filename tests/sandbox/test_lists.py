"""Listing runs: filters, pages, order, in both contracts."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create

pytestmark = pytest.mark.anyio

REVIEW = "66a1f0c2e4b0a1b2c3d40005"
SUMMARY = "66a1f0c2e4b0a1b2c3d40001"
BEDROCK = "66b2f0c2e4b0a1b2c3d4e002"
Parameters = dict[str, Any]


async def listed(api: httpx.AsyncClient, *, today: bool = False, **params: Any) -> list[JsonObject]:
    headers = TODAY if today else {}
    runs: list[JsonObject] = await answered(await api.get("/runs", params={"limit": 1_000, **params}, headers=headers))
    return runs


async def test_a_list_is_an_array_with_the_newest_update_first(api: httpx.AsyncClient) -> None:
    runs = await listed(api)
    times = [run["updated_at"] for run in runs]
    assert len(runs) == 200
    assert times == sorted(times, reverse=True)


async def test_a_list_leaves_out_prompts(api: httpx.AsyncClient) -> None:
    runs = await listed(api)
    assert not any("prompt" in run for run in runs)
    assert all({"id", "status", "interaction", "environment", "modelId", "parameters"} <= set(run) for run in runs)


async def test_pages_add_up_to_the_whole_list(api: httpx.AsyncClient) -> None:
    pages = [await listed(api, limit=30, offset=offset) for offset in range(0, 240, 30)]
    assert [len(page) for page in pages] == [30, 30, 30, 30, 30, 30, 20, 0]
    assert [run["id"] for page in pages for run in page] == [run["id"] for run in await listed(api)]


@pytest.mark.parametrize(
    ("params", "length"),
    [
        ({}, 100),
        ({"limit": 0}, 0),
        ({"limit": 5_000}, 200),
        ({"limit": 10**30}, 200),
        ({"offset": 10**30}, 0),
        ({"offset": 199}, 1),
    ],
)
async def test_a_page_has_the_requested_length(api: httpx.AsyncClient, params: Parameters, length: int) -> None:
    assert len(await answered(await api.get("/runs", params=params))) == length


@pytest.mark.parametrize(
    ("params", "matches"),
    [
        ({"status": "failed"}, lambda run: run["status"] == "failed"),
        ({"interaction": REVIEW}, lambda run: run["interaction"]["id"] == REVIEW),
        ({"environment": BEDROCK}, lambda run: run["environment"]["id"] == BEDROCK),
        ({"model": "gpt-4o"}, lambda run: run["modelId"] == "gpt-4o"),
        ({"tag": "nightly"}, lambda run: "nightly" in run["tags"]),
        ({"parent": "false"}, lambda run: "parent" not in run),
        ({"status": "failed", "model": "gpt-4o"}, lambda run: run["status"] == "failed" and run["modelId"] == "gpt-4o"),
        (
            {"interaction": REVIEW, "tag": "legal", "status": "completed", "parent": "false"},
            lambda run: (
                run["interaction"]["id"] == REVIEW
                and "legal" in run["tags"]
                and run["status"] == "completed"
                and "parent" not in run
            ),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_a_filter_lists_exactly_the_matching_runs(
    api: httpx.AsyncClient, params: Parameters, matches: Callable[[JsonObject], bool]
) -> None:
    expected = [run for run in await listed(api) if matches(run)]
    assert 0 < len(expected) < 200
    assert await listed(api, **params) == expected


async def test_the_children_of_a_run_are_listed_by_their_parent(api: httpx.AsyncClient) -> None:
    child = next(run for run in await listed(api) if "parent" in run)
    siblings = await listed(api, parent=child["parent"])
    assert child in siblings
    assert {run["parent"] for run in siblings} == {child["parent"]}


@pytest.mark.parametrize(
    "params", [{"status": "unheard-of"}, {"parent": "unknown"}, {"tag": "' OR 1=1 --"}, {"model": ""}]
)
async def test_a_filter_without_matches_lists_nothing(api: httpx.AsyncClient, params: Parameters) -> None:
    assert await listed(api, **params) == []


async def test_the_reference_document_uses_the_last_of_repeated_values(api: httpx.AsyncClient) -> None:
    assert await listed(api, status=["completed", "failed"]) == await listed(api, status="failed")
    assert await listed(api, status="completed,failed") == []
    assert await listed(api, is_root="true") == await listed(api)


@pytest.mark.parametrize("status", [["completed", "failed"], "completed,failed", ["completed,failed", "completed"]])
async def test_current_filters_take_repeated_or_comma_separated_values(api: httpx.AsyncClient, status: str) -> None:
    runs = await listed(api, today=True, status=status)
    expected = [run["id"] for run in await listed(api) if run["status"] in ("completed", "failed")]
    assert [run["id"] for run in runs] == expected


async def test_the_current_contract_matches_runs_with_any_of_the_listed_tags(api: httpx.AsyncClient) -> None:
    runs = await listed(api, today=True, tag=["legal", "support"])
    expected = [run["id"] for run in await listed(api) if {"legal", "support"} & set(run["tags"])]
    assert [run["id"] for run in runs] == expected


@pytest.mark.parametrize(("is_root", "roots"), [("true", True), ("false", False)])
async def test_is_root_selects_roots_or_children(api: httpx.AsyncClient, is_root: str, roots: bool) -> None:
    runs = await listed(api, today=True, is_root=is_root)
    expected = [run["id"] for run in await listed(api) if ("parent" not in run) is roots]
    assert [run["id"] for run in runs] == expected


async def test_parent_false_is_an_id_in_the_current_contract(api: httpx.AsyncClient) -> None:
    assert await listed(api, today=True, parent="false") == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"is_root": "perhaps"}, "is_root"),
        ({"is_root": "true", "parent": "x"}, "mutually exclusive"),
    ],
)
async def test_the_current_contract_answers_400_to_invalid_parameters(
    api: httpx.AsyncClient, params: Parameters, said: str
) -> None:
    response = await api.get("/runs", params=params, headers=TODAY)
    assert response.status_code == 400
    assert said in response.text
    assert set(response.json()) >= {"error", "status", "message"}


@pytest.mark.parametrize("params", [{"limit": "-1"}, {"limit": "many"}, {"offset": "x"}, {"anything": "1"}])
async def test_the_reference_document_ignores_invalid_parameters(api: httpx.AsyncClient, params: Parameters) -> None:
    assert await answered(await api.get("/runs", params=params)) == await answered(await api.get("/runs"))


@pytest.mark.parametrize("field", ["interaction", "environment", "model", "status", "tag"])
async def test_filter_options_are_counted_values_the_most_frequent_first(api: httpx.AsyncClient, field: str) -> None:
    options = await answered(await api.get(f"/runs/filter-options/{field}"))
    counts = [option["count"] for option in options]
    assert counts == sorted(counts, reverse=True)
    for option in options:
        assert len(await listed(api, **{field: option["id"]})) == option["count"]
        assert option["name"]


async def test_filter_options_count_only_the_filtered_runs(api: httpx.AsyncClient) -> None:
    options = await answered(
        await api.get("/runs/filter-options/environment", params={"interaction": SUMMARY, "status": "failed"})
    )
    runs = await listed(api, interaction=SUMMARY, status="failed")
    assert {one["id"]: one["count"] for one in options} == {
        environment: sum(run["environment"]["id"] == environment for run in runs)
        for environment in {run["environment"]["id"] for run in runs}
    }


async def test_filter_options_of_an_unknown_field_are_a_400_that_lists_the_fields(api: httpx.AsyncClient) -> None:
    response = await api.get("/runs/filter-options/colour")
    assert response.status_code == 400
    assert response.json()["message"] == (
        "Unknown filter: colour. The filters are interaction, environment, model, status, tag."
    )


async def test_an_updated_run_moves_to_the_front(api: httpx.AsyncClient) -> None:
    first = await create(api, "AlwaysFails", {}, stream=True)
    second = await create(api, "AlwaysFails", {}, stream=True)
    assert [run["id"] for run in await listed(api, limit=2)] == [second["id"], first["id"]]
    await api.get(f"/runs/{first['id']}/stream")
    assert [run["id"] for run in await listed(api, limit=2)] == [first["id"], second["id"]]
