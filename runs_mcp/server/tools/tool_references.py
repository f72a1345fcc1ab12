"""References from descriptions and prompts to tools, which a client may be unable to call."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from mcp_types import Tool

_TOOL_NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_END_OF_CLAUSE = re.compile(r"(?<=[.;]) ")


def tool_names_in(text: str) -> set[str]:
    """Return the words in `text` that have the form of a tool's name."""
    return set(_TOOL_NAME.findall(text))


def references(tool: Tool) -> set[str]:
    """Return the words in the descriptions of `tool` that have the form of a tool's name."""
    described = [tool.description, *(field.get("description") for field in tool.input_schema["properties"].values())]
    return {name for text in described for name in tool_names_in(text or "")}


def without_references(tool: Tool, missing: Collection[str]) -> Tool:
    """Return `tool` without the clauses of its descriptions that name a tool in `missing`.

    A clause ends with a full stop or a semicolon. Descriptions refer to another tool in a clause of its own.
    """
    if not missing or not references(tool) & {*missing}:
        return tool
    schema = tool.input_schema
    fields = {name: _field(field, missing) for name, field in schema["properties"].items()}
    update = {
        "description": _without(tool.description or "", missing),
        "input_schema": {**schema, "properties": fields},
    }
    return tool.model_copy(update=update)


def _field(field: Mapping[str, Any], missing: Collection[str]) -> dict[str, Any]:
    described = {"description": _without(field["description"], missing)} if "description" in field else {}
    return {**field, **described}


def _without(text: str, missing: Collection[str]) -> str:
    clauses = _END_OF_CLAUSE.split(text)
    kept = [clause for clause in clauses if not tool_names_in(clause) & {*missing}]
    return " ".join(kept).rstrip(";")
