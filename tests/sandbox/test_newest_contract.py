"""Requests of the newest contract: each valid request takes effect, each invalid request gets a 400."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from tests.http_client import http_client
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, get, sandbox

pytestmark = pytest.mark.anyio

NOTES = {"question": "Colour?", "notes": ["Delivery takes two days."]}
SCHEMA = "store:66c3f0c2e4b0a1b2c3d40001"


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and the status with which each contract answers it."""

    method: str
    path: str
    today: int
    """The status under the newest contract."""
    body: JsonObject | None = None
    before: int = 200
    """The status under the reference document's contract."""
    query: JsonObject | None = None


@pytest.fixture(scope="module")
async def today(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks for the newest contract."""
    async with http_client(
        base_url=api.base_url, headers={**TODAY, "authorization": api.headers["authorization"]}, timeout=60
    ) as client:
        yield client


async def search(today: httpx.AsyncClient, query: JsonObject | None = None, **body: Any) -> list[JsonObject]:
    found: list[JsonObject] = await answered(
        await today.post("/runs/search", json={"limit": 1_000, **body, "query": query or {}})
    )
    return found


def searches(body: JsonObject, today: int = 200) -> Row:
    """Return a search; the older contract accepts any body."""
    return Row("POST", "/runs/search", today, body)


def creates(today: int = 200, before: int = 200, interaction: str = "ClassifySentiment", **body: Any) -> Row:
    """Return a create."""
    return Row("POST", "/runs", today, {"interaction": interaction, "data": {"text": "Good."}, **body}, before)


TABLE: dict[str, Row] = {
    "search: select": searches({"select": "status"}),
    "search: sort": searches({"sort": [{"field": "created_at", "order": "asc"}]}),
    "search: facets": searches({"facets": [{"name": "statuses", "field": "status"}], "limit_facets": True}),
    "search: all_revisions": searches({"all_revisions": True}),
    "search: from_root": searches({"from_root": "66a1f0c2e4b0a1b2c3d40001"}),
    "search: unknown key": searches({"colour": "red"}, 400),
    "search: query.limit and offset": searches({"query": {"limit": 1, "offset": 1}}),
    "search: query.default_query_path": searches({"query": {"query": "red", "default_query_path": "prompt"}}),
    "search: query.workflow_run_ids": searches({"query": {"workflow_run_ids": ["run-1"]}}),
    "search: query.workflow_ids": searches({"query": {"workflow_ids": ["wf-1"]}}),
    "search: query.is_agent": searches({"query": {"is_agent": True}}),
    "search: status FAILED": searches({"query": {"status": "FAILED"}}, 400),
    "find: all_revisions": Row("POST", "/runs/find", 200, {"query": {}, "all_revisions": True}),
    "find: from_root": Row("POST", "/runs/find", 200, {"query": {}, "from_root": "66a1f0c2e4b0a1b2c3d40001"}),
    "find: unknown key": Row("POST", "/runs/find", 400, {"query": {}, "colour": "red"}),
    "list: status COMPLETED": Row("GET", "/runs", 400, query={"status": "COMPLETED"}),
    "list: workflow_run_ids": Row("GET", "/runs", 200, query={"workflow_run_ids": "run-1"}),
    "list: workflow_ids": Row("GET", "/runs", 200, query={"workflow_ids": "wf-1"}),
    "config: id": creates(config={"id": "cfg"}),
    "config: prompt_cache_mode": creates(config={"prompt_cache_mode": "off"}),
    "config: prompt_cache_ttl_seconds": creates(config={"prompt_cache_ttl_seconds": 60}),
    "config: prompt_cache_key": creates(config={"prompt_cache_key": "k"}),
    "config: prompt_cache_schema_suffix": creates(config={"prompt_cache_schema_suffix": True}),
    "config: http_timeout object": creates(config={"http_timeout": {"bodyTimeout": 5}}),
    "config: http_timeout number": creates(400, config={"http_timeout": 5}),
    "create: conversation": creates(conversation={"turns": []}),
    "create: tool_definitions": creates(tool_definitions=[{"name": "look_up", "input_schema": {}}]),
    "create: workflow": creates(workflow={"run_id": "run-0", "workflow_id": "wf-0"}),
    "create: prompts": creates(prompts=[{"role": "user", "content": "Hi.", "content_type": "text"}]),
    "create: data is a text": creates(interaction="AnswerFromNotes", data="memory:delivery-notes"),
    "create: data is another text": creates(422, 422, data="Good."),
    "create: oid: and a name": creates(interaction="oid:ClassifySentiment"),
    "create: oid: and an id": creates(interaction="oid:66a1f0c2e4b0a1b2c3d40002"),
    "create: oid: and nothing": creates(404, 404, interaction="oid:Nothing"),
    "create: sys:": creates(interaction="sys:WriteTestData", data={"count": 1}),
    "create: app:": creates(interaction="app:crm:ScoreLead", data={"employees": 3, "budget": "low"}),
    "create: tmp: with prompts": creates(
        interaction="tmp:Greet", prompts=[{"role": "user", "content": "Hi.", "content_type": "text"}]
    ),
    "create: tmp: without prompts": creates(400, 400, interaction="tmp:Greet"),
    "create: result_schema null": creates(result_schema=None),
    "create: result_schema $uri": creates(result_schema={"$uri": SCHEMA}),
    "create: result_schema of no such $uri": creates(404, 404, result_schema={"$uri": "store:none"}),
    "PUT": Row("PUT", "/runs/{run_id}", 200, {"tags": ["x"]}),
    "DELETE": Row("DELETE", "/runs/{run_id}", 200),
    "GET /interactions": Row("GET", "/interactions", 200),
    "GET /interactions/names": Row("GET", "/interactions/names", 200),
    "GET /environments": Row("GET", "/environments", 200),
}
"""The rows of the contract in which an earlier imitation differed."""


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
async def test_each_request_is_accepted_or_rejected_as_in_the_contract(
    api: httpx.AsyncClient, today: httpx.AsyncClient, row: Row
) -> None:
    for client, status in ((today, row.today), (api, row.before)):
        run = await create(client, "AlwaysFails", {}) if "{run_id}" in row.path else {}
        path = row.path.format(run_id=run.get("id"))
        response = await client.request(row.method, path, params=row.query, json=row.body)
        assert response.status_code == status, response.text
        if status != 200:
            error = response.json()
            assert {**error, "status": status} == error
            assert error["error"] == HTTPStatus(status).phrase
            assert error["message"]


INVALID_CONFIG: list[tuple[JsonObject, str]] = [
    ({"temperature": 1}, "config.temperature: unknown property"),
    ({"http_timeout": 5}, "config.http_timeout"),
    ({"http_timeout": {"seconds": 5}}, "config.http_timeout.seconds: unknown property"),
    ({"configMode": "run_config_only"}, "config.configMode"),
    ({"run_data": "standard"}, "config.run_data"),
    ({"prompt_cache_mode": "on"}, "config.prompt_cache_mode"),
    ({"prompt_cache_ttl_seconds": 59}, "config.prompt_cache_ttl_seconds"),
    ({"inference_profile": "fast"}, "config.inference_profile"),
    ({"model_options": {"stop_sequence": "END"}}, "config.model_options.stop_sequence"),
    ({"environment": None}, "config.environment"),
]


@pytest.mark.parametrize(("config", "details"), INVALID_CONFIG, ids=lambda value: str(value)[:40])
async def test_an_invalid_config_is_a_400_that_names_the_key(
    today: httpx.AsyncClient, config: JsonObject, details: str
) -> None:
    response = await today.post("/runs", json={"interaction": "AlwaysFails", "config": config})
    assert response.status_code == 400
    assert response.json()["details"].startswith(details)


async def test_every_key_of_config_is_accepted_and_kept(today: httpx.AsyncClient) -> None:
    config = {
        "id": "cfg",
        "inference_profile": None,
        "inherit_model_config": True,
        "environment": "66b2f0c2e4b0a1b2c3d4e002",
        "model": "claude-3-haiku",
        "do_validate": True,
        "run_data": "DEBUG",
        "configMode": "RUN_CONFIG_ONLY",
        "model_options": {"_option_id": "text-fallback", "temperature": 0.5, "stop_sequence": ["END"]},
        "prompt_cache_key": "k",
        "prompt_cache_mode": "required",
        "prompt_cache_ttl_seconds": 60,
        "prompt_cache_schema_suffix": True,
        "http_timeout": {"headersTimeout": 1, "bodyTimeout": 2, "connectTimeout": 3, "keepAliveTimeout": 4},
    }
    run = await create(today, "ClassifySentiment", {"text": "Good."}, config=config)
    assert run["config"] == config


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"query": {"status": "FAILED"}}, "query.status"),
        ({"limit": -1}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"sort": [{"field": "created_at", "order": "down"}]}, "sort.0.order"),
        ({"sort": ["created_at"]}, "sort.0"),
        ({"limit_facets": "yes"}, "limit_facets"),
        ({"query": {"workflow_ids": "wf"}}, "query.workflow_ids"),
    ],
    ids=str,
)
async def test_an_invalid_search_is_a_400_that_names_the_key(
    today: httpx.AsyncClient, body: JsonObject, details: str
) -> None:
    response = await today.post("/runs/search", json=body)
    assert response.status_code == 400
    assert response.json()["details"].startswith(details)


@pytest.mark.parametrize("path", ["/runs", "/runs/filter-options/model"])
async def test_an_upper_case_status_is_a_400_in_lists(today: httpx.AsyncClient, path: str) -> None:
    assert (await today.get(path, params={"status": ["failed", "COMPLETED"]})).status_code == 400
    assert (await today.get(path, params={"status": "failed"})).status_code == 200


async def test_a_whole_number_may_have_a_decimal_point(today: httpx.AsyncClient) -> None:
    assert len(await search(today, limit=2.0, offset=1.0)) == 2


async def test_limits_inside_query_apply_without_outer_limits(today: httpx.AsyncClient) -> None:
    every = await answered(await today.post("/runs/search", json={"limit": 5}))
    inside = await answered(await today.post("/runs/search", json={"query": {"limit": 2, "offset": 1}}))
    assert inside == every[1:3]
    assert len(await search(today, {"limit": 2}, limit=3)) == 3


@pytest.mark.parametrize("field", ["created_at", "execution_time", "token_use.total", "modelId"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_search_sorts_by_any_field_and_runs_without_it_come_last(
    today: httpx.AsyncClient, field: str, order: str
) -> None:
    def value(run: JsonObject) -> Any:
        return run.get("token_use", {}).get("total") if field == "token_use.total" else run.get(field)

    found = [value(run) for run in await search(today, sort=[{"field": field, "order": order}])]
    present = [one for one in found if one is not None]
    assert present == sorted(present, reverse=order == "desc")
    assert found[len(present) :] == [None] * (len(found) - len(present))


async def test_the_second_key_of_a_sort_decides_between_equals(today: httpx.AsyncClient) -> None:
    keys = [{"field": "status", "order": "asc"}, {"field": "created_at"}]
    found = [(run["status"], run["created_at"]) for run in await search(today, sort=keys)]
    assert found == sorted(sorted(found, key=lambda pair: pair[1], reverse=True), key=lambda pair: pair[0])


async def test_select_chooses_the_fields_of_search(today: httpx.AsyncClient) -> None:
    assert {frozenset(run) for run in await search(today, select="status modelId")} == {
        frozenset({"id", "status", "modelId"})
    }


async def test_facets_of_a_search_are_checked(today: httpx.AsyncClient) -> None:
    good = [{"name": "statuses", "field": "status"}]
    assert await search(today, facets=good, limit_facets=True, all_revisions=True, aggs={}) == await search(today)
    response = await today.post("/runs/search", json={"facets": [{"name": "colours", "field": "colour"}]})
    assert response.status_code == 400


async def test_runs_are_found_by_their_workflow(today: httpx.AsyncClient) -> None:
    workflow = {"run_id": "run-1", "workflow_id": "wf-1", "agent_run_id": "agent-1"}
    run = await create(today, "AlwaysFails", {}, workflow=workflow)
    assert run["workflow"] == workflow
    for query in ({"workflow_run_ids": ["run-1", "x"]}, {"workflow_ids": ["wf-1"]}, {"is_agent": True}):
        assert [one["id"] for one in await search(today, query)] == [run["id"]]
        if "is_agent" not in query:
            assert [one["id"] for one in await answered(await today.get("/runs", params=query))] == [run["id"]]
    assert run["id"] not in {one["id"] for one in await search(today, {"is_agent": False})}


async def test_from_root_selects_a_run_and_its_descendants(today: httpx.AsyncClient) -> None:
    child = next(run for run in await search(today, {"is_root": False}))
    expected = {child["parent"]} | {run["id"] for run in await search(today, {"parent": [child["parent"]]})}
    found = {run["id"] for run in await search(today, from_root=child["parent"])}
    assert expected <= found
    body = {"query": {"modelId": child["modelId"]}, "from_root": child["parent"], "limit": 1_000}
    assert child["id"] in {run["id"] for run in await answered(await today.post("/runs/find", json=body))} <= found


async def test_the_default_query_path_restricts_words_to_a_field(today: httpx.AsyncClient) -> None:
    assert await search(today, {"query": "telling", "default_query_path": "prompt"})
    assert await search(today, {"query": "telling", "default_query_path": "result"}) == []


@pytest.mark.parametrize("headers", [{}, TODAY], ids=["reference document", "today"])
async def test_a_run_is_read_without_its_prompt(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    run = await create(api, "AlwaysFails", {})
    whole = await answered(await api.get(f"/runs/{run['id']}", headers=headers))
    short = await answered(await api.get(f"/runs/{run['id']}", params={"include_prompt": "false"}, headers=headers))
    assert {**short, "prompt": whole["prompt"]} == whole


async def test_an_update_changes_tags_and_evaluation(today: httpx.AsyncClient) -> None:
    run = await create(today, "AlwaysFails", {}, tags=["before"])
    changes = {"tags": ["after"], "evaluation": {"score": 0.5, "scores": {"style": 1}}, "ttl": 7}
    updated = await answered(await today.put(f"/runs/{run['id']}", json=changes))
    whole = await get(today, run["id"])
    for one in (updated, whole):
        assert {name: one[name] for name in changes} == changes
    assert whole["updated_at"] >= run["updated_at"]
    assert [one["id"] for one in await search(today, {"tags": ["after"]})] == [run["id"]]
    assert await search(today, {"tags": ["before"]}) == []


async def test_an_update_with_an_unknown_key_is_a_400(today: httpx.AsyncClient) -> None:
    run = await create(today, "AlwaysFails", {})
    response = await today.put(f"/runs/{run['id']}", json={"colour": "red"})
    assert response.json()["details"] == "colour: unknown property"


async def test_a_deleted_run_is_gone_from_everything(today: httpx.AsyncClient) -> None:
    run = await create(today, "ClassifySentiment", {"text": "Ephemeral."}, tags=["ephemeral"])
    assert await answered(await today.delete(f"/runs/{run['id']}")) == {"id": run["id"]}
    assert (await today.get(f"/runs/{run['id']}")).status_code == 404
    assert (await today.delete(f"/runs/{run['id']}")).status_code == 404
    assert (await today.put(f"/runs/{run['id']}", json={"tags": []})).status_code == 404
    assert await search(today, {"query": "ephemeral"}) == await search(today, {"tags": ["ephemeral"]}) == []


async def test_a_run_that_is_deleted_while_it_executes_ends_without_trace(today: httpx.AsyncClient) -> None:
    run = await create(today, "SlowWriter", {"chunks": 20, "delay_ms": 5}, stream=True)
    async with today.stream("GET", f"/runs/{run['id']}/stream") as stream:
        await answered(await today.delete(f"/runs/{run['id']}"))
        lines = [line async for line in stream.aiter_lines()]
    assert 'data: "word20 "' in lines
    assert not any(line.startswith("event: close") for line in lines)
    assert (await today.get(f"/runs/{run['id']}")).status_code == 404


@pytest.mark.parametrize("schema", [None, {"$uri": SCHEMA}])
async def test_a_result_schema_may_be_null_or_stored(today: httpx.AsyncClient, schema: JsonObject | None) -> None:
    run = await create(today, "ClassifySentiment", {"text": "Good."}, result_schema=schema)
    assert run["status"] == "completed"
    assert ("result_schema" in run) is (schema is not None)
    assert "$uri" not in run.get("result_schema", {})


async def test_a_stored_schema_is_checked_and_must_exist(today: httpx.AsyncClient) -> None:
    run = await create(today, "SlowWriter", {"chunks": 1}, result_schema={"$uri": SCHEMA})
    assert run["error"]["code"] == "invalid_result"
    unchecked = await create(today, "SlowWriter", {"chunks": 1}, result_schema={"$uri": SCHEMA}, do_validate=False)
    assert unchecked["status"] == "completed"
    response = await today.post("/runs", json={"interaction": "AlwaysFails", "result_schema": {"$uri": "store:none"}})
    assert (response.status_code, response.json()["message"]) == (404, "Schema not found: store:none")


@pytest.mark.parametrize("data", ["memory:delivery-notes", {"@memory": "delivery-notes"}], ids=str)
async def test_data_may_name_a_memory_pack(today: httpx.AsyncClient, data: Any) -> None:
    run = await answered(await today.post("/runs", json={"interaction": "AnswerFromNotes", "data": data}))
    assert run["result"][0]["value"]["answer"] == "Delivery takes two days."
    assert run["parameters"]["question"] == "How long is delivery?"


@pytest.mark.parametrize(("data", "status"), [("memory:nothing", 404), ("text", 422), ([1], 422)])
async def test_other_data_is_rejected(today: httpx.AsyncClient, data: Any, status: int) -> None:
    assert (await today.post("/runs", json={"interaction": "AlwaysFails", "data": data})).status_code == status


async def test_a_conversation_is_answered_with_its_turns(today: httpx.AsyncClient) -> None:
    first = await create(today, "ClassifySentiment", {"text": "Good."}, conversation=True)
    second = await create(today, "ClassifySentiment", {"text": "Bad."}, conversation=first["conversation"])
    assert [turn["run"] for turn in second["conversation"]["turns"]] == [first["id"], second["id"]]
    assert "conversation" not in await create(today, "ClassifySentiment", {"text": "Good."})


async def test_an_interaction_without_an_answer_asks_for_the_first_tool(today: httpx.AsyncClient) -> None:
    tools = [{"name": "look_up", "description": "Look up.", "input_schema": {"type": "object"}}]
    run = await create(today, "AnswerFromNotes", NOTES, tool_definitions=tools)
    assert run["finish_reason"] == "tool_use"
    assert run["tool_use"][0]["tool_name"] == "look_up"
    assert (await create(today, "AnswerFromNotes", NOTES))["finish_reason"] == "stop"


async def test_runs_have_every_field_that_the_contract_requires(today: httpx.AsyncClient) -> None:
    for run in await search(today):
        assert {"endpoint", "status", "tags", "version", "updated_at"} <= set(run["interaction"])
        assert {"provider", "account", "created_by"} <= set(run["environment"])
        assert {"ttl", "source", "updated_by", "config"} <= set(run)
        assert run["project"]["account"] == run["account"]["id"]
        assert "execution_settings" not in run


async def test_only_the_newest_contract_shows_cached_tokens_and_costs(api: httpx.AsyncClient) -> None:
    async with sandbox(SandboxOptions()) as fresh:
        now = await answered(await fresh.get("/runs", params={"limit": 1_000}, headers=TODAY))
        then = await answered(await fresh.get("/runs", params={"limit": 1_000}))
    used = [run["token_use"] for run in now if "token_use" in run]
    priced = [use for use in used if "provider_cost_usd" in use]
    assert 0 < len(priced) < len(used)
    assert any(use.get("prompt_cached") for use in used)
    assert all({"prompt", "result", "total"} == set(run["token_use"]) for run in then if "token_use" in run)
