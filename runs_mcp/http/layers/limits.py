"""Limits of concurrent requests, of requests per minute, and of subscriptions."""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.gcra import RateLimiter
from runs_mcp.http.layers.message import is_request, message_of, params_of, refuse
from runs_mcp.observability.caller_name import name_of
from runs_mcp.server.permissions.scopes import caller_of
from runs_mcp.server.resources.subscriptions import MAX_CALLER_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS

FULL_RETRY_S = 1
"""Value of Retry-After, in seconds, if a limit of concurrent requests is reached."""


class ConcurrencyLimit:
    """Middleware that refuses requests while `most` requests of the process or caller are in progress.

    Open streams count as requests in progress.
    """

    def __init__(self, app: ASGIApp, most: int, *, key: Callable[[Scope], str] = lambda _: "", reason: str) -> None:
        """Count requests by the name that `key` returns; `reason` is the text of refusals."""
        self._app = app
        self._most = most
        self._key = key
        self._reason = reason
        self._in_progress: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = self._key(scope)
        if self._in_progress[name] >= self._most:
            await refuse_with_retry_after(FULL_RETRY_S, HTTPStatus.SERVICE_UNAVAILABLE, self._reason)(
                scope, receive, send
            )
            return
        with Counted(self._in_progress, name, 1):
            await self._app(scope, receive, send)


class RateLimit:
    """Middleware that refuses the requests of a caller beyond its rate.

    A `subscriptions/listen` counts once for each resource.

    Notifications and responses to the server's requests do not count: the call that waits for them would hang.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, per_minute: int | None) -> None:
        """Limit callers without their own rate to `per_minute` requests; None: no limit."""
        self._app = app
        self._limiter = limiter
        self._per_minute = per_minute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        caller = caller_of(scope)
        # The limit of a profile replaces the general limit, in either direction.
        allowed = (caller and caller.rate_limit) or self._per_minute
        if allowed and scope["method"] == "POST" and is_request(message := message_of(scope)):
            cost = max(len(_listened_uris(message)), 1)
            if wait := await self._limiter.wait_s(name_of(scope), allowed, cost):
                reason = f"{allowed:,} requests a minute are allowed (rate_limit)."
                await refuse_with_retry_after(math.ceil(wait), HTTPStatus.TOO_MANY_REQUESTS, reason)(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)


class SubscriptionLimit:
    """Middleware that refuses a `subscriptions/listen` for too many resources: the server polls the API for each."""

    def __init__(
        self, app: ASGIApp, *, most: int = MAX_SUBSCRIPTIONS, of_caller: int = MAX_CALLER_SUBSCRIPTIONS
    ) -> None:
        self._app = app
        self._most = most
        self._of_caller = of_caller
        self._open: Counter[str] = Counter()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        message = message_of(scope)
        count, name = len(_listened_uris(message)), name_of(scope)
        if not count:
            return self._app(scope, receive, send)
        if count > self._most:
            reason = f"subscriptions/listen can name {self._most} resources, and this one names {count:,}."
            return refuse(HTTPStatus.BAD_REQUEST, reason, code=INVALID_PARAMS, message=message)(scope, receive, send)
        if self._open[name] + count > self._of_caller:
            reason = f"This caller listens to {self._open[name]:,} resources; {self._of_caller:,} are allowed."
            return refuse_with_retry_after(FULL_RETRY_S, HTTPStatus.TOO_MANY_REQUESTS, reason)(scope, receive, send)
        return self._serve_counted(name, count, scope, receive, send)

    async def _serve_counted(self, name: str, count: int, scope: Scope, receive: Receive, send: Send) -> None:
        with Counted(self._open, name, count):
            await self._app(scope, receive, send)


def refuse_with_retry_after(seconds: int, status: HTTPStatus, reason: str) -> JSONResponse:
    """Return a refusal with a Retry-After header (RFC 9110, section 10.2.3)."""
    # The text repeats the header, because MCP clients pass on the error and drop the headers.
    text = f"{reason} Nothing was done. Try again in {seconds} s."
    return refuse(status, text, code=INTERNAL_ERROR, retry_after=str(seconds))


@dataclass(frozen=True, slots=True)
class Counted:
    """A block for whose duration `count` is added to the counter of `name`."""

    # A generator with `contextmanager` would take 0.5 KiB more for each open stream.
    counter: Counter[str]
    name: str
    count: int

    def __enter__(self) -> None:
        self.counter[self.name] += self.count

    def __exit__(self, *_: object) -> None:
        self.counter[self.name] -= self.count
        if not self.counter[self.name]:
            del self.counter[self.name]  # names include addresses of clients, so the counter would grow without bound


def _listened_uris(message: Mapping[str, Any]) -> list[object]:
    """Return the resources that a `subscriptions/listen` names."""
    if message.get("method") != "subscriptions/listen":
        return []
    notifications = params_of(message).get("notifications")
    uris = notifications.get("resourceSubscriptions") if isinstance(notifications, dict) else None
    return uris if isinstance(uris, list) else []
