"""The id of each request: generated or given by the caller; in responses, errors, logs and requests to the API."""

import re
import secrets
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import CallToolResult
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.api import Exchange
from runs_mcp.observability import logs

HEADER = "X-Request-Id"
# Log lines and headers repeat the caller's id, so it must not contain line breaks or other special characters.
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Middleware that gives each request an id, and adds it to the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = Headers(scope=scope).get(HEADER, "")
        request_id = received if _VALID.fullmatch(received) else secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with logs.Context(request_id=request_id):
            await self._app(scope, receive, send_with_id)


async def append_to_errors(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Append the id of the request to the text of a failed call, so that the operator can find it."""
    result = await call_next(ctx)
    match result:
        case CallToolResult(is_error=True):
            return _with_request_id(result.model_dump(by_alias=True, mode="json", exclude_none=True))
        case dict() if result.get("isError"):
            return _with_request_id(result)
        case _:
            return result


def forward(exchange: Exchange) -> AbstractContextManager[None]:
    """Send the id of the request to the API."""
    if current := logs.current("request_id"):
        exchange.headers[HEADER] = current
    return nullcontext()


def _with_request_id(result: dict[str, Any]) -> dict[str, Any]:
    first, *others = result["content"]
    return {
        **result,
        "content": [{**first, "text": f"{first['text']} (Request {logs.current('request_id')}.)"}, *others],
    }
