"""The headers of requests: limited in number and size, and completed if a client leaves out `Accept`."""

from collections.abc import Awaitable, Sequence
from itertools import chain

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.http.protocol import MAX_HEADER_BYTES

Header = tuple[bytes, bytes]
"""Name, in lower case, and value."""
MAX_HEADERS = 100
BOTH = b"application/json, text/event-stream"


class RequestHeaders:
    """Middleware that refuses requests with too many or too large headers (431), and completes the others' headers."""

    def __init__(self, app: ASGIApp, *, most: int = MAX_HEADERS) -> None:
        self._app = app
        self._most = most

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request."""
        headers = scope["headers"]
        if len(headers) > self._most or sum(map(len, chain(*headers))) > MAX_HEADER_BYTES:
            reason = f"More than {self._most} headers, or more than {MAX_HEADER_BYTES:,} bytes of headers"
            return PlainTextResponse(reason, 431)(scope, receive, send)
        scope["headers"] = _completed(headers)  # in place: the access log reads what later layers add to the scope
        return self._app(scope, receive, send)


def _completed(headers: Sequence[Header]) -> Sequence[Header]:
    # Streams are not resumable, because events are not stored: the hub keeps the text of each run instead. The SDK
    # answers 500 to a client that tries to resume ("Resumability and Redelivery" of 2025-11-25); without the header
    # the client gets a new stream.
    kept = [header for header in headers if header[0] != b"last-event-id"]
    if any(name == b"accept" and value for name, value in kept):
        return kept
    # RFC 9110, section 12.5.1: a request without the header accepts any media type.
    return [*(header for header in kept if header[0] != b"accept"), (b"accept", BOTH)]
