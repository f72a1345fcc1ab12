"""The access log: a line for each request, once it is answered or its caller has disconnected."""

import logging
import time
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from opentelemetry import trace
from opentelemetry.trace import format_trace_id
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.observability.caller_name import name_of
from runs_mcp.observability.logs import FIELDS, Context

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""The status if the caller disconnects before the response begins: nginx's "client closed request"."""
LONGEST_CHARS = 200
_MESSAGE = "runs_mcp.message"
"""Key in the ASGI scope of a request for the fields of its line that come from its message."""


class AccessLog:
    """Middleware that logs a line for each request, without query, headers and body: any can contain a credential."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or not log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, size = CLIENT_CLOSED_REQUEST, 0

        async def counting_send(message: Message) -> None:
            nonlocal status, size
            await send(message)  # first: a response that could not be sent must not be logged as sent
            status = message.get("status", status)
            size += len(message.get("body", b""))

        try:
            await self._app(scope, receive, counting_send)
        finally:
            response = {"status": status, "ms": round((time.perf_counter() - started) * 1_000, 1), "bytes": size}
            log.info("request", extra={FIELDS: _request_fields(scope) | response})


async def annotate(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Add the method, tool, run and trace of a message to the line of its request and to lines of its handler."""
    if ctx.request is None:
        return await call_next(ctx)
    fields = _fields_of(ctx)
    ctx.request.scope[_MESSAGE] = {"mcp": ctx.method, **fields}
    with Context(**{name: value for name, value in fields.items() if name != "tool"}):
        return await call_next(ctx)


def _fields_of(ctx: ServerRequestContext[Any, Any]) -> dict[str, str]:
    """Return the tool, run and trace of a message."""
    params = (ctx.params or {}) if ctx.method == "tools/call" else {}
    arguments = params.get("arguments")
    run_id = arguments.get("run_id") if isinstance(arguments, dict) else None
    span = trace.get_current_span().get_span_context()
    fields = {
        "tool": params.get("name"),
        "run_id": run_id,
        "trace_id": format_trace_id(span.trace_id) if span.is_valid else None,
    }
    return {name: value[:LONGEST_CHARS] for name, value in fields.items() if isinstance(value, str)}


def _request_fields(scope: Scope) -> dict[str, Any]:
    fields = {"method": scope["method"], "path": scope["path"], **scope.get(_MESSAGE, {}), "caller": name_of(scope)}
    return {name: value[:LONGEST_CHARS] for name, value in fields.items()}
