"""Limits: how many requests are held at once, and how many one caller may make a minute."""

import math
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from mcp_types import INTERNAL_ERROR
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.http.auth.caller import name_of
from runs_mcp.http.message import is_request, message_of
from runs_mcp.server.scopes import caller_of

FULL_RETRY_S = 1
"""Seconds after which to try a full server again."""
MINUTE_S = 60
MOST_BUCKETS = 100_000
"""Callers beyond which the one that has been silent longest is forgotten."""


class InFlight:
    """Refuses requests beyond so many at once, open streams included."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._count >= self._most:
            said = f"{self._most:,} requests are being served already (server.http.max_requests)."
            await _refusal(HTTPStatus.SERVICE_UNAVAILABLE, said, FULL_RETRY_S)(scope, receive, send)
            return
        self._count += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= 1


class RateLimiter(Protocol):
    """Counts what callers ask for; replicas may share one."""

    async def wait_s(self, caller: str, per_minute: int) -> float:
        """Take one of a caller's `per_minute` requests, and answer 0; or the seconds until there is one to take."""

    async def aclose(self) -> None:
        """Hold nothing open any more."""


class TokenBuckets:
    """A bucket for each caller, kept in this process: a minute's worth of requests, refilled steadily."""

    def __init__(self, now: Callable[[], float] = time.monotonic, *, most: int = MOST_BUCKETS) -> None:
        self._now = now
        self._most = most
        self._full_at: dict[str, float] = {}
        """When each caller's bucket will be full again, which is all there is to know of it."""

    def __len__(self) -> int:
        return len(self._full_at)

    async def wait_s(self, caller: str, per_minute: int) -> float:
        """Take one of a caller's `per_minute` requests, and answer 0; or the seconds until there is one to take."""
        now = self._now()
        had = self._full_at.pop(caller, now)
        full_at = max(had, now) + MINUTE_S / per_minute
        wait = max(full_at - now - MINUTE_S, 0)
        self._full_at[caller] = had if wait else full_at
        if len(self._full_at) > self._most:
            del self._full_at[next(iter(self._full_at))]
        return wait

    async def aclose(self) -> None:
        """Nothing is open."""


class RateLimit:
    """Refuses the requests of a caller beyond so many a minute; it takes bodies that come in one piece.

    Notifications and answers to the server's questions are free: refused, they would leave something hanging.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, per_minute: int | None) -> None:
        """`per_minute` is for callers without a rate of their own; None: as many as they like."""
        self._app = app
        self._limiter = limiter
        self._per_minute = per_minute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        caller = caller_of(scope)
        allowed = (caller and caller.rate_limit) or self._per_minute
        if scope["type"] != "http" or scope["method"] != "POST" or allowed is None:
            await self._app(scope, receive, send)
            return
        asked = is_request(message_of(scope))
        if asked and (wait := await self._limiter.wait_s(name_of(scope), allowed)):
            said = f"{allowed:,} requests a minute are allowed (rate_limit)."
            await _refusal(HTTPStatus.TOO_MANY_REQUESTS, said, math.ceil(wait))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(status: HTTPStatus, said: str, retry_after_s: int) -> JSONResponse:
    """A refusal that clients of MCP understand as well as those of HTTP."""
    error = {"code": INTERNAL_ERROR, "message": f"{said} Nothing was done. Try again in {retry_after_s} s."}
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return JSONResponse(body, status, headers={"Retry-After": str(retry_after_s)})
