"""The tool of one interaction: its arguments are the input of the interaction, and `create_run` runs it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, Tool, ToolAnnotations

from runs_mcp.api import Interaction, InvalidArgumentError, Run
from runs_mcp.config.http_settings import Scope
from runs_mcp.observability.mask import one_line
from runs_mcp.server.context import Call
from runs_mcp.server.interactions import plain_schema, type_unions
from runs_mcp.server.interactions.plain_schema import UnusableSchemaError
from runs_mcp.server.permissions.scopes import CREATE
from runs_mcp.server.runs.name_resolver import UnclearNameError
from runs_mcp.server.tools import arguments
from runs_mcp.server.tools.execute import create_run

OPTIONS = ("environment", "model", "tags", "request_key", "wait", "wait_s")
"""Arguments of `create_run` that an object beside the input takes."""
OPTIONS_NAMES = ("run", "_run", "run_options")
"""Name of that object: the first that is no field of the input."""
LONGEST_DESCRIPTION_CHARS = 500
LONGEST_SCHEMA_CHARS = 2_000
LONGEST_RESULT_SCHEMA_CHARS = 5_000
NOT_TEXTS = ("integer", "number", "boolean", "array", "object")
"""Types of arguments in which the text "null" means that they are not set."""
NOT_PUBLISHED = ('"$ref"', '"$uri"', '"$dynamicRef"', '"pattern"', '"patternProperties"')
"""Keywords of result schemas that clients cannot check, or not within a bounded time."""
COSTS = "Costs money and makes a new run."
HINTS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)


@dataclass(frozen=True, slots=True)
class InteractionTool:
    """The tool of one interaction, which is called like an `Operation`."""

    endpoint: str
    """Value of `interaction` in `create_run`."""
    published: Tool
    """The tool as `tools/list` shows it."""
    plain: Mapping[str, Any] | None
    """Plain schema of the input; None if it has none, so that the tool takes a single `data` object."""
    options: str
    """Name of the object with the options of the run."""
    result_schema: Mapping[str, Any] | None
    """JSON Schema of `output` in the structured result; None if there is no such field."""
    scope: ClassVar[Scope] = CREATE
    executes: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.published.name

    def clean(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `given` that are set.

        Raises:
            UnknownArgumentError: the tool has no argument of some name.
        """
        schema = self.published.input_schema
        texts = [name for name, field in schema["properties"].items() if field.get("type") not in NOT_TEXTS]
        return arguments.clean(given, schema, free_text=texts)

    async def call(self, call: Call, cleaned: Mapping[str, Any]) -> CallToolResult:
        """Run the interaction with arguments that `clean` returned.

        Raises:
            InvalidArgumentError: they do not fit the input of the interaction.
        """
        request = {"interaction": self.endpoint, "data": self._data(cleaned), **self._options(cleaned)}
        try:
            answer = await create_run.call(call, create_run.clean(request) | {"data": request["data"]})
        except UnclearNameError as error:  # a question would be about an argument that this tool has only inside `run`
            raise ToolError(f"`{self.options}.{str(error).lstrip('`')} No run was created.") from None
        return self._with_output(answer)

    def _data(self, cleaned: Mapping[str, Any]) -> Any:
        if self.plain is None:
            return cleaned.get("data", {})
        data = {name: value for name, value in cleaned.items() if name != self.options}
        decoded = plain_schema.decode(data, self.plain)
        if problems := plain_schema.mismatches(decoded, self.plain):
            raise InvalidArgumentError(" ".join(problems))
        return decoded

    def _options(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        given = cleaned.get(self.options, {})
        if not isinstance(given, dict):
            raise InvalidArgumentError(f"`{self.options}`: must be an object with some of {', '.join(OPTIONS)}")
        if unknown := [name for name in given if name not in OPTIONS]:
            takes = f"It takes {', '.join(OPTIONS)}"
            raise InvalidArgumentError(f"`{self.options}.{unknown[0]}`: no such option. {takes}")
        return given

    def _with_output(self, answer: CallToolResult) -> CallToolResult:
        """Return the answer with the result as `output` where it is as the output schema says."""
        structured = answer.structured_content
        if self.result_schema is None or structured is None or "result" not in structured:
            return answer
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes 50 ms; few processes need it

        output = Run(structured).output
        if not Draft202012Validator(self.result_schema).is_valid(output):
            return answer
        rest = {name: value for name, value in structured.items() if name != "result"}
        return answer.model_copy(update={"structured_content": {**rest, "output": output}})


def interaction_tool(name: str, interaction: Interaction) -> InteractionTool:
    """Return the tool of an interaction, whatever its schemas are."""
    schema, plain = _input_schema(interaction)
    options = next(options_name for options_name in OPTIONS_NAMES if options_name not in schema["properties"])
    schema["properties"][options] = {
        "type": "object",
        "description": "Options of the run, none of them needed",
        "properties": {option: _option(option) for option in OPTIONS},
        "additionalProperties": False,
    }
    result_schema = _result_schema(interaction)
    output: dict[str, Any] = {"id": {"type": "string"}, "status": {"type": "string"}}
    if result_schema:
        output["output"] = type_unions.split(result_schema)
    published = Tool(
        name=name,
        title=one_line(interaction.name)[:100],
        description=_description(interaction),
        input_schema=schema,
        output_schema={"type": "object", "properties": output},
        annotations=HINTS,
    )
    return InteractionTool(interaction.endpoint, published, plain, options, result_schema)


def _option(name: str) -> dict[str, Any]:
    """Return the schema of an argument of `create_run`, without the keywords that strict mode lacks."""
    own = create_run.published.input_schema["properties"][name]
    items = {"items": {"type": own["items"]["type"]}} if "items" in own else {}
    return {"type": own["type"], "description": own["description"], **items}


def _input_schema(interaction: Interaction) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """Return the input schema to publish, and the plain schema it comes from, if there is one."""
    try:
        plain = plain_schema.simplify(interaction.input_schema)
    except UnusableSchemaError as error:
        text = json.dumps(interaction.input_schema, ensure_ascii=False)[:LONGEST_SCHEMA_CHARS]
        about = f"Input of the interaction. Its schema is not split into arguments, since {error}: {one_line(text)}"
        return {
            "type": "object",
            "properties": {"data": {"type": "object", "description": about}},
            "additionalProperties": False,
        }, None
    return plain_schema.published(plain), plain


def _result_schema(interaction: Interaction) -> Mapping[str, Any] | None:
    """Return the schema of the result if clients can check it."""
    schema = interaction.result_schema
    if not schema:
        return None
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - takes 50 ms; few processes need it

    try:
        text = json.dumps(schema)
        if len(text) > LONGEST_RESULT_SCHEMA_CHARS or any(word in text for word in NOT_PUBLISHED):
            return None
        Draft202012Validator.check_schema(schema)
    except (SchemaError, ValueError, TypeError, RecursionError):
        return None
    return schema


def _description(interaction: Interaction) -> str:
    text = one_line(interaction.description or f"Run the interaction {interaction.name}")[:LONGEST_DESCRIPTION_CHARS]
    return f"{text if text.endswith(('.', '!', '?', '。')) else f'{text}.'} {COSTS}"
