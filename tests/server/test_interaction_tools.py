"""Tools of single interactions: the offered tools, the requests of their calls, and notifications of changes."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import Tool, ToolListChangedNotification
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed_operations, running
from runs_mcp.server import build_server
from runs_mcp.server.interactions import type_unions
from runs_mcp.server.tools import OPERATIONS
from tests.calls import PATIENT, Notifications, call
from tests.upstream import TOKEN, reply, serving

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras, pytest.mark.usefixtures("quick_polls")]

EVERYTHING = {"include": ["*"]}


@pytest.fixture(scope="module")
async def odd_sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    """A sandbox that also has difficult interactions."""
    async with running(SandboxOptions(odd_interactions=True)) as started:
        yield started


@asynccontextmanager
async def beside(
    sandbox: Sandbox, selected: dict[str, Any], mode: str = "auto", edition: str = "composable", **server: Any
) -> AsyncIterator[Client]:
    """Yield a client of a server with tools for the selected interactions."""
    api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": edition}))
    config = Config.model_validate({"api": api, "server": {"interaction_tools": selected, **server}})
    async with Client(build_server(config).mcp, mode=mode, client_info=PATIENT) as client:
        yield client


async def typed(client: Client) -> dict[str, Tool]:
    return {tool.name: tool for tool in (await client.list_tools()).tools if tool.name.startswith("run_")}


async def test_interaction_tools_are_off_by_default(client: Client) -> None:
    assert await typed(client) == {}
    capabilities = client.server_capabilities
    assert capabilities.tools is not None
    assert not capabilities.tools.list_changed


@pytest.mark.parametrize(
    ("selected", "names"),
    [
        ({"include": ["TranslateNote"]}, {"run_translate_note"}),
        ({"include": ["tag:production"]}, {"run_summarize_text", "run_contract_review"}),
        ({"include": ["66a1f0c2e4b0a1b2c3d40002"]}, {"run_classify_sentiment"}),
        (
            {"include": ["tag:text", "S*"], "exclude": ["tag:production", "S*", "Tr*"]},
            {"run_classify_sentiment", "run_extract_contacts"},
        ),
    ],
)
async def test_names_tags_ids_and_patterns_select(sandbox: Sandbox, selected: dict[str, Any], names: set[str]) -> None:
    async with beside(sandbox, selected) as client:
        assert set(await typed(client)) == names


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"], "minLength": 2},
        {"type": "array", "items": {"type": ["integer", "boolean"]}},
        {"properties": {"type": {"type": ["string", "null"]}, "enum": {"type": ["null", "number"]}}},
        {"enum": [{"type": ["string", "null"]}, 1]},
        {"anyOf": [{"type": ["string", "null"]}], "type": ["string", "array"]},
    ],
)
def test_lists_of_types_in_result_schemas_become_alternatives_that_allow_the_same_values(
    schema: dict[str, Any],
) -> None:
    values = [
        None,
        "a",
        "ab",
        1,
        True,
        [1],
        [None],
        {"type": None},
        {"type": 1},
        {"enum": "a"},
        {"type": ["string", "null"]},
    ]
    before, after = Draft202012Validator(schema), Draft202012Validator(type_unions.split(schema))
    assert [before.is_valid(value) for value in values] == [after.is_valid(value) for value in values]


async def test_no_published_schema_has_a_list_of_types(sandbox: Sandbox, odd_sandbox: Sandbox, mode: str) -> None:
    for one in (sandbox, odd_sandbox):
        async with beside(one, EVERYTHING, mode) as client:
            for tool in (await client.list_tools()).tools:
                assert not re.search(r'"type": \[', json.dumps([tool.input_schema, tool.output_schema])), tool.name


async def test_beyond_the_limit_the_most_used_are_offered(sandbox: Sandbox) -> None:
    async with beside(sandbox, {"include": ["*"], "limit": 2}) as client:
        names = set(await typed(client))
        options = (await call(client, "get_run_filter_options", field="interaction")).structured["options"]
    counts = {one["name"]: one["count"] for one in options}
    rarest = min(counts, key=lambda name: counts[name])
    assert len(names) == 2
    assert f"run_{rarest.lower()}" not in {name.replace("_", "") for name in names}


async def test_a_tool_shows_the_input_and_result_of_its_interaction(sandbox: Sandbox) -> None:
    async with beside(sandbox, {"include": ["TranslateNote"]}) as client:
        [tool] = (await typed(client)).values()
    properties = tool.input_schema["properties"]
    assert list(properties) == ["note", "language", "options", "run"]
    assert properties["language"]["enum"] == ["de", "en", "fr", "ja"]
    assert properties["options"]["properties"]["glossary"]["type"] == "string"
    assert tool.input_schema["required"] == ["note", "language"]
    assert set(properties["run"]["properties"]) == {"environment", "model", "tags", "request_key", "wait", "wait_s"}
    assert tool.output_schema is not None
    assert set(tool.output_schema["properties"]["output"]["properties"]) == {"language", "text"}
    assert tool.description == "Translate the note. Costs money and makes a new run."
    assert tool.annotations is not None
    assert tool.annotations.read_only_hint is False


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_a_call_runs_the_interaction_with_options(sandbox: Sandbox, mode: str, edition: str) -> None:
    options = {"model": "claude-3-haiku", "environment": "Bedrock EU", "tags": ["typed"]}
    progress = Notifications()
    async with beside(sandbox, EVERYTHING, mode, edition) as client:
        answer = await call(client, "run_classify_sentiment", progress=progress, text="I love it", run=options)
        assert not answer.failed, answer.text
        run = (await call(client, "get_run", run_id=answer.structured["id"])).structured
        tool = (await typed(client))["run_classify_sentiment"]
    assert answer.structured["output"]["sentiment"] == "positive"
    assert progress.text
    assert run["parameters"] == {"text": "I love it"}
    assert (run["modelId"], run["environment"]["name"]) == ("claude-3-haiku", "Bedrock EU")
    assert "typed" in run["tags"]
    Draft202012Validator(tool.output_schema or {}).validate(answer.structured)


@pytest.mark.parametrize(
    ("tool", "arguments", "problem"),
    [
        ("run_translate_note", {"note": "Hi"}, "`language`: is required."),
        ("run_translate_note", {"note": "Hi", "language": "xx"}, "`language`: 'xx' is not one of"),
        ("run_translate_note", {"note": "Hi", "language": "de", "options": {"formal": "yes"}}, "`options.formal`: "),
        ("run_translate_note", {"note": "Hi", "languages": "de"}, "Did you mean `language`?"),
        ("run_summarize_text", {"text": "Hi", "sentences": 99}, "`sentences`: 99 is greater than the maximum of 20."),
        ("run_summarize_text", {"text": "Hi", "run": {"modle": "x"}}, "`run.modle`: no such option."),
        ("run_summarize_text", {"text": "Hi", "run": {"environment": "Staging"}}, "`run.environment`: 2 have the name"),
    ],
)
async def test_invalid_input_is_named_and_runs_nothing(
    sandbox: Sandbox, tool: str, arguments: dict[str, Any], problem: str
) -> None:
    async with beside(sandbox, EVERYTHING) as client:
        before = (await call(client, "compute_run_facets")).structured["total"]
        answer = await call(client, tool, **arguments)
        assert (await call(client, "compute_run_facets")).structured["total"] == before
    assert answer.failed
    assert problem in answer.text


async def test_the_text_null_means_unset_except_where_a_text_is_wanted(sandbox: Sandbox) -> None:
    async with beside(sandbox, EVERYTHING) as client:
        unset = await call(client, "run_summarize_text", text="null", sentences="null", run="null")
        missing = await call(client, "run_summarize_text", text=None)
        run = await call(client, "get_run", run_id=unset.structured["id"])
    assert run.structured["parameters"] == {"text": "null"}
    assert "`text`: is required" in missing.text


async def test_options_skip_waiting_and_make_a_create_idempotent(sandbox: Sandbox) -> None:
    async with beside(sandbox, EVERYTHING) as client:
        options = {"wait": False, "request_key": "typed-1"}
        first = await call(client, "run_slow_writer", chunks=2, delay_ms=1, run=options)
        again = await call(client, "run_slow_writer", chunks=2, delay_ms=1, run=options)
    assert "do not create it again" in first.text
    assert first.structured["id"] == again.structured["id"]


async def test_difficult_interactions_become_working_tools(odd_sandbox: Sandbox) -> None:
    async with beside(odd_sandbox, {"include": ["tag:odd"]}) as client:
        tools = await typed(client)
        review = [name for name in tools if name.startswith("run_review_text_")]
        invoice = await call(client, "run_billing_invoice", amounts=[1.5, 2])
        empty = await call(client, "run_no_input")
        broken = await call(client, "run_broken_input_schema", data={"text": "Hi"})
        other_script = next(name for name in tools if name.startswith("run_interaction_"))
        japanese = await call(client, other_script, text="Hi")
    assert len(review) == 2
    assert "run_archived" not in tools
    assert not invoice.failed
    assert "no such argument" not in empty.text
    assert list(tools["run_broken_input_schema"].input_schema["properties"]) == ["data", "run"]
    assert "cannot be resolved" in tools["run_broken_input_schema"].input_schema["properties"]["data"]["description"]
    assert "`text`" not in broken.text
    assert japanese.structured["result"] == "Hi"


async def test_a_field_named_run_moves_the_options() -> None:
    async with (
        serving_interactions(["run"], ["run", "_run"]) as config,
        Client(build_server(config).mcp, client_info=PATIENT) as client,
    ):
        tools = await typed(client)
    assert [list(tool.input_schema["properties"]) for tool in tools.values()] == [
        ["run", "_run"],
        ["run", "_run", "run_options"],
    ]


async def test_readers_are_offered_no_interaction_tools(sandbox: Sandbox) -> None:
    async with beside(sandbox, EVERYTHING, read_only=True) as client:
        assert await typed(client) == {}
        with pytest.raises(MCPError, match="Unknown tool"):
            await call(client, "run_slow_writer")


async def test_without_permission_no_interaction_tools_are_offered() -> None:
    closed = SandboxOptions(answers=closed_operations(["interactions"]))
    async with running(closed) as sandbox, beside(sandbox, EVERYTHING) as client:
        assert await typed(client) == {}
        assert not (await call(client, "list_runs")).failed


async def test_runs_are_confirmed_like_those_of_create_run(sandbox: Sandbox) -> None:
    async with beside(sandbox, EVERYTHING, confirm_create=True) as client:
        answer = await call(client, "run_slow_writer")
    assert answer.failed
    assert "server.confirm_create" in answer.text


def interaction(name: str, fields: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {one: {"type": "string"} for one in fields}}
    return {"id": name, "name": name, "prompts": [{"template": {"inputSchema": schema}}]}


@asynccontextmanager
async def serving_interactions(
    *inputs: list[str], later: Sequence[list[str]] = (), change: anyio.Event | None = None
) -> AsyncIterator[Config]:
    """Yield the configuration of an API with an interaction for each input, and after `change` those of `later`."""

    async def export(_: Request) -> Response:
        known = [*inputs, *(later if change and change.is_set() else ())]
        return JSONResponse([interaction(f"i{number}", fields) for number, fields in enumerate(known)])

    async with serving({"POST /interactions/export": export, "POST /runs": reply({"message": "Gone"}, 404)}) as api:
        server = {"interaction_tools": {"include": ["*"], "refresh_s": 0.05}}
        auth = {"value": TOKEN}
        yield Config.model_validate({"api": {"base_url": f"{api.url}/api/v1", "auth": auth}, "server": server})


async def test_a_changed_catalogue_is_notified_and_listed(mode: str) -> None:
    change, told = anyio.Event(), anyio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            told.set()

    async with (
        serving_interactions(["a"], later=[["b"]], change=change) as config,
        Client(build_server(config).mcp, mode=mode, message_handler=hear, client_info=PATIENT) as client,
    ):
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.tools.list_changed
        assert set(await typed(client)) == {"run_i0"}
        with anyio.fail_after(20):
            if client.protocol_version == "2026-07-28":
                async with client.listen(tools_list_changed=True) as subscription:
                    change.set()
                    await anext(aiter(subscription))
            else:
                change.set()
                await told.wait()
        assert set(await typed(client)) == {"run_i0", "run_i1"}


async def test_an_interaction_deleted_after_it_was_listed_is_a_clear_error() -> None:
    async with serving_interactions(["a"]) as config, Client(build_server(config).mcp, client_info=PATIENT) as client:
        answer = await call(client, "run_i0", a="x")
    assert answer.failed
    assert "404" in answer.text
    assert "No run was created." in answer.text


CIRCULAR = {"type": "object", "properties": {"next": {"$ref": "#"}}}
LONG = {"type": "object", "properties": {"a": {"type": "string", "description": "x" * 2_000_000}}}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
ODD = {
    "a schema stored elsewhere": ([("Odd", {"$uri": "store:invoice"})], ["run_odd"], ["data", "run"]),
    "a circular schema": ([("Odd", CIRCULAR)], ["run_odd"], ["data", "run"]),
    "a schema of two megabytes": ([("Odd", LONG)], ["run_odd"], ["data", "run"]),
    "a schema that is a list": ([("Odd", [1])], ["run_odd"], ["run"]),
    "two of one name": ([("readMail", TEXT), ("read-mail", TEXT)], ["run_read_mail_", "run_read_mail_"], None),
    "another script": ([("要約", TEXT)], ["run_interaction_"], ["text", "run"]),
    "a colon": ([("billing:Invoice", TEXT)], ["run_billing_invoice"], ["text", "run"]),
    "a name as long as a sentence": ([("Say" * 60, TEXT)], ["run_say"], ["text", "run"]),
    "no ASCII letter": ([("→", TEXT)], ["run_interaction_"], ["text", "run"]),
}


@pytest.mark.parametrize(("interactions", "names", "properties"), ODD.values(), ids=ODD)
async def test_interactions_with_unusual_names_and_schemas_become_working_tools(
    interactions: list[tuple[str, Any]], names: list[str], properties: list[str] | None
) -> None:
    exported = [
        {"id": name, "name": name, "prompts": [{"template": {"inputSchema": one}}]} for name, one in interactions
    ]
    sent: list[Any] = []

    async def create(request: Request) -> Response:
        sent.append(await request.json())
        return JSONResponse({"id": "r1", "status": "completed", "result": "done"})

    replies = {"POST /interactions/export": reply(exported), "POST /runs": create}
    async with serving(replies) as api:
        config = Config.model_validate(
            {
                "api": {"base_url": f"{api.url}/api/v1", "auth": {"value": TOKEN}},
                "server": {"interaction_tools": EVERYTHING},
            }
        )
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            tools = await typed(client)
            for name, tool in tools.items():
                given = {"data": {"text": "Hi"}} if "data" in tool.input_schema["properties"] else {"text": "Hi"}
                usable = {key: value for key, value in given.items() if key in tool.input_schema["properties"]}
                answer = await call(client, name, **usable)
                assert answer.structured["status"] == "completed", answer.text
            assert len((await client.list_tools()).tools) == len(OPERATIONS) + len(interactions)
    assert sorted({one["interaction"] for one in sent}) == sorted(name for name, _ in interactions)
    assert len(tools) == len(names)
    for name, expected in zip(sorted(tools), names, strict=True):
        assert name.startswith(expected)
        assert re.fullmatch(r"[a-z0-9_]{1,64}", name)
        assert len(json.dumps(tools[name].model_dump(mode="json", by_alias=True))) < 10_000
        assert properties is None or list(tools[name].input_schema["properties"]) == properties


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` as agent frameworks change it for OpenAI's strict mode: every field required, objects closed."""
    changed = dict(schema)
    if changed.get("type") == "object":
        assert not changed.get("additionalProperties"), "strict mode has no objects with any keys"
        properties = {name: strict(one) for name, one in changed.get("properties", {}).items()}
        changed |= {"properties": properties, "required": list(properties), "additionalProperties": False}
    if "items" in changed:
        changed["items"] = strict(changed["items"])
    if "anyOf" in changed:
        changed["anyOf"] = [strict(one) for one in changed["anyOf"]]
    return changed


STRICT_KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "description", "format"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems"),
}
"""Keywords that OpenAI documents for strict mode."""


def keywords(schema: dict[str, Any]) -> set[str]:
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    inner += [schema["items"]] if "items" in schema else []
    return set(schema).union(*map(keywords, inner))


def filled(schema: dict[str, Any]) -> Any:
    """Return the emptiest value of a strict schema, which models write for unwanted options."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: filled(one) for name, one in schema["properties"].items()}
        case "array":
            return [filled(schema["items"])] * schema.get("minItems", 0)
        case "string":
            return ""
        case "boolean":
            return True
        case _:
            return schema.get("minimum", 0)


async def test_the_tools_work_in_strict_mode(sandbox: Sandbox) -> None:
    """Strict mode requires every field, so models write empty values for unwanted fields."""
    given: dict[str, dict[str, Any]] = {
        "run_translate_note": {"note": "Hi", "language": "de"},
        "run_summarize_text": {"text": "One. Two."},
        "run_answer_from_notes": {"question": "How long?", "notes": ["Two days."]},
        "run_contract_review": {"contract": "The licence is exclusive."},
        "run_slow_writer": {"chunks": 1},
    }
    async with beside(sandbox, EVERYTHING) as client:
        tools = await typed(client)
        for name, arguments in given.items():
            schema = strict(tools[name].input_schema)
            assert keywords(schema) <= STRICT_KEYWORDS
            written = {**filled(schema), **arguments}
            Draft202012Validator(schema).validate(written)
            answer = await call(client, name, **written)
            assert answer.structured.get("status") == "completed", answer.text


async def test_schemas_use_only_keywords_that_every_client_reads(odd_sandbox: Sandbox) -> None:
    async with beside(odd_sandbox, EVERYTHING) as client:
        for tool in (await typed(client)).values():
            assert keywords(tool.input_schema) <= STRICT_KEYWORDS
            assert "null" not in json.dumps([one.get("type") for one in tool.input_schema["properties"].values()])
            assert len(json.dumps(tool.input_schema)) // 4 < 450
