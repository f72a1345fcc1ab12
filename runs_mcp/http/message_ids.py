"""The ids of JSON-RPC requests within a session: no request can receive the response to another.

The SDK's transport for protocol 2025-11-25 finds the response stream by the id of the request, as text. Requests with
equal ids in a session (two in progress, `1` and `"1"`, or a request that reuses the id of another whose caller has
disconnected) would therefore receive each other's responses. Each request gets a unique id on its way in, and its
response gets the caller's id back on its way out. Protocol 2026-07-28 has no sessions and does not need this.
"""

from itertools import count
from secrets import token_hex
from typing import Any

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.http.message import message_of, replay

MAX_UNANSWERED = 10_000
"""Maximum number of unanswered requests that can be cancelled by id, including those of disconnected callers."""
Key = tuple[str, type, int | str]
"""A session, the type of an id, and the id: `1` and `"1"` are different ids (JSON-RPC 2.0, section 4)."""


class MessageIds:
    """Middleware that gives each request of a session a unique id, and its response the id that the caller chose."""

    def __init__(self, app: ASGIApp, *, max_unanswered: int = MAX_UNANSWERED) -> None:
        self._app = app
        self._max_unanswered = max_unanswered
        self._prefix = token_hex(8)
        self._numbers = count()
        self._unanswered: dict[Key, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        session = Headers(scope=scope).get(MCP_SESSION_ID_HEADER) if scope["type"] == "http" else None
        message = message_of(scope)
        if session is None or not isinstance(message, dict):
            await self._app(scope, receive, send)
            return
        match message:
            # A cancellation names the caller's id, which the SDK has never seen.
            case {"method": "notifications/cancelled", "params": {"requestId": int() | str() as cancelled}}:
                known = self._unanswered.get((session, type(cancelled), cancelled), cancelled)
                params = {**message["params"], "requestId": known}
                await self._app(scope, _rewritten({**message, "params": params}, receive), send)
            # In Python, `True` is an int. JSON-RPC allows no boolean id, and the SDK refuses it.
            case {"method": _, "id": int() | str() as chosen} if not isinstance(chosen, bool):
                own = self._new_id((session, type(chosen), chosen))
                restoring_send = self._restoring(own, (session, type(chosen), chosen), send)
                await self._app(scope, _rewritten({**message, "id": own}, receive), restoring_send)
            case _:
                await self._app(scope, receive, send)

    def _new_id(self, key: Key) -> str:
        """Return a unique id. Cancellations by the caller's id refer to it until another request reuses that id."""
        self._unanswered.pop(key, None)
        own = self._unanswered[key] = f"{self._prefix}-{next(self._numbers)}"
        if len(self._unanswered) > self._max_unanswered:
            del self._unanswered[next(iter(self._unanswered))]  # the oldest: dictionaries keep the order of insertion
        return own

    def _restoring(self, own: str, key: Key, send: Send) -> Send:
        """Return a `send` that replaces the id `own` in the response, which the SDK sends as one event."""
        # The random prefix of `own` does not occur in content, so a replacement of bytes is safe and needs no parsing.
        before, after = b'"id":' + to_json(own), b'"id":' + to_json(key[-1])

        async def restored(message: Message) -> None:
            if before in message.get("body", b""):
                message = {**message, "body": message["body"].replace(before, after, 1)}
                if self._unanswered.get(key) == own:
                    del self._unanswered[key]
            await send(message)

        return restored


def _rewritten(message: dict[str, Any], receive: Receive) -> Receive:
    return replay(to_json(message, inf_nan_mode="constants"), receive)
