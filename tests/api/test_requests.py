"""Requests of each operation in each edition: method, path, query, headers and body, without unset values."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
from pydantic import MISSING

from runs_mcp.api import ApiSettings, InvalidArgumentError, RunsClient, SetupError, connect
from tests.api.conftest import BASE, TOKEN, Open

pytestmark = pytest.mark.anyio

Operation = Callable[[RunsClient], Awaitable[Any]]
RUN = {"id": "r1", "status": "completed"}
MOMENT = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
BOTH = ("composable", "vertesia")
CLASSIC_FACETS = [
    {"name": "environments", "field": "environment"},
    {"name": "interactions", "field": "interaction"},
    {"name": "models", "field": "modelId"},
    {"name": "tags", "field": "tags"},
    {"name": "status", "field": "status"},
]
TODAYS_FACETS = [
    {"name": "environments", "field": "environment"},
    {"name": "interactions", "field": "interaction"},
    {"name": "models", "field": "modelId"},
    {"name": "statuses", "field": "status"},
    {"name": "finish_reason", "field": "finish_reason"},
]
ALL_LIST_FILTERS = {
    "interaction": "i1",
    "status": "failed",
    "model": "gpt-4o",
    "environment": "e1",
    "tag": "a,b",
    "parent": "p1",
}
ALL_SEARCH_FILTERS: dict[str, Any] = {
    "query": "late refund",
    "name": "Summary",
    "status": "completed",
    "interaction": "i1",
    "environment": "e1",
    "model": "gpt-4o",
    "tags": ["a", "b"],
    "parent": ["p1"],
    "object": "o1",
}
TIMES: dict[str, Any] = {"start": "2026-11-23T12:30:00.000Z", "end": "2026-11-23T12:30:00.000Z"}
FILTERS_SENT: dict[str, Any] = {**ALL_SEARCH_FILTERS, **TIMES}

CASES: list[Any] = [
    pytest.param(BOTH, lambda c: c.list_runs(), "GET", "/runs", {}, None, id="list"),
    pytest.param(
        BOTH,
        lambda c: c.list_runs(limit=10, offset=0, **ALL_LIST_FILTERS),
        "GET",
        "/runs",
        {"limit": "10", "offset": "0", **ALL_LIST_FILTERS},
        None,
        id="list, every filter",
    ),
    pytest.param(
        ("composable",),
        lambda c: c.list_runs(parent=False),
        "GET",
        "/runs",
        {"parent": "false"},
        None,
        id="roots, then",
    ),
    pytest.param(
        ("vertesia",), lambda c: c.list_runs(parent=False), "GET", "/runs", {"is_root": "true"}, None, id="roots, today"
    ),
    pytest.param(BOTH, lambda c: c.get_run("r1"), "GET", "/runs/r1", {}, None, id="retrieve"),
    pytest.param(
        BOTH,
        lambda c: c.create_run(interaction="i1"),
        "POST",
        "/runs",
        {},
        {"interaction": "i1"},
        id="create",
    ),
    pytest.param(
        ("composable",),
        lambda c: c.create_run(
            interaction="i1",
            data={"x": None},
            environment="e1",
            model="m1",
            config={"temperature": 0, "max_tokens": 9},
            tags=["a"],
            result_schema={"type": "object"},
            stream=True,
        ),
        "POST",
        "/runs",
        {},
        {
            "interaction": "i1",
            "data": {"x": None},
            "config": {"environment": "e1", "model": "m1", "temperature": 0, "max_tokens": 9},
            "tags": ["a"],
            "result_schema": {"type": "object"},
            "stream": True,
        },
        id="create, everything, then",
    ),
    pytest.param(
        ("vertesia",),
        lambda c: c.create_run(interaction="i1", config={"temperature": 0, "run_data": "DEBUG"}, stream=False),
        "POST",
        "/runs",
        {},
        {
            "interaction": "i1",
            "config": {"run_data": "DEBUG", "model_options": {"_option_id": "text-fallback", "temperature": 0}},
            "stream": False,
        },
        id="create, settings, today",
    ),
    pytest.param(
        BOTH,
        lambda c: c.create_run(interaction="i1", tags=[], config={}, data={}),
        "POST",
        "/runs",
        {},
        {"interaction": "i1", "data": {}},
        id="create, nothing empty but data",
    ),
    pytest.param(
        ("composable",),
        lambda c: c.compute_facets(),
        "POST",
        "/runs/facets",
        {},
        {"facets": CLASSIC_FACETS},
        id="facets",
    ),
    pytest.param(
        ("vertesia",),
        lambda c: c.compute_facets(),
        "POST",
        "/runs/facets",
        {},
        {"facets": TODAYS_FACETS},
        id="facets today",
    ),
    pytest.param(
        ("vertesia",),
        lambda c: c.compute_facets(facets=["status"], start=MOMENT, end=MOMENT, **ALL_SEARCH_FILTERS),
        "POST",
        "/runs/facets",
        {},
        {"facets": [{"name": "statuses", "field": "status"}], "query": FILTERS_SENT},
        id="facets, every filter",
    ),
    pytest.param(BOTH, lambda c: c.search_runs(), "POST", "/runs/search", {}, {}, id="search"),
    pytest.param(
        BOTH,
        lambda c: c.search_runs(limit=10, offset=0, start=MOMENT, end=MOMENT, **ALL_SEARCH_FILTERS),
        "POST",
        "/runs/search",
        {},
        {"limit": 10, "offset": 0, "query": FILTERS_SENT},
        id="search, every filter",
    ),
    pytest.param(
        ("vertesia",),
        lambda c: c.search_runs(select=["id", "status"], sort="-execution_time", status="failed"),
        "POST",
        "/runs/search",
        {},
        {
            "query": {"status": "failed"},
            "select": "id status",
            "sort": [{"field": "execution_time", "order": "desc"}],
        },
        id="search, selected and sorted",
    ),
    pytest.param(
        BOTH,
        lambda c: c.find_runs({"status": "failed", "parent": None}, limit=5, select=["id", "status"]),
        "POST",
        "/runs/find",
        {},
        {"query": {"status": "failed", "parent": None}, "limit": 5, "select": "id status"},
        id="find",
    ),
    pytest.param(
        BOTH,
        lambda c: c.get_filter_options("environment", status="failed"),
        "GET",
        "/runs/filter-options/environment",
        {"status": "failed"},
        None,
        id="filter options",
    ),
    pytest.param(
        ("vertesia",),
        lambda c: c.update_run("r1", tags=["a", "b"]),
        "PUT",
        "/runs/r1",
        {},
        {"tags": ["a", "b"]},
        id="update",
    ),
    pytest.param(("vertesia",), lambda c: c.delete_run("r1"), "DELETE", "/runs/r1", {}, None, id="delete"),
]


def answer(path: str) -> Any:
    if path == "/runs/facets":
        return {"total": 0}
    return RUN if path == "/runs/r1" else [RUN]


@pytest.mark.parametrize(("editions", "operation", "method", "path", "query", "body"), CASES)
async def test_each_operation_sends_exactly_the_documented_request(
    router: respx.MockRouter,
    open_client: Open,
    editions: tuple[str, ...],
    operation: Operation,
    method: str,
    path: str,
    query: dict[str, str],
    body: dict[str, Any] | None,
) -> None:
    for edition in editions:
        route = router.route().mock(
            return_value=httpx.Response(200, json=RUN if method == "POST" and path == "/runs" else answer(path))
        )
        async with open_client(edition=edition) as client:
            await operation(client)
        sent = route.calls.last.request
        assert (sent.method, str(sent.url.copy_with(query=None))) == (method, BASE[edition] + path)
        assert dict(sent.url.params) == query
        assert (json.loads(sent.content) if sent.content else None) == body


@pytest.mark.parametrize(
    ("settings", "expected", "absent"),
    [
        pytest.param({"edition": "composable"}, {}, {"x-api-version", "x-project-id"}, id="composable"),
        pytest.param(
            {"edition": "composable", "project": "p1"}, {"x-project-id": "p1"}, {"x-api-version"}, id="project"
        ),
        pytest.param({"edition": "vertesia"}, {"x-api-version": "20260803"}, {"x-project-id"}, id="vertesia"),
        pytest.param(
            {"edition": "vertesia", "api_version": "20260319", "project": "p1"},
            {"x-api-version": "20260319"},
            {"x-project-id"},
            id="another version",
        ),
    ],
)
async def test_headers_name_the_client_and_the_contract(
    router: respx.MockRouter, open_client: Open, settings: dict[str, str], expected: dict[str, str], absent: set[str]
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=[]))
    async with open_client(**settings) as client:
        await client.list_runs()
    headers = route.calls.last.request.headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["accept"] == "application/json"
    assert {name: headers[name] for name in expected} == expected
    assert not absent & set(headers)


async def test_the_interactions_tag_is_a_header(router: respx.MockRouter, open_client: Open) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client() as client:
        await client.create_run(interaction="i1", interaction_tag="latest")
    sent = route.calls.last.request
    assert sent.headers["x-interaction-tag"] == "latest"
    assert json.loads(sent.content) == {"interaction": "i1"}


@pytest.mark.parametrize("tag", ["two\nlines", "naïve", "a\0", " padded ", ""])
async def test_a_create_with_a_header_that_cannot_be_sent_sends_nothing(
    router: respx.MockRouter, open_client: Open, tag: str
) -> None:
    async with open_client() as client:
        with pytest.raises(InvalidArgumentError, match=r"interaction_tag: .* cannot be sent as a header") as refused:
            await client.create_run(interaction="i1", interaction_tag=tag)
    assert not refused.value.outcome_unknown
    assert not router.calls


@pytest.mark.parametrize("name", ["project", "api_version"])
def test_a_setting_that_no_header_can_hold_is_rejected_at_start(name: str) -> None:
    settings = ApiSettings.model_validate({"auth": {"value": "a-token"}, name: "two\nlines"})
    with pytest.raises(SetupError, match=rf"api.{name}: .* cannot be sent as a header"):
        connect(settings)


@pytest.mark.parametrize(("edition", "sent"), [("composable", {}), ("vertesia", {"include_prompt": "false"})])
async def test_the_prompt_is_left_out_on_request(
    router: respx.MockRouter, open_client: Open, edition: str, sent: dict[str, str]
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(edition=edition) as client:
        await client.get_run("r1", include_prompt=False)
    assert dict(route.calls.last.request.url.params) == sent


async def test_the_current_edition_takes_several_values_of_a_filter(
    router: respx.MockRouter, open_client: Open
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=[]))
    async with open_client(edition="vertesia") as client:
        await client.list_runs(status=["failed", "created"], model=["m"], tag=["a", "b,c"])
    assert route.calls.last.request.url.params.multi_items() == [
        *(("status", "failed"), ("status", "created")),
        *(("model", "m"), ("tag", "a"), ("tag", "b,c")),
    ]


async def test_an_edition_without_a_filter_refuses_it(open_client: Open) -> None:
    async with open_client() as client:
        with pytest.raises(InvalidArgumentError, match="takes one value"):
            await client.list_runs(status=["failed", "created"])
        with pytest.raises(InvalidArgumentError, match=r"edition has no filter run_ids, is_root$"):
            await client.search_runs(status="failed", run_ids=["r1"], finish_reason=MISSING, is_root=False)


async def test_runs_without_a_parent_are_not_searched_together_with_a_parent(open_client: Open) -> None:
    async with open_client(edition="vertesia") as client:
        with pytest.raises(InvalidArgumentError, match="either `is_root` or `parent`"):
            await client.search_runs(is_root=True, parent=["r1"])
        with pytest.raises(InvalidArgumentError, match="either `is_root` or `parent`"):
            await client.compute_facets(is_root=True, parent=["r1"])


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        pytest.param(
            {"stop_sequence": "END", "http_timeout": 1_000, "configMode": "run_config_only"},
            {
                "http_timeout": {"headersTimeout": 1_000, "bodyTimeout": 1_000},
                "configMode": "RUN_CONFIG_ONLY",
                "model_options": {"_option_id": "text-fallback", "stop_sequence": ["END"]},
            },
            id="converted",
        ),
        pytest.param(
            {"model_options": {"stop_sequence": "x"}}, {"model_options": {"stop_sequence": ["x"]}}, id="inside"
        ),
        pytest.param({"http_timeout": {"bodyTimeout": 1}}, {"http_timeout": {"bodyTimeout": 1}}, id="as it is"),
        pytest.param(
            {"temperature": 0, "model_options": {"_option_id": "x", "top_p": 1}},
            {"model_options": {"_option_id": "x", "top_p": 1, "temperature": 0}},
            id="beside model_options",
        ),
        pytest.param(
            {"model_options": {"top_p": 1, "top_k": None}, "http_timeout": {"bodyTimeout": 1, "connectTimeout": None}},
            {"model_options": {"top_p": 1}, "http_timeout": {"bodyTimeout": 1}},
            id="nulls inside",
        ),
    ],
)
async def test_settings_of_the_older_contract_are_converted(
    router: respx.MockRouter, open_client: Open, config: dict[str, Any], sent: dict[str, Any]
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(edition="vertesia") as client:
        await client.create_run(interaction="i", config=config)
    assert json.loads(route.calls.last.request.content)["config"] == sent


@pytest.mark.parametrize(
    "config",
    [
        *({"stop_sequence": 5}, {"http_timeout": "soon"}, {"configMode": 1}, {"run_data": ["DEBUG"]}),
        *({"model_options": "text"}, {"top_p": 1, "model_options": {"top_p": 0.5}}),
    ],
    ids=str,
)
async def test_settings_that_cannot_be_converted_are_refused_by_name(open_client: Open, config: dict[str, Any]) -> None:
    async with open_client(edition="vertesia") as client:
        with pytest.raises(InvalidArgumentError, match=f"config.{next(iter(config))}"):
            await client.create_run(interaction="i", config=config)


async def test_no_result_schema_is_sent_as_null(router: respx.MockRouter, open_client: Open) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client() as client:
        await client.create_run(interaction="i", result_schema=None)
    assert json.loads(route.calls.last.request.content) == {"interaction": "i", "result_schema": None}


@pytest.mark.parametrize(
    ("run_id", "path"),
    [
        pytest.param("a/b", "/runs/a%2Fb", id="slash"),
        pytest.param("../auth/token?x=1", "/runs/..%2Fauth%2Ftoken%3Fx%3D1", id="path and query"),
        pytest.param("a b#c", "/runs/a%20b%23c", id="space and fragment"),
        pytest.param("ü", "/runs/%C3%BC", id="not ASCII"),
    ],
)
async def test_an_id_stays_a_single_path_segment(
    router: respx.MockRouter, open_client: Open, run_id: str, path: str
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client() as client:
        await client.get_run(run_id)
    assert route.calls.last.request.url.raw_path.decode() == f"/api/v1{path}"


@pytest.mark.parametrize("run_id", ["", ".", ".."])
async def test_an_id_that_leaves_its_path_is_rejected(router: respx.MockRouter, open_client: Open, run_id: str) -> None:
    async with open_client() as client:
        with pytest.raises(InvalidArgumentError):
            await client.get_run(run_id)
    assert not router.calls


async def test_a_facet_the_edition_lacks_is_refused_by_name(router: respx.MockRouter, open_client: Open) -> None:
    async with open_client(edition="vertesia") as client:
        with pytest.raises(
            InvalidArgumentError, match="no facet tags; it has environments, interactions, models, status"
        ):
            await client.compute_facets(facets=["tags"])
    assert not router.calls


async def test_create_waits_for_an_execution_and_everything_else_for_an_answer(
    router: respx.MockRouter, open_client: Open
) -> None:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(timeout_s=3, execution_timeout_s=600) as client:
        await client.create_run(interaction="i1", stream=False)
        await client.create_run(interaction="i1", stream=True)
        await client.get_run("r1")
    timeouts = [call.request.extensions["timeout"] for call in route.calls]
    assert [timeout["read"] for timeout in timeouts] == [600, 3, 3]
    assert {timeout["connect"] for timeout in timeouts} == {3}
