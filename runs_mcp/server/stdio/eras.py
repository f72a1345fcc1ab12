"""A connection over stdio, served in the era that the client chooses.

The SDK determines the era of a connection once, by its first request. Some clients send `server/discover` (2026-07-28),
do not wait for the response, and continue with the `initialize` of an older version. They get a new connection over the
same streams, with the same services.
"""

from collections.abc import Mapping

import anyio
from anyio.abc import AsyncResource, ObjectReceiveStream, ObjectSendStream
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.shared.message import SessionMessage
from mcp_types import (
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from runs_mcp.server.server import RunsServer
from runs_mcp.server.stdio.pipes import Reading, Writing

LAST_ANSWERS_S = 5.0
"""Seconds within which requests are answered after the client has closed its output."""


async def serve(server: RunsServer, incoming: Reading, outgoing: Writing) -> None:
    """Serve a client over a pair of streams until its input ends."""
    mcp = server.mcp
    # The SDK's stdio transport ends once the stream of messages to the client is closed.
    async with outgoing, mcp.lifespan(mcp) as services:
        messages = _Messages(server, incoming, outgoing)
        while not messages.ended:
            await serve_dual_era_loop(
                mcp,
                _Inbox(messages),
                _Outbox(messages),
                lifespan_state=services,
                init_options=mcp.create_initialization_options(),
            )


class _Messages:
    """The messages of a client, and its unanswered requests."""

    def __init__(self, server: RunsServer, incoming: Reading, outgoing: Writing) -> None:
        self.ended = False
        self._server = server
        self._incoming = incoming
        self._outgoing = outgoing
        self._kept: SessionMessage | Exception | None = None
        self._unanswered: set[RequestId] = set()
        self._answered = anyio.Event()

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message.

        Raises:
            EndOfStream: the input has ended.
        """
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        try:
            item = await anext(self._incoming)
        except (StopAsyncIteration, anyio.ClosedResourceError):
            await self._wait_for_last_answers()
            self.ended = True
            raise anyio.EndOfStream from None
        self._note(item)
        return item

    def keep(self, item: SessionMessage | Exception) -> None:
        """Return `item` from the next `receive`."""
        self._kept = item

    async def send(self, item: SessionMessage) -> None:
        """Send a message to the client."""
        await self._outgoing.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError) and item.message.id is not None:
            self._unanswered.discard(item.message.id)
            self._answered.set()

    def _note(self, item: SessionMessage | Exception) -> None:
        match item:
            case SessionMessage(message=JSONRPCRequest(id=request_id, method=method)):
                if method != "subscriptions/listen":  # its response comes when the subscription ends
                    self._unanswered.add(request_id)
            case SessionMessage(message=JSONRPCNotification(method="notifications/cancelled", params=params)):
                # MCP ("Cancellation"): the receiver of a cancellation sends no response.
                if (cancelled := cancelled_request_id_from_params(params)) is not None:
                    self._unanswered.discard(cancelled)

    async def _wait_for_last_answers(self) -> None:
        """Wait for the last responses before the end of the input cancels them. Calls that wait for runs return."""
        self._server.drain()
        with anyio.move_on_after(LAST_ANSWERS_S):
            while self._unanswered:
                self._answered = anyio.Event()
                await self._answered.wait()


class _Lent(AsyncResource):
    """A stream that stays open for the next connection when the SDK closes it."""

    def __init__(self, messages: _Messages) -> None:
        self._messages = messages

    async def aclose(self) -> None:
        """Do nothing."""


class _Inbox(_Lent, ObjectReceiveStream[SessionMessage | Exception]):
    """The messages of a connection, up to its end or to an `initialize` after it began in the modern era."""

    def __init__(self, messages: _Messages) -> None:
        super().__init__(messages)
        self._modern: bool | None = None

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message.

        Raises:
            EndOfStream: the connection has no further message.
        """
        item = await self._messages.receive()
        if request := _request(item):
            if self._modern and request.method == "initialize":
                self._messages.keep(item)
                raise anyio.EndOfStream
            if self._modern is None:
                self._modern = request.method != "initialize" and _has_envelope(request)
        return item


class _Outbox(_Lent, ObjectSendStream[SessionMessage]):
    """The messages sent by a connection."""

    async def send(self, item: SessionMessage) -> None:
        """Send a message to the client."""
        await self._messages.send(item)


def _request(item: SessionMessage | Exception) -> JSONRPCRequest | None:
    return item.message if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest) else None


def _has_envelope(request: JSONRPCRequest) -> bool:
    meta = (request.params or {}).get("_meta")
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta
