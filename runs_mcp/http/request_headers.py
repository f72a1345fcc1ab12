"""The headers of requests: limited in number and size, and completed if a client leaves out `Accept`."""

from collections.abc import Awaitable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
BOTH = "application/json, text/event-stream"


class RequestHeaders:
    """Middleware that refuses requests with too many or too large headers (431), and completes the others' headers."""

    def __init__(self, app: ASGIApp, *, most: int = MAX_HEADERS) -> None:
        self._app = app
        self._most = most

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        headers = scope["headers"]
        if len(headers) > self._most or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            reason = f"More than {self._most} headers, or more than {MAX_HEADER_BYTES:,} bytes of headers"
            return PlainTextResponse(reason, 431)(scope, receive, send)
        scope["headers"] = _completed(scope)  # in place: the access log reads what later layers add to the scope
        return self._app(scope, receive, send)


def _completed(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = MutableHeaders(raw=list(Headers(scope=scope).raw))
    if not headers.get("accept"):
        headers["accept"] = BOTH  # RFC 9110, section 12.5.1: a request without it accepts any media type
    # Streams are not resumable, because events are not stored: the hub keeps the text of each run instead. The SDK
    # answers 500 to a client that tries to resume ("Resumability and Redelivery" of 2025-11-25); without the header
    # the client gets a new stream.
    if "last-event-id" in headers:
        del headers["last-event-id"]
    return headers.raw
