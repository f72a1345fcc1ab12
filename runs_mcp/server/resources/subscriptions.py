"""What a client asks to be told of beside its answers: changes of `runs://{run_id}`, in both eras, and log messages.

2025-11-25 and before: `resources/subscribe`, until `resources/unsubscribe` or the end of the connection, and
`logging/setLevel`. 2026-07-28: `subscriptions/listen`, which the SDK serves from the bus that the watchers publish to,
until that call is over; there logging is deprecated.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.subscriptions import ResourceUpdated, ServerEvent, SubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, EmptyResult, LoggingLevel
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from runs_mcp.api import NotFoundError, RunsApiError
from runs_mcp.server import params
from runs_mcp.server.context import Services
from runs_mcp.server.progress import LEVELS
from runs_mcp.server.render import error_messages
from runs_mcp.server.runs.run_poller import Watchers
from runs_mcp.server.runs.uris import PARTS, SCHEME

MOST_UNSENT = 1_000
Request = ServerRequestContext[Services, Any]


class Session:
    """What one connection of a client of 2025-11-25 or before has asked to be told of."""

    def __init__(self, watchers: Watchers, tasks: TaskGroup) -> None:
        self.log_level: LoggingLevel | None = None
        self._watchers = watchers
        self._tasks = tasks
        self._subscribed: dict[str, anyio.CancelScope] = {}

    def __contains__(self, uri: str) -> bool:
        return uri in self._subscribed

    async def subscribe(self, run_id: str, uri: str) -> None:
        """Watch `uri` until it is left or the connection ends."""
        if uri not in self._subscribed:
            await self._tasks.start(self._hold, run_id, uri)

    def leave(self, uri: str) -> None:
        """Watch `uri` no longer."""
        if scope := self._subscribed.pop(uri, None):
            scope.cancel()

    async def _hold(self, run_id: str, uri: str, *, task_status: TaskStatus[None]) -> None:
        with anyio.CancelScope() as scope:
            self._subscribed[uri] = scope
            async with self._watchers.watching(run_id, uri):
                task_status.started()
                await anyio.sleep_forever()


class Subscriptions:
    """The connections that can subscribe, and the bus over which they are told."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._bus = bus
        self._sessions: dict[str, Session] = {}

    async def serve(self, ctx: Request, call_next: CallNext) -> HandlerResult:
        """Answer what asks to be told; pass everything else on."""
        match ctx.method:
            case "initialize" | "server/discover":
                return _announced(ctx, await call_next(ctx))
            case "subscriptions/listen":
                async with _watching_all(ctx):
                    return await call_next(ctx)
            case _ if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
                return await call_next(ctx)
            case _:
                return await self._serve_session(ctx, call_next)

    async def _serve_session(self, ctx: Request, call_next: CallNext) -> HandlerResult:
        session, asked = self._sessions.get(_session_id(ctx)), ctx.params or {}
        match ctx.method:
            case "notifications/initialized":
                await call_next(ctx)
                await self._hold_session(ctx)
                return None
            case "resources/subscribe":
                await _subscribe(ctx, _told(session), str(asked.get("uri")))
                return EmptyResult()
            case "resources/unsubscribe":
                if session:
                    session.leave(str(asked.get("uri")))
                return EmptyResult()
            case "logging/setLevel":
                _told(session).log_level = _level(asked.get("level"))
                return EmptyResult()
            case _ if session and session.log_level:
                here = replace(ctx.lifespan_context, log_level=session.log_level)
                return await call_next(replace(ctx, lifespan_context=here))
            case _:
                return await call_next(ctx)

    async def _hold_session(self, ctx: Request) -> None:
        """Tell one client of what it subscribed to. The SDK cancels this when the connection ends."""
        send, events = anyio.create_memory_object_stream[str](MOST_UNSENT)
        session_id = _session_id(ctx)

        def listen(event: ServerEvent) -> None:
            if isinstance(event, ResourceUpdated) and event.uri in session:
                send.send_nowait(event.uri)

        async with anyio.create_task_group() as tasks:
            session = self._sessions[session_id] = Session(ctx.lifespan_context.watchers, tasks)
            leave = self._bus.subscribe(listen)
            try:
                with send, events:
                    async for uri in events:
                        await ctx.session.send_resource_updated(uri)
            finally:
                leave()
                del self._sessions[session_id]


def _told(session: Session | None) -> Session:
    if session is None:
        raise MCPError(INVALID_PARAMS, "This connection cannot be told of anything. Read runs again instead.")
    return session


async def _subscribe(ctx: Request, session: Session, uri: str) -> None:
    run_id = _run_id(uri)
    if run_id is None:
        raise MCPError(INVALID_PARAMS, f"{uri!r} cannot be subscribed to, only runs can: {SCHEME}{{run_id}}.")
    try:
        await ctx.lifespan_context.runs.get_run(run_id)
    except NotFoundError:
        raise MCPError(INVALID_PARAMS, f"There is no run {run_id!r}. list_runs shows the ids there are.") from None
    except RunsApiError as error:
        raise MCPError(INTERNAL_ERROR, error_messages.explain("resources/subscribe", error, changes=False)) from None
    await session.subscribe(run_id, uri)


def _level(given: Any) -> LoggingLevel:
    for level in LEVELS:
        if given == level:
            return level
    raise MCPError(INVALID_PARAMS, f"There is no level {given!r}. There are {', '.join(LEVELS)}.")


@asynccontextmanager
async def _watching_all(ctx: Request) -> AsyncIterator[None]:
    """Watch every run that a `subscriptions/listen` names."""
    wanted = (ctx.params or {}).get("notifications")
    uris = wanted.get("resourceSubscriptions") if isinstance(wanted, Mapping) else None
    async with AsyncExitStack() as stack:
        for uri in dict.fromkeys(str(uri) for uri in uris or ()):
            if run_id := _run_id(uri):
                await stack.enter_async_context(ctx.lifespan_context.watchers.watching(run_id, uri))
        yield


def _announced(ctx: Request, answer: HandlerResult) -> HandlerResult:
    """`answer`, with what the SDK cannot know: runs can be subscribed to, and lists never say that they changed."""
    if isinstance(answer, dict):
        capabilities = answer["capabilities"]
        for kind in ("prompts", "resources", "tools"):
            capabilities[kind]["listChanged"] = False
        capabilities["resources"]["subscribe"] = True
        if ctx.method == "initialize":
            capabilities["logging"] = {}
    return answer


def _session_id(ctx: Request) -> str:
    """What tells the connections of a process apart: over HTTP the id of the session; over stdio there is one."""
    headers = getattr(ctx.request, "headers", None)
    return str(headers.get("mcp-session-id", "")) if headers is not None else ""


def _run_id(uri: str) -> str | None:
    run_id, _, part = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or (part and part not in PARTS):
        return None
    try:
        return params.run_id(run_id)
    except ValueError:
        return None
