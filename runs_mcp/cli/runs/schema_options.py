"""Options of a command from the published schema of a tool: names with dashes, enums as choices, arrays repeatable."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from typing_extensions import override

from runs_mcp.config.paths import expand_home

Schema = Mapping[str, Any]
RENAMED = {"config": "run-config"}
"""Options whose parameter has the name of another option: `--config` is the configuration file."""


class JsonType(click.ParamType[Any]):
    """JSON, as text, as `@FILE` or as `@-` for standard input."""

    name = "json"

    def __init__(self, *, is_list: bool = False) -> None:
        """Take an object; `is_list`: also an array of objects, or in a file one object per line."""
        self.is_list = is_list

    @override
    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "JSON|@FILE"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            read = self._parse(_content(value))
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror or error}.", param, ctx)
        except ValueError as error:
            self.fail(f"not JSON: {error}.", param, ctx)
        objects = read if self.is_list and isinstance(read, list) else [read]
        if not all(isinstance(text, dict) for text in objects):
            self.fail("give a JSON object." if not self.is_list else "give JSON objects.", param, ctx)
        return objects if self.is_list else read

    def _parse(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            lines = text.splitlines()
            if not self.is_list or len(lines) <= 1:
                raise
            return [json.loads(line) for line in lines if line.strip()]


def parameters(schema: Schema, *, positional: str, omitted: Sequence[str]) -> list[click.Parameter]:
    """Return the parameters of the command for a tool, one for each property of its schema but those `omitted`.

    The property `positional` becomes an argument; an array then takes one or more values.
    """
    properties = schema["properties"]
    made: list[click.Parameter] = []
    if positional:
        several = properties[positional].get("type") == "array"
        required = positional in schema.get("required", ()) or several
        made.append(click.Argument([positional], nargs=-1 if several else 1, required=required))
    taken = {positional, *omitted}
    return [*made, *(_option(name, of_name) for name, of_name in properties.items() if name not in taken)]


def given(parameters_of_call: Mapping[str, Any], properties: Schema) -> dict[str, Any]:
    """Return the arguments of a tool call from the parameters that the user gave."""
    return {name: value for name, value in _values(parameters_of_call, properties) if value not in (None, [], "")}


def _values(parameters_of_call: Mapping[str, Any], properties: Schema) -> Iterator[tuple[str, Any]]:
    for name, value in parameters_of_call.items():
        if isinstance(value, tuple):
            objects = properties[name]["items"].get("type") == "object"
            yield name, [item for items in value for item in items] if objects else list(value)
        else:
            yield name, value


def _option(name: str, schema: Schema) -> click.Option:
    flag = f"--{RENAMED.get(name, name.replace('_', '-'))}"
    several = schema.get("type") == "array"
    is_bool = schema.get("type") == "boolean"
    if is_bool and schema.get("default") is not False:
        flag = f"{flag}/--no-{flag[2:]}"
    return click.Option(
        [flag, name],
        type=None if is_bool else _type(schema),
        is_flag=is_bool or None,
        default=None,
        multiple=several,
        help=_help(schema),
    )


def _type(schema: Schema) -> click.ParamType[Any]:
    match schema:
        case {"type": "array", "items": {"type": "object"}}:
            return JsonType(is_list=True)
        case {"type": "array", "items": items}:
            return _type(items)
        case {"enum": values}:
            return click.Choice(values, case_sensitive=False)
        case {"type": "integer"}:
            return click.IntRange(schema.get("minimum"), schema.get("maximum"))
        case {"type": "number"}:
            return click.FloatRange(schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum"))
        case {"type": "object"}:
            return JsonType()
        case _:
            return click.STRING


def _help(schema: Schema) -> str:
    """Return the description of a property, with its default."""
    text = str(schema.get("description", ""))
    if schema.get("type") == "integer" and "default" in schema:
        text += f" [default: {schema['default']}]"
    return f"{text} (repeatable)" if schema.get("type") == "array" else text


def _content(value: str) -> str:
    """Return the text that an option names.

    Raises:
        OSError: the file cannot be read.
    """
    if not value.startswith("@"):
        return value
    if value == "@-":
        return sys.stdin.read()
    return expand_home(Path(value[1:])).read_text(encoding="utf-8")
