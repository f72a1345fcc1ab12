"""The ids of JSON-RPC requests within a session: no request can receive the response to another.

The SDK's transport for protocol 2025-11-25 finds the response stream by the id of the request, as text. Requests with
equal ids in a session (two in progress, `1` and `"1"`, or a request that reuses the id of another whose caller has
disconnected) would therefore receive each other's responses. Each request gets a unique id on its way in, and its
response gets the caller's id back on its way out. Protocol 2026-07-28 has no sessions and does not need this.

A request and its cancellation arrive on different connections, in any order. A request whose cancellation arrived
first is not executed: its caller has already given up.
"""

from collections.abc import Awaitable
from itertools import count
from secrets import token_hex
from typing import Any

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, REQUEST_CANCELLED
from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.http.layers.message import message_of, refuse, replay
from runs_mcp.observability.caller_name import name_of

MAX_UNANSWERED = 10_000
"""Maximum number of unanswered requests that can be cancelled by id, including those of disconnected callers."""
MAX_EARLY = 1_000
"""Maximum number of remembered cancellations of requests that have not arrived; the oldest is forgotten first."""
CANCELLED = "The request was cancelled before it arrived, and was not executed."
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
        self._cancelled_early: dict[tuple[str, Key], None] = {}
        """The callers and keys of requests that were cancelled before they arrived. An ordered set."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        session = Headers(scope=scope).get(MCP_SESSION_ID_HEADER) if scope["type"] == "http" else None
        message = message_of(scope)
        if session is None:
            return self._app(scope, receive, send)
        match message:
            # A cancellation names the caller's id, which the SDK has never seen.
            case {"method": "notifications/cancelled", "params": {"requestId": int() | str() as cancelled}}:
                known = self._cancelled_id(name_of(scope), (session, type(cancelled), cancelled))
                params = {**message["params"], "requestId": known}
                return self._app(scope, _rewritten({**message, "params": params}, receive), send)
            # In Python, `True` is an int. JSON-RPC allows no boolean id, and the SDK refuses it.
            case {"method": _, "id": int() | str() as chosen} if not isinstance(chosen, bool):
                key = (session, type(chosen), chosen)
                if self._was_cancelled(name_of(scope), key):
                    return refuse(200, CANCELLED, code=REQUEST_CANCELLED, message=message)(scope, receive, send)
                own = self._new_id(key)
                return self._app(scope, _rewritten({**message, "id": own}, receive), self._restoring(own, key, send))
            case _:
                return self._app(scope, receive, send)

    def _cancelled_id(self, caller: str, key: Key) -> int | str:
        """Return the unique id of a request that is cancelled; if it has not arrived, remember the cancellation."""
        if known := self._unanswered.get(key):
            return known
        self._cancelled_early[caller, key] = None
        if len(self._cancelled_early) > MAX_EARLY:
            del self._cancelled_early[next(iter(self._cancelled_early))]
        return key[-1]

    def _was_cancelled(self, caller: str, key: Key) -> bool:
        """Return True if the request was cancelled before it arrived, and forget the cancellation."""
        if (caller, key) not in self._cancelled_early:
            return False
        del self._cancelled_early[caller, key]
        return True

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
