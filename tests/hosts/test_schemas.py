"""Conversions of the tools' schemas by model providers keep everything that a model needs for a call."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import anyio.to_thread
import pytest
from mcp.client import Client

from runs_mcp.server.tools import OPERATIONS
from tests import ROOT
from tests.hosts.frameworks import find
from tests.hosts.observation import ENVIRONMENT

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]
KEYWORDS = "type description enum default examples format pattern minimum maximum".split()
KEYWORDS += "minLength maxLength minItems maxItems".split()
Schema = Mapping[str, Any]


async def converted(framework: str, program: str, client: Client) -> dict[str, Any]:
    """Return the tools as a program in the environment of a framework converts them."""
    listed = (await client.list_tools()).tools
    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
    command = await anyio.to_thread.run_sync(partial(find(framework).program, program))
    finished = await anyio.run_process(command, input=json.dumps(tools).encode(), cwd=ROOT, env=ENVIRONMENT)
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


async def schemas(client: Client) -> dict[str, Schema]:
    """Return the input schema of each tool."""
    return {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}


def facts(schema: Schema, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the path, keyword and value of every fact in a schema. Alternatives share a path."""
    for keyword in KEYWORDS:
        if keyword in schema:
            yield path, keyword, json.dumps(schema[keyword])
    for name, child in schema.get("properties", {}).items():
        yield from facts(child, f"{path}/{name}")
    if "items" in schema:
        yield from facts(schema["items"], f"{path}/*")
    for alternative in schema.get("anyOf", ()):
        yield from facts(alternative, path)


def is_free(schema: Schema) -> bool:
    """Return true if a schema has an object with arbitrary keys, which strict mode excludes."""
    children = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    is_open = schema.get("type") == "object" and schema.get("additionalProperties") is not False
    return is_open or any(map(is_free, children))


def lost(before: Schema, after: Schema) -> set[tuple[str, str, str]]:
    """Return the facts that a converted schema has lost."""
    return set(facts(before)) - set(facts(after))


@pytest.mark.parametrize("framework", ["openai_agents", "openai_agents_js"])
async def test_strict_mode_of_openai_takes_all_tools_without_free_objects(client: Client, framework: str) -> None:
    before, after = await schemas(client), await converted(framework, "strict_schemas", client)
    assert {name for name, tool in after.items() if not tool["strict"]} == {
        name for name, schema in before.items() if is_free(schema)
    }
    for name, schema in before.items():
        assert not lost(schema, after[name]["schema"]), name


async def test_gemini_takes_every_tool(client: Client) -> None:
    before, after = await schemas(client), await converted("google_adk", "gemini_schemas", client)
    assert set(after["adk"]) == set(before)
    for name, schema in before.items():
        assert after["adk"][name]["schema"] == schema
        assert not lost(schema, spelled_as_json_schema(after["genai"][name]["schema"])), name
        assert after["genai"][name]["schema"].get("required") == schema.get("required")


async def test_gemini_reads_the_descriptions_of_the_tools(client: Client) -> None:
    listed = (await client.list_tools()).tools
    declared = (await converted("google_adk", "gemini_schemas", client))["adk"]
    assert len(listed) == len(OPERATIONS)
    assert {tool.name: tool.description for tool in listed} == {
        name: tool["description"] for name, tool in declared.items()
    }


def spelled_as_json_schema(schema: Any) -> Any:
    """Return a schema of google-genai with the types and whole numbers of JSON Schema."""
    if isinstance(schema, list):
        return [spelled_as_json_schema(item) for item in schema]
    if isinstance(schema, float) and schema.is_integer():
        return int(schema)
    if not isinstance(schema, dict):
        return schema
    spelled = {key: spelled_as_json_schema(value) for key, value in schema.items()}
    return {**spelled, "type": spelled["type"].lower()} if isinstance(spelled.get("type"), str) else spelled
