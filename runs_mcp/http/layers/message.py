"""The JSON-RPC message of a request, read within limits and parsed once for all layers."""

from typing import Any

import anyio
from mcp_types import INVALID_REQUEST, PARSE_ERROR
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READ_S = 20.0
"""Seconds that a caller has to send the body of a request."""
KEY = "runs_mcp.http.message"
"""Key of the message in the ASGI scope of a request."""


class MessageReader:
    """Middleware that reads and parses the body of each POST for `message_of`.

    It refuses large bodies with 413, slow bodies with 408, and bodies that are not JSON with 400. Without the time
    limit, a caller that sends headers but no body would occupy a request until it disconnects.
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
        try:
            scope[KEY] = from_json(body)
        except ValueError as error:
            # Not left to the SDK: it reads messages of 2026-07-28 with `json.loads`, which accepts UTF-16, a byte order
            # mark, halves of surrogate pairs and deep nesting. The limits would not see the message that it serves.
            await refuse(400, f"The body of the request is not JSON: {error}", code=PARSE_ERROR)(scope, receive, send)
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


def message_of(scope: Scope) -> Any:
    """Return the message of a request; None if it is no POST."""
    return scope.get(KEY)


def is_request(message: Any) -> bool:
    """Return true for a message that needs a response, which includes malformed messages and batches."""
    return not isinstance(message, dict) or ("id" in message and "method" in message)


def params_of(message: Any) -> dict[str, Any]:
    """Return the parameters of a message; empty if they are missing or malformed."""
    params = message.get("params") if isinstance(message, dict) else None
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
    body = {
        "jsonrpc": "2.0",
        "id": message_id if isinstance(message_id, int | str) else None,
        "error": {"code": code, "message": reason},
    }
    return JSONResponse(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})
