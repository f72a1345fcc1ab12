"""The JSON-RPC message of a request, read within limits and parsed once for all layers."""

from collections.abc import Mapping
from typing import Any

import anyio
from mcp_types import INVALID_REQUEST, PARSE_ERROR, jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READ_S = 20.0
"""Seconds that a caller has to send the body of a request."""
KEY = "runs_mcp.http.message"
"""Key of the message in the ASGI scope of a request."""
NO_MESSAGE = (
    "The body of the request must be one JSON-RPC 2.0 message, e.g. "
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}. Batches are not supported.'
)


class MessageReader:
    """Middleware that reads and parses the body of each POST for `message_of`.

    It refuses large bodies with 413, slow bodies with 408, and bodies that are not a JSON-RPC message with 400. Without
    the time limit, a caller that sends headers but no body would occupy a request until it disconnects.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, *, read_s: float = READ_S) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._read_s = read_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            with anyio.fail_after(self._read_s):
                body = await self._read(scope, receive)
        except ClientDisconnect:
            return
        except TimeoutError:
            reason = f"The body of the request did not arrive within {self._read_s:g} s."
            # The rest of the body would follow, so the connection cannot carry another request.
            await refuse(408, reason, connection="close")(scope, receive, send)
            return
        if body is None:
            reason = f"The body of the request is larger than {self._max_bytes:,} bytes."
            await refuse(413, reason)(scope, receive, send)
            return
        if refusal := _store_message(scope, body):
            await refusal(scope, receive, send)
            return
        await self._app(scope, replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body; None if it is too large.

        Raises:
            ClientDisconnect: The caller disconnected before the body was complete.
        """
        # The declared length is checked first, so that a large body is refused before it is transferred.
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            return None
        body, is_complete = bytearray(), False
        while not is_complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                return None
            is_complete = not message.get("more_body", False)
        return bytes(body)


def message_of(scope: Scope) -> dict[str, Any]:
    """Return the message of a POST; empty for other requests."""
    message: dict[str, Any] = scope.get(KEY, {})
    return message


def is_request(message: Mapping[str, Any]) -> bool:
    """Return true for a message that needs a response."""
    return "id" in message and "method" in message


def params_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a message; empty if it has none."""
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields `body` first."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


def refuse(
    status: int, reason: str, *, code: int = INVALID_REQUEST, message: Any = None, **headers: str
) -> JSONResponse:
    """Return a refusal for HTTP and MCP clients: a status, and a JSON-RPC error with the id of `message`.

    An underscore in the name of a header becomes a hyphen.
    """
    message_id = message.get("id") if isinstance(message, dict) else None
    is_id = isinstance(message_id, int | str) and not isinstance(message_id, bool)
    body = {
        "jsonrpc": "2.0",
        "id": message_id if is_id else None,
        "error": {"code": code, "message": reason},
    }
    return JSONResponse(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _store_message(scope: Scope, body: bytes) -> JSONResponse | None:
    """Store the message of a request in its scope; return a refusal if the body is not a message."""
    try:
        message = from_json(body)
    except ValueError as error:
        # Not left to the SDK, which reads messages of 2026-07-28 with `json.loads`. That accepts UTF-16, a byte order
        # mark, halves of surrogate pairs and deep nesting. The limits would not see the message that it serves.
        return refuse(400, f"The body of the request is not JSON: {error}.", code=PARSE_ERROR)
    try:
        jsonrpc_message_adapter.validate_python(message, by_name=False)
    except ValidationError:
        # The SDK would open a session, and answer with the error of each type of message.
        return refuse(400, NO_MESSAGE, message=message)
    scope[KEY] = message
    return None
