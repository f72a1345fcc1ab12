"""A bound on requests that ask the API for something. Tool calls have theirs at the border, where words say so."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from runs_mcp.server.context import Services
from runs_mcp.server.render import error_messages

ASKING = frozenset(
    "completion/complete resources/list resources/read resources/subscribe tasks/cancel tasks/get tasks/update".split()
)


class Bound:
    """Refuses requests beyond so many at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    async def serve(self, ctx: ServerRequestContext[Services, Any], call_next: CallNext) -> HandlerResult:
        """Answer a request, or refuse it.

        Raises:
            MCPError: so many are being answered already.
        """
        if ctx.method not in ASKING:
            return await call_next(ctx)
        if self._count >= self._most:
            raise MCPError(INTERNAL_ERROR, error_messages.too_many(self._most))
        self._count += 1
        try:
            return await call_next(ctx)
        finally:
            self._count -= 1
