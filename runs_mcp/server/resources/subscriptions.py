"""Notifications a client asks for: changes of `runs://{run_id}`, in both eras, and log messages.

2025-11-25 and before: `resources/subscribe`, until `resources/unsubscribe` or the end of the connection, and
`logging/setLevel`. 2026-07-28: `subscriptions/listen`, served by the SDK from the bus that the pollers publish to,
until that call ends; logging is deprecated there.
"""

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, ServerEvent, SubscriptionBus, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    LoggingLevel,
    NotificationParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from runs_mcp.api import NotFoundError, RunsApiError
from runs_mcp.server import params
from runs_mcp.server.context import Request, session_id
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.scopes import principal
from runs_mcp.server.render import error_messages
from runs_mcp.server.runs.run_poller import RunPollers
from runs_mcp.server.runs.uris import PARTS, SCHEME

MOST_UNSENT = 1_000
MAX_SUBSCRIPTIONS = 100
"""Resources that a connection of the handshake era, or one `subscriptions/listen`, can subscribe to."""
MAX_CALLER_SUBSCRIPTIONS = 1_000
"""Resources that all connections of a caller in the handshake era, or all its `subscriptions/listen`, can name."""
NOT_HELD = (
    "This connection cannot be notified: it sent no notifications/initialized, or has no session. "
    "Read runs again instead."
)


class Session:
    """The subscriptions and the log level of one connection of a client of 2025-11-25 or before."""

    def __init__(self, pollers: RunPollers, tasks: TaskGroup, caller: str | None = None) -> None:
        self.caller = caller
        self.log_level: LoggingLevel | None = None
        self._pollers = pollers
        self._tasks = tasks
        self._subscribed: dict[str, anyio.CancelScope] = {}

    def __contains__(self, uri: str) -> bool:
        return uri in self._subscribed

    @property
    def count(self) -> int:
        """Number of its subscriptions."""
        return len(self._subscribed)

    async def subscribe(self, run_id: str, uri: str) -> None:
        """Notify the client of changes of `uri` until `unsubscribe` or the end of the connection."""
        if uri not in self._subscribed:
            scope = self._subscribed[uri] = anyio.CancelScope()
            await self._tasks.start(self._poll, run_id, uri, scope)

    def unsubscribe(self, uri: str) -> None:
        """End the subscription to `uri`."""
        if scope := self._subscribed.pop(uri, None):
            scope.cancel()

    async def _poll(self, run_id: str, uri: str, scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
        begun = False
        try:
            with scope:
                async with self._pollers.polling({uri: run_id}):
                    begun = True
                    task_status.started()
                    await anyio.sleep_forever()
            if not begun:  # the client has unsubscribed before
                task_status.started()
        finally:
            if self._subscribed.get(uri) is scope:
                del self._subscribed[uri]


class Subscriptions:
    """The handlers of subscriptions and of log levels, and the connections of the handshake era that have either."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._bus = bus
        self._listen = ListenHandler(bus)
        self._sessions: dict[str, Session] = {}

    def log_level(self, ctx: Request) -> LoggingLevel | None:
        """Return the log level that the connection of a request has set."""
        session = self._sessions.get(session_id(ctx))
        return session.log_level if session else None

    async def listen(self, ctx: Request, asked: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Serve `subscriptions/listen`, and poll every run that it names until it ends."""
        uris = asked.notifications.resource_subscriptions or []
        runs = {uri: run_id for uri in uris if (run_id := _run_id(uri))}
        async with ctx.lifespan_context.pollers.polling(runs):
            return await self._listen(ctx, asked)

    async def hold_session(self, ctx: Request, _: NotificationParams) -> None:
        """Send one client of the handshake era the updates it subscribed to, until its connection ends.

        Handles `notifications/initialized`, and returns only at the end of the connection, where the SDK cancels it:
        the SDK's public API has no other sign of that end (`Connection.exit_stack` cannot be reached from a handler).
        A client that skips this notification, which the protocol requires, can call tools but not subscribe.
        """
        connection = session_id(ctx)
        if connection in self._sessions:
            return  # a repeated notification would start with no subscriptions, while those of the first continue
        send, events = anyio.create_memory_object_stream[ServerEvent](MOST_UNSENT)

        def enqueue(event: ServerEvent) -> None:
            if isinstance(event, ToolsListChanged) or (isinstance(event, ResourceUpdated) and event.uri in session):
                send.send_nowait(event)

        async with anyio.create_task_group() as tasks:
            session = self._sessions[connection] = Session(ctx.lifespan_context.pollers, tasks, principal(ctx))
            stop = self._bus.subscribe(enqueue)
            try:
                with send, events:
                    async for event in events:
                        if isinstance(event, ResourceUpdated):
                            await ctx.session.send_resource_updated(event.uri)
                        else:
                            await ctx.session.send_tool_list_changed()
            finally:
                stop()
                del self._sessions[connection]

    async def subscribe(self, ctx: Request, asked: SubscribeRequestParams) -> EmptyResult:
        """Answer `resources/subscribe`.

        Raises:
            MCPError: the URI is not a run's, there is no such run, the connection cannot be notified, or a limit is
                reached.
        """
        session = self._session(ctx)
        run_id = _run_id(asked.uri)
        if run_id is None:
            raise MCPError(INVALID_PARAMS, f"{asked.uri!r} cannot be subscribed to, only runs can: {SCHEME}{{run_id}}.")
        await _require_run(ctx, run_id)
        if asked.uri not in session:
            self._require_room(session)
        await session.subscribe(run_id, asked.uri)
        return EmptyResult()

    async def unsubscribe(self, ctx: Request, asked: UnsubscribeRequestParams) -> EmptyResult:
        """Answer `resources/unsubscribe`."""
        if session := self._sessions.get(session_id(ctx)):
            session.unsubscribe(asked.uri)
        return EmptyResult()

    async def set_level(self, ctx: Request, asked: SetLevelRequestParams) -> EmptyResult:
        """Answer `logging/setLevel`.

        Raises:
            MCPError: the connection cannot be notified.
        """
        self._session(ctx).log_level = asked.level
        return EmptyResult()

    def _session(self, ctx: Request) -> Session:
        session = self._sessions.get(session_id(ctx))
        if session is None:
            raise MCPError(INVALID_PARAMS, NOT_HELD)
        return session

    def _require_room(self, session: Session) -> None:
        if session.count >= MAX_SUBSCRIPTIONS:
            raise MCPError(INVALID_PARAMS, f"This connection has {MAX_SUBSCRIPTIONS} subscriptions; unsubscribe first.")
        if (
            sum(other.count for other in self._sessions.values() if other.caller == session.caller)
            >= MAX_CALLER_SUBSCRIPTIONS
        ):
            raise MCPError(INVALID_PARAMS, f"This caller has {MAX_CALLER_SUBSCRIPTIONS:,} subscriptions.")


async def _require_run(ctx: Request, run_id: str) -> None:
    try:
        await ctx.lifespan_context.runs.get_run(run_id, include_prompt=False)
    except NotFoundError:
        raise MCPError(INVALID_PARAMS, error_messages.no_such_run(run_id, offered_tools(ctx))) from None
    except RunsApiError as error:
        text = error_messages.explain("resources/subscribe", error, offered=offered_tools(ctx))
        raise MCPError(INTERNAL_ERROR, text) from None


def _run_id(uri: str) -> str | None:
    run_id, _, part = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or (part and part not in PARTS):
        return None
    try:
        return params.run_id(run_id)
    except ValueError:
        return None
