"""The ids of JSON-RPC requests within a session: no request can receive the response to another.

The SDK's transport for protocol 2025-11-25 finds the response stream by the id of the request, as text. Requests with
equal ids in a session (two in progress, `1` and `"1"`, or a request that reuses the id of another whose caller has
disconnected) would therefore receive each other's responses. Each request gets a unique id on its way in, and its
response gets the caller's id back on its way out. Protocol 2026-07-28 has no sessions and does not need this.

A request and its cancellation arrive on different connections, in any order. A request whose cancellation arrived
first is not executed: its caller has already given up.
"""

from collections import defaultdict
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
"""Maximum number of remembered cancellations by a caller of requests that have not arrived. The oldest is forgotten."""
MAX_ID_CHARS = 300
"""Maximum length of the id of a session or request; longer ids could fill the memory."""
FIRST_ERROR = 400
CANCELLED = "The request was cancelled before it arrived, and was not executed."
TOO_LONG = f"The id of the request has more than {MAX_ID_CHARS} characters."
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
        self._cancelled_early: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        """The requests that were cancelled before they arrived: an ordered set for each caller."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        session = Headers(scope=scope).get(MCP_SESSION_ID_HEADER) if scope["type"] == "http" else None
        message = message_of(scope)
        if session is None or len(session) > MAX_ID_CHARS:  # no session has such a long id
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
                if _is_long(chosen):
                    return refuse(400, TOO_LONG)(scope, receive, send)
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
        if _is_long(key[-1]):
            return key[-1]
        early = self._cancelled_early[caller]
        early[key] = None
        if len(early) > MAX_EARLY:
            del early[next(iter(early))]
        return key[-1]

    def _was_cancelled(self, caller: str, key: Key) -> bool:
        """Return True if the request was cancelled before it arrived, and forget the cancellation."""
        early = self._cancelled_early.get(caller, {})
        if key not in early:
            return False
        del early[key]
        if not early:
            del self._cancelled_early[caller]
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
            answers = before in message.get("body", b"")
            if answers:
                message = {**message, "body": message["body"].replace(before, after, 1)}
            # A refusal, such as that of an unknown session, has no id.
            if (answers or message.get("status", 0) >= FIRST_ERROR) and self._unanswered.get(key) == own:
                del self._unanswered[key]
            await send(message)

        return restored


def _is_long(message_id: int | str) -> bool:
    return len(str(message_id)) > MAX_ID_CHARS


def _rewritten(message: dict[str, Any], receive: Receive) -> Receive:
    return replay(to_json(message, inf_nan_mode="constants"), receive)
