"""The servers of the service: an MCP server for each profile, with its own API client and state.

Caches, connection pools and sessions therefore need not know about profiles, and cannot mix them up.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import Receive, Scope, Send

from runs_mcp.api import SetupError, connect
from runs_mcp.config import http_settings
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.server.middleware.observers import NO_OBSERVERS, Observers
from runs_mcp.server.permissions.scopes import Caller, caller_of
from runs_mcp.server.runs.shared_state import SharedState
from runs_mcp.server.server import RunsServer, build_server

log = logging.getLogger(__name__)

Build = Callable[[Config, Observers, SharedState], RunsServer]
"""Creates the server of a profile."""
Share = Callable[[Config, str | None], SharedState]
"""Returns the state that the server of a profile shares with the servers of other replicas."""


def share_nothing(_: Config, __: str | None) -> SharedState:
    """Return the state of a service with a single replica."""
    return SharedState()


class ProfileServers:
    """The servers of a process, one per profile and one for callers without a profile. They share no state.

    As an ASGI application, it passes each request to the server of its caller.
    """

    def __init__(
        self,
        config: Config,
        observers: Observers = NO_OBSERVERS,
        *,
        build: Build = build_server,
        share: Share = share_nothing,
    ) -> None:
        """Raises: ConfigError, SetupError: the settings of a profile are unusable; the text names the profile."""
        self.config = config
        profiles = [*config.profiles, None] if config.serves_unmatched_callers else [*config.profiles]
        self._servers = {profile: _server(config, profile, observers, build, share) for profile in profiles}

    def __iter__(self) -> Iterator[RunsServer]:
        return iter(self._servers.values())

    @property
    def calls_in_flight(self) -> int:
        """The number of tool calls that have not been answered yet."""
        return sum(server.calls_in_flight for server in self)

    @property
    def busy(self) -> bool:
        """True while a tool call has not been answered, or the API has not answered a create."""
        return any(server.busy for server in self)

    @property
    def runs_followed(self) -> int:
        """The number of runs whose stream is read or that are polled."""
        return sum(server.services.hub.count for server in self if server.services)

    @property
    def draining(self) -> bool:
        """True if the service is about to stop."""
        return any(server.draining for server in self)

    def drain(self) -> None:
        """Make calls that wait for runs return at once, because the service is about to stop."""
        for server in self:
            server.drain()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the servers for the duration of the block."""
        async with AsyncExitStack() as stack:
            for server in self:
                await stack.enter_async_context(server.mcp.session_manager.run())  # needs `streamable_http_app` first
            yield

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request to the server of its caller."""
        return self._server_of(caller_of(scope)).mcp.session_manager.handle_request(scope, receive, send)

    async def scope_of(self, caller: Caller, tool: str) -> http_settings.Scope | None:
        """Return the scope that a tool of the caller's server needs; None if it has no such tool."""
        return await self._server_of(caller).calls.scope_of(tool)

    def _server_of(self, caller: Caller | None) -> RunsServer:
        return self._servers[caller.profile if caller else None]


def _server(config: Config, profile: str | None, observers: Observers, build: Build, share: Share) -> RunsServer:
    own = config.of(profile)
    try:
        connect(own.api)  # reports a missing credential at the start instead of at the first call
        return build(own, observers, share(own, profile))
    except (ConfigError, SetupError) as error:
        raise type(error)(f"profiles.{profile}: {error}" if profile else str(error)) from None
