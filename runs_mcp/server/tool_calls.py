"""`tools/call`, answered by middleware: the SDK's outermost public seam, which leaves the answer's wire form to us.

Further in, the SDK would copy and validate each answer twice more, which takes longer than making it. Ours are JSON
already, so that nothing is left to validate.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp_types import (
    SERVER_INFO_META_KEY,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    Implementation,
    InputRequiredResult,
    TextContent,
)
from mcp_types.methods import validate_client_request
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from runs_mcp.server import tasks
from runs_mcp.server.context import Call, Services

Request = ServerRequestContext[Services, Any]
CallTool = Callable[[str, dict[str, Any], Call], Awaitable[CallToolResult | InputRequiredResult]]


class ToolCalls:
    """Answers `tools/call` with what a function makes of it, in the words of either era."""

    def __init__(self, call_tool: CallTool, server_info: Implementation) -> None:
        self._call_tool = call_tool
        self._server_info = server_info.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def serve(self, ctx: Request, call_next: CallNext) -> HandlerResult:
        """Answer `tools/call`; pass everything else on, and what came before the handshake, which the SDK refuses."""
        modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        if ctx.method != "tools/call" or not (modern or ctx.session.client_params):
            return await call_next(ctx)
        validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
        asked = CallToolRequestParams.model_validate(ctx.params, by_name=False)
        call = Context(request_context=ctx, input_params=asked)
        result = await self._call_tool(asked.name, asked.arguments or {}, call)
        wire = await tasks.standing_in(ctx, result) or _wire(result)
        if modern:
            wire.setdefault("resultType", "complete")
            wire["_meta"] = {**(wire.get("_meta") or {}), SERVER_INFO_META_KEY: self._server_info}
        return wire


def _wire(result: CallToolResult | InputRequiredResult) -> dict[str, Any]:
    if isinstance(result, InputRequiredResult):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    wire: dict[str, Any] = {"content": [_block(one) for one in result.content], "isError": bool(result.is_error)}
    if result.structured_content is not None:
        wire["structuredContent"] = result.structured_content
    return wire


def _block(block: ContentBlock) -> dict[str, Any]:
    if isinstance(block, TextContent):
        return {"type": "text", "text": block.text}
    return block.model_dump(by_alias=True, mode="json", exclude_none=True)
