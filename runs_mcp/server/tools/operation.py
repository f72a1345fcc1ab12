"""An operation of the Runs API as a tool: a typed function, with what a client is told about it."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ToolAnnotations
from mcp_types import Tool as PublishedTool

from runs_mcp.server.context import Call

ToolFunction = Callable[..., Awaitable[CallToolResult]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the Runs API, put in an agent's hands."""

    endpoint: str
    """Method and path in the reference, e.g. `GET /runs/{run_id}`."""
    function: ToolFunction
    tool: Tool
    published: PublishedTool
    changes: bool

    @property
    def name(self) -> str:
        """The tool's name, which is the function's."""
        return self.tool.name

    async def call(self, call: Call, arguments: dict[str, Any]) -> CallToolResult:
        """What the tool answers to `arguments` as a client sent them.

        Raises:
            ValidationError: they do not fit its parameters.
        """
        metadata = self.tool.fn_metadata
        # Some hosts send lists and objects as text; looking closer costs as much as all the rest of the validation.
        if any(isinstance(one, str) and one.startswith(("[", "{", "null")) for one in arguments.values()):
            arguments = metadata.pre_parse_json(arguments)
        return await self.function(call=call, **metadata.arg_model.model_validate(arguments).model_dump_one_level())

    @property
    def parameters(self) -> set[str]:
        """Names of the arguments it takes."""
        return set(self.tool.parameters["properties"])


def operation(
    endpoint: str, *, title: str, output: dict[str, Any], page: str | None = None, changes: bool = False
) -> Callable[[ToolFunction], Operation]:
    """Make the decorated function the tool of `endpoint`; its docstring is what a model reads.

    `output` is the JSON schema of the structured answer, `page` the address of the page that hosts may show it on;
    `changes` marks what is not a read.
    """
    hints = ToolAnnotations(
        read_only_hint=not changes, destructive_hint=False, idempotent_hint=not changes, open_world_hint=True
    )

    def wrap(function: ToolFunction) -> Operation:
        description = " ".join((function.__doc__ or "").split())
        tool = Tool.from_function(
            function, title=title, description=description, annotations=hints, structured_output=False
        )
        published = PublishedTool(
            name=tool.name,
            title=title,
            description=description,
            input_schema=_plain(tool.parameters),
            output_schema=output,
            annotations=hints,
            _meta={"ui": {"resourceUri": page}} if page else None,
        )
        return Operation(endpoint, function, tool, published, changes)

    return wrap


def operations_in(*modules: ModuleType) -> Iterator[Operation]:
    """Every operation defined in `modules`, in the order they are written."""
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Operation))


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without the titles pydantic makes up from names, which cost tokens and say nothing."""
    properties = {
        name: {key: value for key, value in parameter.items() if key != "title"}
        for name, parameter in schema["properties"].items()
    }
    required = {"required": schema["required"]} if "required" in schema else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}
