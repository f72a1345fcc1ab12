"""Values that fit a JSON schema, in place of the answers and test data that a model would write."""

from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]
MAX_DEPTH = 6
MAX_ITEMS = 100


def example_of(schema: Any, number: int = 1, *, name: str = "text", depth: int = 0) -> Any:
    """Return a value that fits `schema`; another `number` gives another value if the schema allows several.

    `pattern`, `allOf` and references are not followed, so that a schema of a caller costs no time.
    """
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[(number - 1) % len(choices)]
    for keyword in ("anyOf", "oneOf"):
        if isinstance(alternatives := schema.get(keyword), list) and alternatives:
            return example_of(alternatives[0], number, name=name, depth=depth + 1)
    make = MAKERS.get(_type(schema))
    return make(schema, number, name, depth) if make else None


def _type(schema: Schema) -> str:
    named = schema.get("type", "object" if "properties" in schema else "")
    return str(named[0] if isinstance(named, list) and named else named)


def _object(schema: Schema, number: int, _: str, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        return {}
    return {name: example_of(inner, number, name=name, depth=depth + 1) for name, inner in properties.items()}


def _array(schema: Schema, number: int, name: str, depth: int) -> list[Any]:
    # Fewer items on deeper levels, because they multiply.
    count = max(1, min(int(_bound(schema, "minItems", 1)), MAX_ITEMS // 10**depth))
    return [example_of(schema.get("items"), number + each, name=name, depth=depth + 1) for each in range(count)]


def _string(schema: Schema, number: int, name: str, _: int) -> str:
    text = f"{name} {number}".ljust(min(int(_bound(schema, "minLength", 0)), 10_000), ".")
    return text[: max(0, int(_bound(schema, "maxLength", len(text))))]


def _integer(schema: Schema, number: int, _: str, __: int) -> int:
    return int(_within(schema, number))


def _number(schema: Schema, number: int, _: str, __: int) -> float:
    return _within(schema, number)


def _within(schema: Schema, number: int) -> float:
    return min(max(number, _bound(schema, "minimum", number)), _bound(schema, "maximum", float("inf")))


def _bound(schema: Schema, keyword: str, default: float) -> float:
    bound = schema.get(keyword)
    return bound if isinstance(bound, int | float) else default


MAKERS: Mapping[str, Callable[[Schema, int, str, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _, number, __, ___: number % 2 == 1,
}
