"""Searching runs: words, dates, tags, names and the rest of `query`."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, sandbox

pytestmark = pytest.mark.anyio

REVIEW = "66a1f0c2e4b0a1b2c3d40005"
VERTEX = "66b2f0c2e4b0a1b2c3d4e003"


@pytest.fixture(scope="module")
async def library(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A sandbox with three runs that contain known words."""
    async with sandbox(SandboxOptions(seed_runs=0)) as client:
        await create(client, "SummarizeText", {"text": "The zebra crosses. It is quick."}, tags=["animals", "one"])
        await create(client, "ExtractContacts", {"text": "Write to Zo\u00eb at zoe@example.com."}, tags=["mail", "one"])
        await create(client, "AlwaysFails", {"message": "A zebra, again: 100% \u6771\u4eac"}, tags=["animals"])
        yield client


async def searched(api: httpx.AsyncClient, *, headers: Mapping[str, str] | None = None, **query: Any) -> list[Any]:
    body = {"query": query, "limit": 1_000}
    runs: list[Any] = await answered(await api.post("/runs/search", json=body, headers=headers))
    return runs


async def names(library: httpx.AsyncClient, text: str) -> list[str]:
    """Return the interactions of the runs with these words, newest first."""
    interactions = {
        "66a1f0c2e4b0a1b2c3d40001": "summary",
        "66a1f0c2e4b0a1b2c3d40003": "contacts",
        "66a1f0c2e4b0a1b2c3d40006": "failure",
    }
    return [interactions[run["interaction"]["id"]] for run in await searched(library, query=text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zebra", ["failure", "summary"]),
        ("ZEBRA", ["failure", "summary"]),
        ("zebra again", ["failure"]),
        ("again zebra", ["failure"]),
        ("crosses quick", ["summary"]),
        ("zebra zoe", []),
        ("zoe@example.com", ["contacts"]),
        ("Zo\u00eb", ["contacts"]),
        ("telling sentences", ["summary"]),
        ("emails", ["contacts"]),
        ("100%", ["failure"]),
        ("zeb", []),
        ("giraffe", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_all_words_must_occur_in_prompt_parameters_or_result(
    library: httpx.AsyncClient, text: str, expected: list[str]
) -> None:
    assert await names(library, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '""',
        '"unclosed',
        "zebra NEAR(",
        "NOT",
        "OR OR",
        "zebra AND",
        "prompt:zebra",
        "* ^ + - : ( ) { }",
        "zeb*",
        "'; DROP TABLE runs; --",
        "\\ % _ ?",
        "a\u0000b",
        " ",
        "",
        "word " * 5_000,
    ],
    ids=lambda text: repr(text[:20]),
)
async def test_full_text_syntax_is_treated_as_text(library: httpx.AsyncClient, text: str) -> None:
    response = await library.post("/runs/search", json={"query": {"query": text}})
    assert response.status_code == 200
    assert await names(library, "zebra") == ["failure", "summary"]


async def test_words_follow_the_changes_of_a_run(api: httpx.AsyncClient) -> None:
    run = await create(api, "SummarizeText", {"text": "An okapi sleeps."}, stream=True)
    [found] = await searched(api, query="okapi")
    assert (found["id"], found["status"]) == (run["id"], "created")
    await api.get(f"/runs/{run['id']}/stream")
    [found] = await searched(api, query="okapi")
    assert (found["id"], found["status"]) == (run["id"], "completed")


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"status": "failed"}, lambda run: run["status"] == "failed"),
        ({"interaction": REVIEW}, lambda run: run["interaction"]["id"] == REVIEW),
        ({"environment": VERTEX}, lambda run: run["environment"]["id"] == VERTEX),
        ({"model": "gpt-4o-mini"}, lambda run: run["modelId"] == "gpt-4o-mini"),
        ({"tags": ["legal"]}, lambda run: "legal" in run["tags"]),
        ({"tags": ["legal", "nightly"]}, lambda run: {"legal", "nightly"} <= set(run["tags"])),
        ({"tags": ["legal", "legal"]}, lambda run: "legal" in run["tags"]),
        ({"name": "review"}, lambda run: run["interaction"]["name"] == "ContractReview"),
        ({"name": "SENTIMENT"}, lambda run: run["interaction"]["name"] == "ClassifySentiment"),
        (
            {"status": "completed", "model": "gpt-4o", "tags": ["support"]},
            lambda run: run["status"] == "completed" and run["modelId"] == "gpt-4o" and "support" in run["tags"],
        ),
        ({}, lambda _: True),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_a_query_finds_exactly_the_matching_runs(
    api: httpx.AsyncClient, query: JsonObject, matches: Callable[[JsonObject], bool]
) -> None:
    expected = [run for run in await searched(api) if matches(run)]
    assert expected
    assert await searched(api, **query) == expected


async def test_runs_are_found_by_their_parents(api: httpx.AsyncClient) -> None:
    parents = sorted({run["parent"] for run in await searched(api) if "parent" in run})
    assert len(parents) > 2
    found = await searched(api, parent=parents[:2])
    assert {run["parent"] for run in found} == set(parents[:2])
    assert found == [run for run in await searched(api) if run.get("parent") in parents[:2]]


async def test_a_range_of_dates_includes_its_start_and_excludes_its_end(api: httpx.AsyncClient) -> None:
    by_creation = sorted(await searched(api), key=lambda run: str(run["created_at"]))
    start, end = by_creation[50]["created_at"], by_creation[100]["created_at"]
    found = {run["id"] for run in await searched(api, start=start, end=end)}
    assert found == {run["id"] for run in by_creation[50:100]}
    assert len(await searched(api, start=start)) == len(by_creation) - 50
    assert len(await searched(api, end=end)) == 100


async def test_times_are_compared_across_time_zones(api: httpx.AsyncClient) -> None:
    by_creation = sorted(await searched(api), key=lambda run: str(run["created_at"]))
    day = by_creation[100]["created_at"][:10]
    expected = await searched(api, start=f"{day}T00:00:00.000Z")
    assert await searched(api, start=day) == expected
    assert await searched(api, start=f"{day}T00:00:00") == expected
    assert await searched(api, start=f"{day}T05:30:00+05:30") == expected


@pytest.mark.parametrize("time", ["yesterday", "2023-13-01", "0001-01-01T00:00:00+14:00", ""])
@pytest.mark.parametrize("name", ["start", "end"])
async def test_a_malformed_time_is_a_400_that_names_the_field(api: httpx.AsyncClient, name: str, time: str) -> None:
    response = await api.post("/runs/search", json={"query": {name: time}})
    assert response.status_code == 400
    assert f"query.{name}" in response.json()["details"]


async def test_search_is_paged_newest_first_and_without_prompts(api: httpx.AsyncClient) -> None:
    every = await searched(api, status="completed")
    times = [run["updated_at"] for run in every]
    assert times == sorted(times, reverse=True)
    assert not any("prompt" in run for run in every)
    pages = [
        await answered(
            await api.post("/runs/search", json={"query": {"status": "completed"}, "limit": 50, "offset": offset})
        )
        for offset in range(0, 250, 50)
    ]
    assert [run for page in pages for run in page] == every


async def test_search_without_a_body_finds_the_newest(api: httpx.AsyncClient) -> None:
    runs = await answered(await api.post("/runs/search"))
    assert runs == (await searched(api))[:100]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({"exclude_tags": ["legal", "support"]}, lambda run: not {"legal", "support"} & set(run["tags"])),
        ({"is_root": True}, lambda run: "parent" not in run),
        ({"is_root": False}, lambda run: "parent" in run),
        ({"finish_reason": "error"}, lambda run: run.get("finish_reason") == "error"),
        ({"run_ids": ["nothing"]}, lambda _: False),
        ({"created_by": "unknown"}, lambda _: False),
        ({"object": "nothing"}, lambda _: False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_the_current_contract_has_more_search_filters(
    api: httpx.AsyncClient, query: JsonObject, matches: Callable[[JsonObject], bool]
) -> None:
    expected = [run["id"] for run in await searched(api) if matches(run)]
    assert [run["id"] for run in await searched(api, headers=TODAY, **query)] == expected


async def test_the_current_contract_finds_runs_by_their_ids(api: httpx.AsyncClient) -> None:
    ids = [run["id"] for run in await searched(api)]
    many = [*ids[3:9], *(f"unknown{number}" for number in range(50_000))]
    assert [run["id"] for run in await searched(api, headers=TODAY, run_ids=many)] == ids[3:9]


@pytest.mark.parametrize(
    "query",
    [
        {"exclude_tags": ["legal"]},
        {"is_root": True},
        {"finish_reason": "error"},
        {"created_by": "unknown"},
        {"run_ids": ["nothing"]},
    ],
    ids=str,
)
async def test_the_reference_document_ignores_the_newer_filters(api: httpx.AsyncClient, query: JsonObject) -> None:
    assert await searched(api, **query) == await searched(api)


async def test_is_root_and_parent_exclude_each_other(api: httpx.AsyncClient) -> None:
    body = {"query": {"is_root": True, "parent": ["x"]}}
    response = await api.post("/runs/search", json=body, headers=TODAY)
    assert response.status_code == 400
    assert "mutually exclusive" in response.json()["message"]
