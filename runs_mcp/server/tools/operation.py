"""An operation of the Runs API as a tool: a typed function, and its description for clients."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, get_args, get_type_hints

from mcp_types import CallToolResult, Tool, ToolAnnotations
from pydantic import MISSING, BaseModel, ConfigDict, ValidationError, create_model

from runs_mcp.config.http_settings import Scope
from runs_mcp.server.context import Call
from runs_mcp.server.params import FREE_TEXT, NULLABLE
from runs_mcp.server.permissions.scopes import CREATE, MANAGE, READ
from runs_mcp.server.tools import arguments
from runs_mcp.server.tools.arguments import UnfitArgumentsError

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
    nullable: frozenset[str]
    """Parameters for which null is a value."""
    scope: Scope
    """The scope that a caller needs."""

    may_start: bool = False
    """True if a call can execute a run that is not started."""
    filters_as_in: str | None = None
    """The tool to whose filters the description refers instead of describing them again."""

    @property
    def executes(self) -> bool:
        """True if the tool executes and follows runs."""
        return self.scope == CREATE or self.may_start

    @property
    def name(self) -> str:
        """The tool's name, which is the function's."""
        return self.published.name

    def clean(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `given` that are set.

        Raises:
            UnknownArgumentError: the tool has no argument of some name.
        """
        return arguments.clean(given, self.published.input_schema, self.free_text, self.nullable)

    async def call(self, call: Call, cleaned: Mapping[str, Any]) -> CallToolResult:
        """Call the function with arguments that `clean` returned.

        Raises:
            UnfitArgumentsError: they do not fit its parameters.
        """
        return await self.function(call, **self._validated(cleaned))

    def _validated(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        try:
            valid = self.model.model_validate(cleaned, by_alias=True)
        except ValidationError as error:
            raise UnfitArgumentsError(error) from error
        values = {name: getattr(valid, name) for name in valid.model_fields_set}
        return {name: value for name, value in values.items() if value is not MISSING}


def operation(
    endpoint: str,
    *,
    title: str,
    output: dict[str, Any],
    page: str | None = None,
    scope: Scope = READ,
    may_start: bool = False,
    filters_as_in: str | None = None,
) -> Callable[[ToolFunction], Operation]:
    """Return a decorator that makes a function the tool of `endpoint`; its docstring is the description models read.

    `output` is the JSON schema of the structured result, and `page` the URI of the page that hosts may show it on.
    `scope` is the scope that callers need: `CREATE` for a tool that executes runs, `MANAGE` for a tool that changes or
    deletes runs. `may_start` marks a tool that executes only a run not yet started: it is not read-only, yet open to
    callers who may only read, and refuses to start a run for them. `filters_as_in` names a tool that describes the
    filters, to which the description refers instead of describing them again.
    """
    hints = ToolAnnotations(
        read_only_hint=scope == READ and not may_start,
        destructive_hint=scope == MANAGE,
        idempotent_hint=scope != CREATE,
        open_world_hint=True,
    )

    def wrap(function: ToolFunction) -> Operation:
        model, marked = _argument_model(function)
        published = Tool(
            name=function.__name__,
            title=title,
            description=_description(function, filters_as_in),
            input_schema=_plain(model.model_json_schema(), _filters(function) if filters_as_in else ()),
            output_schema=output,
            annotations=hints,
            _meta={"ui": {"resourceUri": page}} if page else None,
        )
        free_text, nullable = marked[FREE_TEXT], marked[NULLABLE]
        return Operation(endpoint, function, published, model, free_text, nullable, scope, may_start, filters_as_in)

    return wrap


def describe_filters(operation: Operation) -> Operation:
    """Return `operation` with its filters described in full, for servers without the tool of `filters_as_in`."""
    schema = _plain(operation.model.model_json_schema())
    update = {"description": _description(operation.function, None), "input_schema": schema}
    return replace(operation, published=operation.published.model_copy(update=update), filters_as_in=None)


def operations_in(*modules: ModuleType) -> Iterator[Operation]:
    """Yield every operation defined in `modules`, in the order they are written."""
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Operation))


def _argument_model(function: ToolFunction) -> tuple[type[BaseModel], Mapping[str, frozenset[str]]]:
    """Return the model of a function's keyword parameters, and the names of those with each mark."""
    fields: dict[str, Any] = {
        parameter.name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    fields |= {name: (annotation | MISSING, MISSING) for name, annotation in _filters(function).items()}
    model = create_model(f"{function.__name__}_arguments", __config__=ConfigDict(protected_namespaces=()), **fields)
    marked = {
        mark: frozenset(name for name, (annotation, _) in fields.items() if mark in _metadata(annotation))
        for mark in (FREE_TEXT, NULLABLE)
    }
    return model, marked


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


def _description(function: ToolFunction, filters_as_in: str | None) -> str:
    """Return the docstring of a function on one line, and the tool that describes its filters."""
    described = " ".join((function.__doc__ or "").split())
    return f"{described} Filters: as in {filters_as_in}." if filters_as_in else described


def _plain(schema: dict[str, Any], described_elsewhere: Collection[str] = ()) -> dict[str, Any]:
    """Return `schema` without the titles that pydantic derives from names, which cost tokens and add nothing.

    Parameters that are `described_elsewhere` keep their types alone.
    """
    properties = {
        name: _type_of(parameter)
        if name in described_elsewhere
        else {key: value for key, value in parameter.items() if key != "title"}
        for name, parameter in schema["properties"].items()
    }
    required = {"required": schema["required"]} if "required" in schema else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def _type_of(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of a parameter, with its values or the type of its items if it has them."""
    values = {"enum": parameter["enum"]} if "enum" in parameter else {}
    items = {"items": {"type": parameter["items"]["type"]}} if "items" in parameter else {}
    return {"type": parameter["type"], **values, **items}
