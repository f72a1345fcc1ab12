"""The response to `initialize`, completed for the caller and for tools that change.

The SDK answers `initialize` from fixed options that each transport creates, so only middleware can complete it.
"""

from collections.abc import Awaitable, Callable

from mcp.server.context import CallNext, HandlerResult

from runs_mcp.server.context import Request


class InitializeResponse:
    """Middleware that adds instructions for the caller's tools, and announces changes of the list of tools."""

    def __init__(self, instructions: Callable[[Request], Awaitable[str]], *, tools_change: bool) -> None:
        """`tools_change`: True if the list of tools can change."""
        self._instructions = instructions
        self._tools_change = tools_change

    async def __call__(self, ctx: Request, call_next: CallNext) -> HandlerResult:
        """Complete the response to `initialize`; forward every other message."""
        answer = await call_next(ctx)
        if ctx.method != "initialize" or not isinstance(answer, dict):
            return answer
        completed = {**answer, "instructions": await self._instructions(ctx)}
        if self._tools_change:
            capabilities = answer["capabilities"]
            completed["capabilities"] = {**capabilities, "tools": {**capabilities["tools"], "listChanged": True}}
        return completed
