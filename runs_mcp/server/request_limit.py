"""A limit on concurrent requests that reach the Runs API. Tool calls are counted by `tool_calls`, which refuses them
with an answer that the model reads."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from runs_mcp.server.render import error_messages

LIMITED = frozenset(
    "completion/complete resources/list resources/read resources/subscribe tasks/cancel tasks/get tasks/update".split()
)


class RequestLimit:
    """Middleware that refuses requests beyond a number of concurrent ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Answer a request, or refuse it.

        Raises:
            MCPError: The limit is reached.
        """
        if ctx.method not in LIMITED:
            return await call_next(ctx)
        if self._count >= self._limit:
            raise MCPError(INTERNAL_ERROR, error_messages.too_many(self._limit))
        self._count += 1
        try:
            return await call_next(ctx)
        finally:
            self._count -= 1
