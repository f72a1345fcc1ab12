"""The arguments of a tool call, as models and hosts write them: values that mean "not set", objects sent as JSON text,
and names that hosts add for themselves."""

import difflib
import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from runs_mcp.observability.mask import one_line
from runs_mcp.server.render import error_messages
from runs_mcp.server.render.error_messages import NEARLY_EQUAL, SIMILAR

log = logging.getLogger(__name__)

HOST_ARGUMENTS = frozenset({"toolCallId", "sessionId", "chatInput", "action"})
"""Names that n8n adds to every call; names with a leading underscore are taken for a host's, too."""
UNSET_TEXT = "null"
_PYTHON_TYPES: Mapping[str, type] = {"array": list, "object": dict}


class UnknownArgumentError(Exception):
    """A tool has the `known` arguments and none called `name`; the text names the nearest."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(error_messages.unknown_argument(name, known))
        self.name = name
        self.known = known


class UnfitArgumentsError(Exception):
    """Arguments that do not fit the parameters of a tool; `problems` names them."""

    def __init__(self, problems: ValidationError) -> None:
        super().__init__("the arguments do not fit the tool")
        self.problems = problems


def clean(
    given: Mapping[str, Any],
    schema: Mapping[str, Any],
    free_text: Collection[str] = (),
    nullable: Collection[str] = (),
) -> dict[str, Any]:
    """Return the arguments that are set, with objects and lists parsed where they were sent as JSON text.

    `schema` is the input schema of the tool, `free_text` the parameters in which every text is meant literally, and
    `nullable` those for which null is a value, provided that it is the only null: some clients write null for each
    argument that is not set.

    Raises:
        UnknownArgumentError: the tool has no argument of some name.
    """
    properties, required = schema["properties"], schema.get("required", ())
    cleaned: dict[str, Any] = {}
    nulls = [name for name, value in given.items() if value is None]
    for name, value in given.items():
        if name not in properties:
            _ignore_or_refuse(name, properties)
        elif name in nullable and nulls == [name]:
            cleaned[name] = None
        elif value is not None and (name in required or not _means_unset(value, free=name in free_text)):
            cleaned[name] = _parsed(value, properties[name])
    return cleaned


def _ignore_or_refuse(name: str, known: Collection[str]) -> None:
    of_the_host = name.startswith("_") or name in HOST_ARGUMENTS
    # A known name is hardly ever a misspelled parameter.
    alike = NEARLY_EQUAL if name in HOST_ARGUMENTS else SIMILAR
    if of_the_host and not difflib.get_close_matches(name, known, n=1, cutoff=alike):
        log.info("ignored the argument %s, which the host added", one_line(name)[:100])
        return
    raise UnknownArgumentError(name, known)


def _means_unset(value: Any, *, free: bool) -> bool:
    """Return True for the values that models write for an optional parameter they do not want to set."""
    if isinstance(value, str):
        return not value or (value == UNSET_TEXT and not free)
    return isinstance(value, list | dict) and not value


def _parsed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return the object or list that a text holds, and the text in a list of one, where the parameter takes it.

    Models write `["failed"]` for a filter that takes several values in another tool. Other values remain as they are.
    """
    if schema.get("type") == "string" and isinstance(value, list) and len(value) == 1:
        return value[0]
    wanted = _PYTHON_TYPES.get(schema.get("type", ""))
    if wanted is None or not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        parsed: Any = json.loads(value)
    except (ValueError, RecursionError):
        return value
    if schema.get("items", {}).get("type") == "string" and not _are_texts(parsed):
        return value
    return parsed if type(parsed) is wanted else value


def _are_texts(parsed: Any) -> bool:
    return isinstance(parsed, list) and all(isinstance(item, str) for item in parsed)
