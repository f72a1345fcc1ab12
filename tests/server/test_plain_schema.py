"""Plain input schemas, which every client reads, and the data that matches them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from runs_mcp.server.interactions.plain_schema import UnusableSchemaError, decode, mismatches, published, simplify

TEXT = {"type": "string"}


def fields(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


def field(schema: Any, **more: Any) -> Any:
    """Return the plain form of a field with this schema."""
    return published(simplify(fields(schema, **more)))["properties"]["a"]


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        pytest.param({"type": ["string", "null"]}, TEXT, id="a type or null"),
        pytest.param({"anyOf": [TEXT, {"type": "null"}]}, TEXT, id="anyOf with null"),
        pytest.param({"oneOf": [{"enum": ["x"]}, {"const": "y"}]}, {**TEXT, "enum": ["x", "y"]}, id="choices"),
        pytest.param({"enum": ["x", None]}, {**TEXT, "enum": ["x"]}, id="an enum with null"),
        pytest.param(
            {**TEXT, "title": "A", "default": "x"}, {**TEXT, "description": 'A Default: "x".'}, id="a default"
        ),
        pytest.param({**TEXT, "pattern": "(a+)+$", "format": "uri", "minLength": 1}, TEXT, id="keywords models lack"),
        pytest.param({"type": ["integer", "string"]}, {"anyOf": [{"type": "integer"}, TEXT]}, id="two types"),
        pytest.param(
            {"allOf": [{"properties": {"b": TEXT}}, {"properties": {"c": TEXT}, "required": ["c"]}]},
            {"type": "object", "properties": {"b": TEXT, "c": TEXT}, "required": ["c"], "additionalProperties": False},
            id="allOf",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": TEXT},
            {
                **TEXT,
                "description": 'A JSON object with the schema {"additionalProperties": {"type": "string"}}, as text.',
            },
            id="an object with any keys",
        ),
        pytest.param(True, {**TEXT, "description": "A JSON value, as text."}, id="anything"),
    ],
)
def test_a_field_becomes_plain(schema: Any, plain: Any) -> None:
    assert field(schema) == plain


def test_references_are_resolved() -> None:
    shared = {"$defs": {"text": {**TEXT, "description": "Text"}}}
    assert field({"type": "array", "items": {"$ref": "#/$defs/text"}}, **shared)["items"] == shared["$defs"]["text"]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        pytest.param({"$uri": "store:1"}, "does not describe an object", id="stored elsewhere"),
        pytest.param({"type": "array", "items": TEXT}, "does not describe an object", id="no object"),
        pytest.param({"anyOf": [fields(TEXT), fields({"type": "integer"})]}, "union", id="a union at the top"),
        pytest.param(fields({"$ref": "#/$defs/missing"}), "cannot be resolved", id="a missing reference"),
        pytest.param(fields({"$ref": "https://example.com/x"}), "cannot be resolved", id="a remote reference"),
        pytest.param(
            fields({"$ref": "#/$defs/n"}, **{"$defs": {"n": fields({"$ref": "#/$defs/n"})}}),
            "refers to itself",
            id="a circular reference",
        ),
        pytest.param(fields({"type": "string", "description": "x" * 2_000_000}), "too long", id="2 MB"),
        pytest.param({"type": "object", "properties": {"文": TEXT}}, "cannot write a field named", id="another script"),
        pytest.param({"type": "object", "properties": ["a"]}, "malformed", id="malformed"),
        pytest.param(fields(5), "not a schema", id="a number for a schema"),
    ],
)
def test_schemas_without_a_plain_form_are_rejected_with_a_reason(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableSchemaError, match=reason):
        simplify(schema)


def test_multiplying_references_are_bounded() -> None:
    level = {f"l{n}": fields({"$ref": f"#/$defs/l{n + 1}"}) for n in range(6)}
    for one in level.values():
        one["properties"] = {f"p{n}": one["properties"]["a"] for n in range(30)}
    with pytest.raises(UnusableSchemaError, match="parts"):
        simplify(fields({"$ref": "#/$defs/l0"}, **{"$defs": {**level, "l6": TEXT}}))


def test_no_input_is_an_object_without_fields() -> None:
    for schema in (None, {}, {"type": "object", "properties": {}, "required": []}):
        assert published(simplify(schema)) == {"type": "object", "properties": {}, "additionalProperties": False}


def test_texts_of_json_are_parsed_and_unset_fields_left_out() -> None:
    plain = simplify(
        {
            "properties": {
                "free": {"type": "object"},
                "inner": {"type": "object", "properties": {"x": TEXT, "y": TEXT}, "required": ["y"]},
                "need": TEXT,
            },
            "required": ["need"],
        }
    )
    data = {"free": '{"k": 1}', "inner": {"x": None, "y": ""}, "need": ""}
    assert decode(data, plain) == {"free": {"k": 1}, "inner": {"y": ""}, "need": ""}
    assert not mismatches(decode(data, plain), plain)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "`to`: is required."),
        ({"to": "xx"}, "`to`: 'xx' is not one of ['de', 'fr']."),
        ({"to": "de", "size": 0}, "`size`: 0 is less than the minimum of 1."),
        ({"to": "de", "deep": [{"b": 5}]}, "`deep.0.b`: 5 is not of type 'string'."),
        ({"to": "de", "free": "no json"}, "`free`: 'no json' is not of type 'object'."),
    ],
)
def test_an_invalid_field_is_named(data: dict[str, Any], problem: str) -> None:
    properties = {
        "to": {"enum": ["de", "fr"]},
        "size": {"type": "integer", "minimum": 1},
        "deep": {"type": "array", "items": {"type": "object", "properties": {"b": TEXT}}},
        "free": {"type": "object"},
    }
    plain = simplify({"properties": properties, "required": ["to"]})
    assert mismatches(decode(data, plain), plain) == [problem]


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(["type", "properties", "items", "anyOf", "allOf", "enum", "required", "$ref", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(some.dictionaries(some.sampled_from(["type", "properties", "anyOf", "allOf", "$ref"]), JSON))
def test_any_schema_becomes_plain_or_is_rejected_with_a_reason(schema: dict[str, Any]) -> None:
    try:
        plain = published(simplify(schema))
    except UnusableSchemaError:
        return
    assert plain["type"] == "object"
    Draft202012Validator.check_schema(plain)
