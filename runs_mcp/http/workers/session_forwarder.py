"""Requests of sessions that another worker holds: forwarded to that worker.

A session of protocol 2025-11-25 lives in the worker that opened it, but the system can give the next connection of its
client to any worker. The id of a session therefore begins with the number of its worker.
"""

import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus

import httpx
from anyio.abc import AsyncResource
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp_types import INTERNAL_ERROR
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.api import DefaultTransport
from runs_mcp.config.addresses import LOOPBACK_ADDRESS
from runs_mcp.http.layers.message import refuse

log = logging.getLogger(__name__)

SESSION_ID = MCP_SESSION_ID_HEADER.encode()
SEPARATOR = b"."
OF_CONNECTION = frozenset(
    (b"connection", b"expect", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""Headers that describe a single connection (RFC 9110, section 7.6.1)."""
OF_PROXY = frozenset((b"x-forwarded-for", b"x-forwarded-proto"))
UNANSWERED = "The process that holds the session did not answer. The request may have had an effect."
Header = tuple[bytes, bytes]


class SessionForwarder(AsyncResource):
    """An application that serves the sessions of this worker, and forwards requests of other sessions to their worker.

    The worker that holds the session authenticates, limits, counts and logs the request.
    """

    def __init__(self, app: ASGIApp, number: int, ports: Sequence[int]) -> None:
        """`number` is this worker's position in `ports`, the loopback ports of the workers."""
        self._app = app
        self._number = number
        self._ports = ports
        self._transport = DefaultTransport()

    async def aclose(self) -> None:
        """Close the connections to other workers."""
        await self._transport.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        worker, _, session_id = dict(scope["headers"]).get(SESSION_ID, b"").partition(SEPARATOR)
        number = next((number for number in range(len(self._ports)) if worker == b"%d" % number), None)
        if number is None:
            await self._app(scope, receive, self._numbered(send))
        elif number == self._number:
            headers = _with_session(scope["headers"], session_id)
            await self._app({**scope, "headers": headers}, receive, self._numbered(send))
        else:
            await self._forward(self._ports[number], scope, receive, send)

    def _numbered(self, send: Send) -> Send:
        """Return a `send` that puts the number of this worker before the id of a session."""

        async def numbered_send(message: Message) -> None:
            if message["type"] == "http.response.start" and (own := dict(message["headers"]).get(SESSION_ID)):
                numbered = b"%d%b%b" % (self._number, SEPARATOR, own)
                message = {**message, "headers": _with_session(message["headers"], numbered)}
            await send(message)

        return numbered_send

    async def _forward(self, port: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request to another worker, once, and pass on its response."""
        request = httpx.Request(
            scope["method"],
            httpx.URL(scheme="http", host=LOOPBACK_ADDRESS, port=port, raw_path=_target(scope)),
            headers=_forwarded_headers(scope),
            content=Request(scope, receive).stream() if _has_body(scope) else None,
        )
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.HTTPError:
            await refuse(HTTPStatus.BAD_GATEWAY, UNANSWERED, code=INTERNAL_ERROR)(scope, receive, send)
            return
        try:
            answer = StreamingResponse(response.aiter_raw(), response.status_code)
            answer.raw_headers = _of_message(response.headers.raw)
            await answer(scope, receive, send)
        except httpx.HTTPError:
            # uvicorn closes the connection of an answer without an end, so that the client notices.
            log.warning("the process of a session ended during an answer")
        finally:
            await response.aclose()


def _with_session(headers: Iterable[Header], session_id: bytes) -> list[Header]:
    return [*(header for header in headers if header[0] != SESSION_ID), (SESSION_ID, session_id)]


def _of_message(headers: Iterable[Header]) -> list[Header]:
    """Return `headers` in lower case, without those of the connection."""
    lower = [(name.lower(), value) for name, value in headers]
    return [header for header in lower if header[0] not in OF_CONNECTION]


def _forwarded_headers(scope: Scope) -> list[Header]:
    """Return the headers of a request, with the address and scheme of its client as a proxy would report them."""
    client = scope["client"][0] if scope["client"] else ""
    own = [header for header in _of_message(scope["headers"]) if header[0] not in OF_PROXY]
    return [*own, (b"x-forwarded-for", client.encode()), (b"x-forwarded-proto", scope["scheme"].encode())]


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "content-length" in headers or "transfer-encoding" in headers


def _target(scope: Scope) -> bytes:
    query = scope["query_string"]
    return bytes(scope["raw_path"]) + (b"?" + query if query else b"")
