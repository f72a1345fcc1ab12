"""Limits of the number and duration of requests that call the Runs API.

`tool_calls` limits tool calls itself, because its refusals are results that the model reads.
"""

from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from runs_mcp.server.patience import API_GRACE_S
from runs_mcp.server.render import error_messages

LIMITED = frozenset(
    "completion/complete resources/list resources/read resources/subscribe tasks/cancel tasks/get tasks/update".split()
)


class RequestLimit:
    """Middleware that limits the number of concurrent requests and their duration."""

    def __init__(self, limit: int, *, max_wait_s: float) -> None:
        self._limit = limit
        self._max_wait_s = max_wait_s
        self._count = 0

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Answer a request, or refuse it.

        Raises:
            MCPError: the limit is reached, or the API has not answered in time.
        """
        if ctx.method not in LIMITED:
            return await call_next(ctx)
        if self._count >= self._limit:
            raise MCPError(INTERNAL_ERROR, error_messages.too_many(self._limit))
        self._count += 1
        try:
            with anyio.move_on_after(self._max_wait_s + API_GRACE_S):
                return await call_next(ctx)
        finally:
            self._count -= 1
        raise MCPError(INTERNAL_ERROR, error_messages.no_answer(self._max_wait_s))
