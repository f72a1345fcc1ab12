"""Policies over every operation: published tools are well-formed, and no layer lacks an operation."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp_types import Tool

from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.sandbox.access import Tokens
from runs_mcp.sandbox.routes.application import API, build
from runs_mcp.sandbox.routes.run_routes import RunRoutes
from runs_mcp.sandbox.schema_check import SchemaChecker
from runs_mcp.server import build_server
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS
from runs_mcp.server.tools.filter_arguments import SearchArguments
from tests.calls import PATIENT, call

DOCUMENTED = {
    "GET /runs",
    "GET /runs/{run_id}",
    "POST /runs",
    "GET /runs/{run_id}/stream",
    "POST /runs/facets",
    "POST /runs/search",
    "POST /runs/find",
    "GET /runs/filter-options/{field}",
    "POST /interactions/endpoints",
    "PUT /runs/{run_id}",
    "DELETE /runs/{run_id}",
}
CHARS_PER_TOKEN = 4
MOST_TOKENS = 4_500
MOST_TOKENS_A_TOOL = 700
ALL = (*OPERATIONS, *MANAGE_OPERATIONS)
TOOLS = [pytest.param(operation.published, id=operation.name) for operation in ALL]
SEARCH_FILTERS = set(SearchArguments.__annotations__)
MANAGED = {operation.name for operation in MANAGE_OPERATIONS}


def test_every_operation_has_a_tool_and_a_route_in_the_sandbox() -> None:
    runs = RunRoutes(None, None, None, None, "message", 1)  # type: ignore[arg-type]  # nothing is called
    application = build(runs, SchemaChecker(), Tokens(), {})
    routes = {
        f"{method} {route.path.removeprefix(API)}"  # type: ignore[attr-defined]
        for route in application.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    assert {operation.endpoint for operation in ALL} == DOCUMENTED == routes & DOCUMENTED


def test_names_are_unique() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS) == 10
    assert len({operation.name for operation in ALL}) == len(ALL)


@pytest.mark.parametrize("tool", TOOLS)
def test_inputs_are_flat_and_plain(tool: Tool) -> None:
    """Several clients refuse schemas with alternatives, references or titles."""
    schema = json.dumps(tool.input_schema)
    for word in ("anyOf", "oneOf", "allOf", "$ref", "$defs", "null", '"title"'):
        assert word not in schema
    objects = {name for name, one in tool.input_schema["properties"].items() if one.get("type") == "object"}
    assert objects <= {"data", "config", "query", "result_schema", "where"}


@pytest.mark.parametrize("tool", TOOLS)
def test_everything_is_described(tool: Tool) -> None:
    assert tool.title
    assert tool.description
    assert "  " not in tool.description
    elsewhere = SEARCH_FILTERS if tool.description.endswith("Filters: as in search_runs.") else set()
    for name, parameter in tool.input_schema["properties"].items():
        assert parameter.get("description") or parameter.get("enum") or name in elsewhere, name


@pytest.mark.parametrize("tool", TOOLS)
def test_all_four_hints_are_given(tool: Tool) -> None:
    assert tool.annotations
    changes = tool.name == "create_run"
    assert tool.annotations.read_only_hint is (tool.name not in {"create_run", "stream_run", *MANAGED})
    assert tool.annotations.idempotent_hint is not changes
    assert tool.annotations.destructive_hint is (tool.name in MANAGED)
    assert tool.annotations.open_world_hint is True


@pytest.mark.parametrize("tool", TOOLS)
def test_output_schemas_are_loose_objects(tool: Tool) -> None:
    assert tool.output_schema
    assert tool.output_schema["type"] == "object"
    assert "$ref" not in json.dumps(tool.output_schema)
    assert all(isinstance(one.get("type", ""), str) for one in tool.output_schema["properties"].values())
    Draft202012Validator.check_schema(tool.output_schema)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_costs_few_tokens(tool: Tool) -> None:
    assert tokens([tool]) <= MOST_TOKENS_A_TOOL


def test_all_tools_cost_few_tokens() -> None:
    assert tokens([operation.published for operation in OPERATIONS]) <= MOST_TOKENS


def tokens(tools: list[Tool]) -> int:
    """Estimate the tokens of the tools in a model's context."""
    published = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]
    return len(json.dumps(published)) // CHARS_PER_TOKEN


@pytest.mark.anyio
async def test_every_answer_fits_its_output_schema(client: Client) -> None:
    schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
    run_id = (await call(client, "list_runs", limit=1)).structured["runs"][0]["id"]
    calls: dict[str, dict[str, Any]] = {
        "list_runs": {},
        "get_run": {"run_id": run_id},
        "create_run": {"interaction": "SummarizeText", "data": {"text": "One. Two."}},
        "stream_run": {"run_id": run_id},
        "compute_run_facets": {},
        "aggregate_runs": {"by": ["environment"], "measures": ["runs", "median_ms"]},
        "search_runs": {"query": "nothing at all like this"},
        "find_runs": {"query": {}, "select": ["status"]},
        "get_run_filter_options": {"field": "tag"},
        "list_interactions": {"interaction": "SummarizeText"},
    }
    assert set(calls) == set(schemas)
    for tool, arguments in calls.items():
        answer = await call(client, tool, **arguments)
        assert not answer.failed, answer.text
        Draft202012Validator(schemas[tool] or {}).validate(answer.structured)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("settings", "names"),
    [
        pytest.param({"read_only": True}, {one.name for one in OPERATIONS} - {"create_run"}, id="read only"),
        pytest.param({"tools": ["get_run", "list_runs"]}, {"get_run", "list_runs"}, id="selected"),
        pytest.param({"tools": ["create_run"], "read_only": True}, set(), id="selected and read only"),
    ],
)
async def test_tools_can_be_narrowed(config: Config, mode: str, settings: dict[str, Any], names: set[str]) -> None:
    narrowed = config.model_copy(update={"server": ServerSettings.model_validate(settings)})
    async with Client(build_server(narrowed).mcp, mode=mode, client_info=PATIENT) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == names
        instructions = client.instructions or ""
        assert all((f"- {one.name} " in instructions) == (one.name in names) for one in OPERATIONS)
