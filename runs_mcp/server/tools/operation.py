"""An operation of the Runs API as a tool: a typed function, and what a client is told about it."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, get_args, get_type_hints

from mcp_types import CallToolResult, Tool, ToolAnnotations
from pydantic import MISSING, BaseModel, ConfigDict, create_model

from runs_mcp.server.context import Call
from runs_mcp.server.params import FREE_TEXT
from runs_mcp.server.tools import arguments

ToolFunction = Callable[..., Awaitable[CallToolResult]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the Runs API, callable by an agent."""

    endpoint: str
    """Method and path in the reference, e.g. `GET /runs/{run_id}`."""
    function: ToolFunction
    published: Tool
    """The tool as `tools/list` shows it."""
    model: type[BaseModel]
    """The parameters of the function, which validate the arguments of a call."""
    free_text: frozenset[str]
    """Parameters in which every text is meant literally, "null" included."""
    changes: bool
    """True if each call executes something; such tools are left out for callers who may only read."""

    may_start: bool = False
    """True if a call can execute a run that is not started."""

    @property
    def executes(self) -> bool:
        """True if the tool executes and follows runs."""
        return self.changes or self.may_start

    @property
    def name(self) -> str:
        """The tool's name, which is the function's."""
        return self.published.name

    def clean(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `given` that are set.

        Raises:
            UnknownArgumentError: The tool has no argument of some name.
        """
        return arguments.clean(given, self.published.input_schema, self.free_text)

    async def call(self, call: Call, cleaned: Mapping[str, Any]) -> CallToolResult:
        """Call the function with arguments that `clean` returned.

        Raises:
            ValidationError: They do not fit its parameters.
        """
        valid = self.model.model_validate(cleaned, by_alias=True)
        return await self.function(call, **{name: getattr(valid, name) for name in valid.model_fields_set})


def operation(
    endpoint: str,
    *,
    title: str,
    output: dict[str, Any],
    page: str | None = None,
    changes: bool = False,
    may_start: bool = False,
    filters_as_in: str | None = None,
) -> Callable[[ToolFunction], Operation]:
    """Return a decorator that makes a function the tool of `endpoint`; its docstring is the description models read.

    `output` is the JSON schema of the structured result, and `page` the URI of the page that hosts may show it on.
    `changes` marks a tool that executes runs. `may_start` marks a tool that does so only for a run not yet started:
    it is not read-only, yet open to callers who may only read, and refuses to start a run for them. `filters_as_in`
    names a tool that describes the filters, which spares the tokens of describing them again.
    """
    hints = ToolAnnotations(
        read_only_hint=not (changes or may_start),
        destructive_hint=False,
        idempotent_hint=not changes,
        open_world_hint=True,
    )

    def wrap(function: ToolFunction) -> Operation:
        model, free_text = _argument_model(function)
        published = Tool(
            name=function.__name__,
            title=title,
            description=" ".join((function.__doc__ or "").split()),
            input_schema=_plain(model.model_json_schema(), _filters(function), filters_as_in),
            output_schema=output,
            annotations=hints,
            _meta={"ui": {"resourceUri": page}} if page else None,
        )
        return Operation(endpoint, function, published, model, free_text, changes, may_start)

    return wrap


def operations_in(*modules: ModuleType) -> Iterator[Operation]:
    """Yield every operation defined in `modules`, in the order they are written."""
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Operation))


def _argument_model(function: ToolFunction) -> tuple[type[BaseModel], frozenset[str]]:
    """Return the model of a function's keyword parameters, and the names of those that take free text."""
    fields: dict[str, Any] = {
        parameter.name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    fields |= {name: (annotation | MISSING, MISSING) for name, annotation in _filters(function).items()}
    model = create_model(f"{function.__name__}_arguments", __config__=ConfigDict(protected_namespaces=()), **fields)
    free_text = frozenset(name for name, (annotation, _) in fields.items() if FREE_TEXT in _metadata(annotation))
    return model, free_text


def _filters(function: ToolFunction) -> dict[str, Any]:
    """Return the annotations of the filters that a function takes as `**filters: Unpack[SomeTypedDict]`."""
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            (filters,) = get_args(parameter.annotation)
            return get_type_hints(filters, include_extras=True)
    return {}


def _metadata(annotation: Any) -> list[Any]:
    """Return the metadata of an annotation and of the members of its union."""
    found = list(getattr(annotation, "__metadata__", ()))
    for member in getattr(annotation, "__args__", ()):
        found += _metadata(member)
    return found


def _plain(schema: dict[str, Any], filters: Collection[str], as_in: str | None) -> dict[str, Any]:
    """Return `schema` without the titles that pydantic derives from names, which cost tokens and add nothing.

    `filters` are shortened if the tool `as_in` describes them.
    """
    properties = {
        name: _as_in(as_in, parameter)
        if as_in and name in filters
        else {key: value for key, value in parameter.items() if key != "title"}
        for name, parameter in schema["properties"].items()
    }
    required = {"required": schema["required"]} if "required" in schema else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def _as_in(tool: str, parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of a parameter with a reference to the tool that describes it."""
    if "enum" in parameter:
        return {"type": parameter["type"], "enum": parameter["enum"]}
    items = {"items": {"type": parameter["items"]["type"]}} if "items" in parameter else {}
    return {"type": parameter["type"], **items, "description": f"As in {tool}"}
