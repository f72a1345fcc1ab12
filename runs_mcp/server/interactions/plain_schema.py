"""Input schemas in a form that every client reads: no `$ref`, no `null`, no union at the top, no free-form object.

OpenAI's strict mode, Gemini and several hosts refuse the rest of JSON Schema. Values that a plain schema cannot
describe, such as an object with any keys, are sent as JSON text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

MOST_CHARS = 20_000
"""Longest plain schema as JSON; a longer one would fill a model's context."""
DEEPEST = 8
"""OpenAI's strict mode takes ten levels, of which the tool needs two."""
MOST_NODES = 2_000
"""References can multiply: a short schema can describe millions of fields."""
MOST_PROBLEMS = 10
LONGEST_PROBLEM_CHARS = 300
AS_TEXT = "x-json-text"
"""Marks a value that is sent as JSON text; not published."""
KEPT = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "format")
"""Keywords that are kept as they are. `pattern` is left to the API: a pattern can take practically forever."""
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array"})
SCALARS: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
"""Names of fields that every provider of models accepts."""


class UnusableSchemaError(Exception):
    """A schema that has no plain form; the text says why."""


def simplify(schema: Mapping[str, Any] | None) -> Schema:
    """Return the plain form of the input schema of an interaction: an object with typed properties.

    Raises:
        UnusableSchemaError: the schema is malformed or too long, or has no plain form.
    """
    if not schema:
        return {"type": "object", "properties": {}}
    try:
        plain = _Simplifier(schema).root()
        size = len(json.dumps(plain))
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnusableSchemaError(f"it is malformed ({type(error).__name__})") from None
    if size > MOST_CHARS:
        raise UnusableSchemaError(f"it is too long ({size:,} characters)")
    return plain


def published(plain: Mapping[str, Any]) -> Schema:
    """Return a plain schema as clients see it: closed objects, and no mark of our own."""
    shown = _with_parts(plain, published)
    shown.pop(AS_TEXT, None)
    return shown | ({"additionalProperties": False} if "properties" in shown else {})


def decode(value: Any, plain: Mapping[str, Any]) -> Any:
    """Return `value` with JSON texts parsed and optional fields that are null or empty left out."""
    if AS_TEXT in plain:
        return _parsed(value)
    if isinstance(value, list) and "items" in plain:
        return [decode(item, plain["items"]) for item in value]
    properties = plain.get("properties")
    if not isinstance(value, dict) or properties is None:
        return value
    required = plain.get("required", ())
    return {
        name: decode(item, properties.get(name, {}))
        for name, item in value.items()
        if name in required or item not in (None, "", {}, [])
    }


def mismatches(value: Any, plain: Mapping[str, Any], *, name: str = "") -> list[str]:
    """Return a sentence for each place where a decoded `value` does not fit a plain schema, with the field's name."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes 50 ms; few processes need it

    problems: list[str] = []
    for error in Draft202012Validator(_of_decoded(plain)).iter_errors(value):
        place = [*([name] if name else []), *map(str, error.absolute_path)]
        if error.validator == "required":
            missing = [field for field in error.validator_value if field not in error.instance]
            problems += [f"`{'.'.join([*place, field])}`: is required." for field in missing]
        else:
            problems.append(f"`{'.'.join(place) or 'data'}`: {error.message[:LONGEST_PROBLEM_CHARS]}.")
    return list(dict.fromkeys(problems))[:MOST_PROBLEMS]


def _of_decoded(plain: Mapping[str, Any]) -> Schema:
    """Return the schema of decoded values: a JSON text stands for any value."""
    if AS_TEXT in plain:
        return {"type": plain[AS_TEXT]} if plain[AS_TEXT] else {}
    return _with_parts(plain, _of_decoded)


def _with_parts(plain: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Schema]) -> Schema:
    """Return a plain schema with `change` applied to each schema directly inside it."""
    changed = dict(plain)
    if "properties" in plain:
        changed["properties"] = {name: change(field) for name, field in plain["properties"].items()}
    if "items" in plain:
        changed["items"] = change(plain["items"])
    if "anyOf" in plain:
        changed["anyOf"] = [change(branch) for branch in plain["anyOf"]]
    return changed


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


class _Simplifier:
    """The plain form of one schema."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._nodes = 0

    def root(self) -> Schema:
        """Return the plain form of the whole schema."""
        plain = self._node(self._document, (), 0)
        if "properties" not in plain and plain.get(AS_TEXT) == "object" and self._document.get("properties") == {}:
            return {"type": "object", "properties": {}}
        if "properties" not in plain:
            raise UnusableSchemaError("it does not describe an object with named fields")
        return plain

    def _node(self, schema: Any, references: tuple[str, ...], depth: int) -> Schema:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise UnusableSchemaError(f"it has more than {MOST_NODES:,} parts")
        if depth > DEEPEST:
            raise UnusableSchemaError(f"it is nested more than {DEEPEST} levels deep")
        if schema is True:
            return _json_text({})
        if not isinstance(schema, Mapping):
            raise UnusableSchemaError("a part of it is not a schema")
        if isinstance(schema.get("$ref"), str):
            return self._referenced(schema, references, depth)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self._union(schema, union, references, depth)
        if "allOf" in schema:
            return self._node(_merged(schema), references, depth)
        return self._typed(schema, references, depth)

    def _referenced(self, schema: Mapping[str, Any], references: tuple[str, ...], depth: int) -> Schema:
        reference = schema["$ref"]
        if reference in references:
            raise UnusableSchemaError(f"{reference} refers to itself")
        target: Any = self._document
        for part in reference.removeprefix("#").split("/")[1:]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        if not reference.startswith("#") or not isinstance(target, Mapping):
            raise UnusableSchemaError(f"{reference} cannot be resolved")
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return self._node({**target, **beside}, (*references, reference), depth)

    def _union(self, schema: Mapping[str, Any], union: str, references: tuple[str, ...], depth: int) -> Schema:
        beside = {name: value for name, value in schema.items() if name != union}
        branches = [branch for branch in schema[union] if not _is_null(branch)]
        if len(branches) == 1:
            return self._node({**beside, **branches[0]}, references, depth)
        if any("properties" in branch for branch in (beside, *branches) if isinstance(branch, Mapping)) and depth == 0:
            raise UnusableSchemaError("it is a union")
        plain = [self._node(branch, references, depth + 1) for branch in branches]
        if all(set(branch) <= {"type", "enum"} and "enum" in branch for branch in plain):
            return _enum([value for branch in plain for value in branch["enum"]], schema)
        return {**_described(schema), "anyOf": plain}

    def _typed(self, schema: Mapping[str, Any], references: tuple[str, ...], depth: int) -> Schema:
        if "const" in schema or isinstance(schema.get("enum"), list):
            return _enum(schema.get("enum", [schema.get("const")]), schema)
        kinds = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kinds, list):
            kinds = [kind for kind in kinds if kind != "null"]
            if len(kinds) > 1:
                beside = {name: value for name, value in schema.items() if name != "type"}
                return self._node({**beside, "anyOf": [{**beside, "type": kind} for kind in kinds]}, references, depth)
            kinds = kinds[0] if kinds else None
        match kinds:
            case "object":
                return self._object(schema, references, depth)
            case "array":
                items = self._node(schema.get("items", True), references, depth + 1)
                return {**_described(schema), "type": "array", "items": items, **_kept(schema)}
            case str() if kinds in TYPES:
                return {**_described(schema), "type": kinds, **_kept(schema)}
            case _:
                return _json_text(schema)

    def _object(self, schema: Mapping[str, Any], references: tuple[str, ...], depth: int) -> Schema:
        properties = schema.get("properties")
        if not properties:
            return _json_text({**schema, "type": "object"})
        if odd := next((name for name in properties if not _NAME.fullmatch(name)), None):
            raise UnusableSchemaError(f"models cannot write a field named {odd!r}"[:200])
        needed = schema.get("required")
        required = [name for name in needed if name in properties] if isinstance(needed, list) else []
        return {
            **_described(schema),
            "type": "object",
            "properties": {name: self._node(field, references, depth + 1) for name, field in properties.items()},
            **({"required": required} if required else {}),
        }


def _is_null(schema: Any) -> bool:
    return isinstance(schema, Mapping) and (schema.get("type") in ("null", ["null"]) or schema.get("enum") == [None])


def _merged(schema: Mapping[str, Any]) -> Schema:
    """Return `schema` with the fields of its `allOf` in place."""
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema["allOf"]:
        if not isinstance(part, Mapping) or {"$ref", "anyOf", "oneOf"} & set(part):
            raise UnusableSchemaError("its allOf holds references or unions")
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", []), *part.get("required", [])]
        merged = {**merged, **part, **({"properties": properties} if properties else {})}
        merged |= {"required": required} if required else {}
    return merged


def _enum(values: Sequence[Any], schema: Mapping[str, Any]) -> Schema:
    choices = [value for value in values if value is not None]
    kinds = {SCALARS.get(type(choice)) for choice in choices}
    if len(kinds) != 1 or None in kinds:
        return _json_text({**schema, "enum": choices})
    return {**_described(schema), "type": kinds.pop(), "enum": choices}


def _described(schema: Mapping[str, Any]) -> Schema:
    """Return the description of a field; a default value belongs to it, since strict mode has no `default`."""
    text = schema.get("description") or schema.get("title")
    default = f"Default: {json.dumps(schema['default'], ensure_ascii=False)}." if "default" in schema else ""
    described = " ".join(filter(None, [text.strip() if isinstance(text, str) else "", default]))
    return {"description": described} if described else {}


def _kept(schema: Mapping[str, Any]) -> Schema:
    kept = {name: schema[name] for name in KEPT if name in schema}
    if kept.get("format") not in FORMATS:
        kept.pop("format", None)
    return kept


def _json_text(schema: Mapping[str, Any]) -> Schema:
    """Return the schema of a value that is sent as JSON text."""
    kind = schema.get("type") if schema.get("type") in TYPES else ""
    form = {name: value for name, value in schema.items() if name not in ("description", "title", "default", "type")}
    shape = f" with the schema {json.dumps(form, ensure_ascii=False)[:500]}" if form else ""
    article = "A JSON object" if kind == "object" else "A JSON value"
    text = _described(schema).get("description", "")
    return {"description": f"{text} {article}{shape}, as text.".strip(), "type": "string", AS_TEXT: kind}
