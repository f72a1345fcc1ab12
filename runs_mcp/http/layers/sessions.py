"""Sessions of protocol 2025-11-25: limited for each caller, and closed together with the credential they belong to."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.http.layers.limits import Counted, refuse_with_retry_after
from runs_mcp.http.layers.message import KEY, message_of
from runs_mcp.observability.caller_name import name_of

MAX_SESSIONS = 500
"""Maximum number of open sessions of a caller; each takes about 40 KiB."""
IDLE_S = 1_800
"""Seconds after which the SDK closes an idle session."""
RETRY_S = 60
ACCEPTED = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
"""Statuses of requests that belong to the session; those of other callers are answered 404."""


@dataclass(slots=True)
class Session:
    """An open session."""

    opened_by: Scope
    """The request that opened it, without its headers and its body, and with the credential last used in it."""
    used: float
    requests: int = 0
    """Requests in progress, including the open stream."""

    @property
    def caller(self) -> str:
        """The name of the caller that opened the session."""
        return name_of(self.opened_by)


class Sessions:
    """Middleware that forwards requests and tracks their sessions.

    When a caller with `most` sessions opens another, its least recently used idle session is closed. If no session is
    idle, the request is refused.
    """

    def __init__(self, app: ASGIApp, *, most: int = MAX_SESSIONS, now: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._most = most
        self._now = now
        self._open: dict[str, Session] = {}
        self._opening: Counter[str] = Counter()
        """Requests in progress that open a session, by caller."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        session_id = Headers(scope=scope).get(MCP_SESSION_ID_HEADER) if scope["type"] == "http" else None
        if session_id in self._open:
            return self._use(session_id, scope, receive, send)
        if session_id is None and message_of(scope).get("method") == "initialize":
            return self._initialize(scope, receive, send)
        return self._app(scope, receive, send)

    async def close(self, predicate: Callable[[Scope], bool]) -> None:
        """Close every session for whose opening request, with the credential last used, `predicate` returns true."""
        # A list, because closing changes the dictionary.
        for session_id in [key for key, session in self._open.items() if predicate(session.opened_by)]:
            await self._close(session_id)

    async def _initialize(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def recording_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                session_id = Headers(raw=message["headers"]).get(MCP_SESSION_ID_HEADER)
                if session_id and message["status"] == HTTPStatus.OK:
                    self._open[session_id] = Session(_without_content(scope), self._now())
            await send(message)

        with Counted(self._opening, name_of(scope), 1):
            if await self._has_room(name_of(scope)):
                await self._app(scope, receive, recording_send)
                return
        reason = f"{self._most:,} sessions of this caller are open and in use."
        await refuse_with_retry_after(RETRY_S, HTTPStatus.TOO_MANY_REQUESTS, reason)(scope, receive, send)

    async def _use(self, session_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._open[session_id]

        async def recording_send(message: Message) -> None:
            status = message.get("status")
            if status == HTTPStatus.OK and scope["method"] == "DELETE":
                self._open.pop(session_id, None)
            # A client renews its JWT during a session, and the session must outlive the token that opened it.
            if status in ACCEPTED and "user" in scope:
                session.opened_by["user"] = scope["user"]
            await send(message)

        session.requests += 1
        try:
            await self._app(scope, receive, recording_send)
        finally:
            session.requests -= 1
            session.used = self._now()

    async def _has_room(self, caller: str) -> bool:
        """Return true if the sessions that `caller` opens now fit, after closing an idle session if necessary."""
        own = self._of(caller)
        if len(own) + self._opening[caller] <= self._most:
            return True
        idle = [session_id for session_id in own if not self._open[session_id].requests]
        if idle:
            await self._close(min(idle, key=lambda session_id: self._open[session_id].used))
        return bool(idle)

    def _of(self, caller: str) -> list[str]:
        """Return the sessions of a caller, and forget sessions that the SDK has closed in the meantime."""
        oldest = self._now() - IDLE_S
        for session_id, session in list(self._open.items()):
            if not session.requests and session.used < oldest:
                del self._open[session_id]
        return [session_id for session_id, session in self._open.items() if session.caller == caller]

    async def _close(self, session_id: str) -> None:
        """Close a session by a DELETE request, as its caller would."""
        # The SDK has no public method to close a session of another request.
        session = self._open.pop(session_id, None)
        if session is None:
            return  # its caller has closed it in the meantime
        headers = [*session.opened_by["headers"], (MCP_SESSION_ID_HEADER.encode(), session_id.encode())]
        await self._app({**session.opened_by, "method": "DELETE", "headers": headers}, _receive_empty, _discard)


def _without_content(scope: Scope) -> Scope:
    """Return a scope that identifies the caller, without the credential and body of its first request."""
    kept = {name: value for name, value in scope.items() if name != KEY}
    return {**kept, "headers": [(b"host", Headers(scope=scope).get("host", "").encode())]}


async def _receive_empty() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _discard(_: Message) -> None:
    """Discard the response."""
