"""The handlers of `tools/list` and `tools/call`: the border where failures become results that a model can read."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from mcp.server.context import HandlerResult
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import x_mcp_header_map
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
)
from pydantic_core import to_json

from runs_mcp.config.http_settings import Scope
from runs_mcp.server import elicitation
from runs_mcp.server.calls_in_flight import CallsInFlight
from runs_mcp.server.context import Call, Request, has_left, patience_of_client, services
from runs_mcp.server.create.run_request import MissingInteractionError
from runs_mcp.server.interactions.interaction_tool import InteractionTool
from runs_mcp.server.interactions.interaction_tools import InteractionTools
from runs_mcp.server.pages import cursor
from runs_mcp.server.patience import Patience
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.permitted_tools import LIST_WAITS_S
from runs_mcp.server.permissions.scopes import READ, has_scope
from runs_mcp.server.progress import Progress
from runs_mcp.server.render import error_messages, results
from runs_mcp.server.resources.subscriptions import Subscriptions
from runs_mcp.server.runs.name_resolver import NameLikeIdError, UnclearNameError
from runs_mcp.server.runs.shared_state import SingleUse
from runs_mcp.server.tools import OPERATIONS
from runs_mcp.server.tools.arguments import UnfitArgumentsError, UnknownArgumentError
from runs_mcp.server.tools.operation import Operation
from runs_mcp.server.tools.tool_references import references, without_references

AnyOperation = Operation | InteractionTool
"""An operation of the API, or an interaction with a tool of its own."""
ANSWER_S = 0.5
"""Seconds within which a call must return after it stops waiting for the API; then it is cancelled."""


class ToolCalls:
    """Lists and calls the tools of a server."""

    def __init__(
        self,
        operations: Sequence[Operation],
        interaction_tools: InteractionTools,
        subscriptions: Subscriptions,
        states: SingleUse,
        in_flight: CallsInFlight,
    ) -> None:
        self._operations = {operation.name: operation for operation in operations}
        named = set().union(*(references(operation.published) for operation in operations))
        self._referenced = named.intersection(operation.name for operation in OPERATIONS)
        schemas = {operation.name: operation.published.input_schema for operation in operations}
        self._repeated_in_headers = {name: schema for name, schema in schemas.items() if x_mcp_header_map(schema)}
        self._interaction_tools = interaction_tools
        self._subscriptions = subscriptions
        self._states = states
        self._in_flight = in_flight

    async def list(self, ctx: Request, params: PaginatedRequestParams | None) -> ListToolsResult:
        """Answer `tools/list` with the tools that the scopes of the caller and the credential allow."""
        cursor.require_first_page(params)
        await ctx.lifespan_context.permitted.wait(LIST_WAITS_S)
        tools = [tool for tool in (await self._known()).values() if self._is_permitted(tool, ctx)]
        missing = self._referenced.difference(tool.name for tool in tools)
        return ListToolsResult(tools=[self._described(tool, missing) for tool in tools])

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the input schema of a tool with arguments that headers repeat; None for other tools.

        The SDK reads the whole schema for each call to check these headers, and most tools have none.
        """
        return self._repeated_in_headers.get(name)

    async def call(self, ctx: Request, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        """Answer `tools/call`; a failure is a result with a message, never a traceback.

        Raises:
            MCPError: there is no such tool.
        """
        operation = await self._find(params.name)
        # MCP ("Tools", "Error Handling"): an unknown tool is a protocol error; failures of tools are results, which the
        # model sees and can correct.
        if operation is None:
            known = ", ".join(name for name, tool in (await self._known()).items() if self._is_permitted(tool, ctx))
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name!r}. Known: {known}.")
        if not has_scope(ctx, operation.scope):
            return results.failure(error_messages.not_allowed(operation.name, operation.scope))
        try:
            arguments = operation.clean(params.arguments or {})
        except UnknownArgumentError as error:
            taken_by = self._readers_with(error.name, ctx) if operation.scope == READ else ()
            return results.failure(error_messages.unknown_argument(error.name, error.known, taken_by))
        if refusal := self._over_limits(ctx, arguments):
            return results.failure(refusal)
        with self._in_flight:
            # Reads can be repeated, so only scans, which have an answer at any time, end within the client's patience.
            max_wait_s = ctx.lifespan_context.config.streaming.max_wait_s
            patience = patience_of_client(ctx) if operation.executes else Patience(max_wait_s)
            call = Call(
                ctx,
                operation.name,
                arguments,
                await elicitation.answers_of(params, self._states),
                self._subscriptions.log_level(ctx),
                deadline=anyio.current_time() + patience.wait_s,
                patience=patience,
            )
            return await _answer_in_time(operation, call)

    async def scope_of(self, name: str) -> Scope | None:
        """Return the scope that calls of a tool need; None if there is no such tool."""
        operation = await self._find(name)
        return operation.scope if operation else None

    async def _find(self, name: str) -> AnyOperation | None:
        return self._operations.get(name) or (await self._interaction_tools.current()).get(name)

    async def _known(self) -> Mapping[str, AnyOperation]:
        return {**self._operations, **await self._interaction_tools.current()}

    def _described(self, tool: AnyOperation, missing: Collection[str]) -> Tool:
        own = isinstance(tool, Operation)  # the description of an interaction tool belongs to its author
        return without_references(tool.published, missing) if own else tool.published

    def _is_permitted(self, tool: AnyOperation, ctx: Request) -> bool:
        operation = tool.name if tool.name in self._operations else "create_run"
        return operation in ctx.lifespan_context.permitted and has_scope(ctx, tool.scope)

    def _readers_with(self, argument: str, ctx: Request) -> Collection[str]:
        """Return the offered tools that read and that take `argument`."""
        takers = (
            tool
            for tool in self._operations.values()
            if argument in tool.published.input_schema["properties"] and tool.scope == READ
        )
        return [tool.name for tool in takers if self._is_permitted(tool, ctx)]

    def _over_limits(self, ctx: Request, arguments: Mapping[str, Any]) -> str | None:
        limits = ctx.lifespan_context.config.server
        if (size := len(to_json(arguments))) > limits.max_arguments_bytes:
            return error_messages.too_large(size, limits.max_arguments_bytes)
        if max(self._in_flight.count, ctx.lifespan_context.background_creates.count) >= limits.max_calls:
            return error_messages.too_many(limits.max_calls)
        return None


async def _answer_in_time(operation: AnyOperation, call: Call) -> CallToolResult | InputRequiredResult:
    """Return the answer to a call, or a message about its creates if the call does not end in time."""
    ctx, cut_off = call.request_context, services(call).cut_off_creates
    async with cut_off.kept(call.started, partial(has_left, ctx)), Progress(call):
        with anyio.CancelScope(deadline=call.api_deadline + ANSWER_S):
            return await _answer(operation, call)
        cut_off.keep(call.started)
        creates = [create for create in call.started.pending.values() if create.may_have_run]
        offered, wait_s = offered_tools(ctx), call.patience.wait_s
        return results.failure(error_messages.cut_off(wait_s, creates, scope=operation.scope, offered=offered))


async def _answer(operation: AnyOperation, call: Call) -> CallToolResult | InputRequiredResult:
    """Call a tool; a question, a refusal or another failure becomes a result."""
    try:
        return await _call_repaired(operation, call)
    except MCPError:
        raise
    except elicitation.InputRequiredError as asked:
        return asked.result
    except elicitation.NotConfirmedError as refused:
        return results.failure(str(refused))
    except UnfitArgumentsError as error:
        return results.failure(error_messages.invalid_arguments(error.problems, operation.published.input_schema))
    except Exception as error:  # noqa: BLE001 - the border: every failure becomes a result, and crashes are logged
        offered = offered_tools(call.request_context)
        return results.failure(error_messages.explain(operation.name, error, scope=operation.scope, offered=offered))


async def _call_repaired(operation: AnyOperation, call: Call) -> CallToolResult:
    """Call a tool, and again with other arguments while these repair its failure."""
    arguments = call.arguments
    while True:
        try:
            return await operation.call(call, arguments)
        except NameLikeIdError as error:
            repaired = error.ids
        except (UnclearNameError, MissingInteractionError) as error:
            repaired = await elicitation.choose(error, call, arguments)
            if not repaired:
                raise
        arguments = {**arguments, **repaired}


def to_wire(result: HandlerResult) -> HandlerResult:
    """Return the JSON of a tool's result."""
    # Structured content is JSON already. Dumping it with the model, as the SDK does, would copy every run again.
    if not isinstance(result, CallToolResult):
        return result
    wire = result.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"structured_content"})
    if result.structured_content is not None:
        wire["structuredContent"] = result.structured_content
    return wire
