"""Short descriptions of values, taken from their JSON schemas."""

import json
from typing import Any

BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
}
WORDS = {"array": "list", "object": "object", "string": "text", "integer": "whole number", "boolean": "true or false"}


def type_of(schema: dict[str, Any]) -> str:
    """Return the type, the values or the bounds that `schema` allows."""
    schema = _without_null(schema)
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{value}`" for value in values)
    word = WORDS.get(schema.get("type", ""), str(schema.get("type", "any")))
    if schema.get("format") in ("path", "password"):
        word = {"path": "path", "password": "secret"}[schema["format"]]
    if "items" in schema and (of := type_of(schema["items"])) != "text":
        word = f"{word} of {of}"
    bounds = [words.format(f"{schema[name]:,}") for name, words in BOUNDS.items() if name in schema]
    return ", ".join([word, *bounds])


def default_of(default: Any) -> str:
    """Return a default as JSON in backticks; empty if it is None or an empty list or object."""
    return "" if default in (None, [], {}) else f"`{json.dumps(_plain(default))}`"


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the first alternative to null, or `schema` itself if it is not nullable."""
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    return options[0] if options else schema


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
