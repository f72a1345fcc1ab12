"""The access log: a line for each request, once it is answered or its caller has left."""

import logging
import time
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.http.auth.caller import name_of
from runs_mcp.observability.logs import FIELDS

log = logging.getLogger(__name__)

LEFT = 499
"""What stands for the status of an answer that never began, since the caller had left."""
LONGEST_CHARS = 200
_MESSAGE = "runs_mcp.message"
"""Key in the scope of a request: what its message asks for."""


class AccessLog:
    """Logs a line for each request, without its query, its headers or anything of its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or not log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, size = LEFT, 0

        async def counted(message: Message) -> None:
            nonlocal status, size
            await send(message)
            status = message.get("status", status)
            size += len(message.get("body", b""))

        try:
            await self._app(scope, receive, counted)
        finally:
            answer = {"status": status, "ms": round((time.perf_counter() - started) * 1_000, 1), "bytes": size}
            log.info("request", extra={FIELDS: _asked(scope) | answer})


async def noted(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Have the line of a request say which method its message asks for, and of which tool."""
    if ctx.request is not None:
        name = ctx.params.get("name") if ctx.method == "tools/call" and ctx.params else None
        ctx.request.scope[_MESSAGE] = {"mcp": ctx.method, **({"tool": name} if isinstance(name, str) else {})}
    return await call_next(ctx)


def _asked(scope: Scope) -> dict[str, Any]:
    asked = {"method": scope["method"], "path": scope["path"], **scope.get(_MESSAGE, {}), "caller": name_of(scope)}
    return {name: value[:LONGEST_CHARS] for name, value in asked.items()}
