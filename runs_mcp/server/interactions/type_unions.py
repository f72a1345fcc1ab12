"""Lists of types in a JSON Schema, as alternatives that hosts with a single type per schema can read."""

from collections.abc import Mapping
from typing import Any

NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose values are schemas by name."""
DATA = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are no schemas."""


def split(schema: Any) -> Any:
    """Return `schema` with `{"type": ["string", "null"]}` as `{"anyOf": [{"type": "string"}, {"type": "null"}]}`.

    It allows the same values. A schema that has `anyOf` already keeps its list of types.
    """
    if isinstance(schema, list):
        return [split(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    parts = {keyword: _split_value(keyword, value) for keyword, value in schema.items()}
    types = parts.get("type")
    if not isinstance(types, list) or "anyOf" in parts:
        return parts
    del parts["type"]
    return {**parts, "anyOf": [{"type": name} for name in types]}


def _split_value(keyword: str, value: Any) -> Any:
    if keyword in DATA:
        return value
    if keyword in NAMED_SCHEMAS and isinstance(value, Mapping):
        return {name: split(named) for name, named in value.items()}
    return split(value)
