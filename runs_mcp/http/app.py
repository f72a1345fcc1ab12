"""The ASGI application: the MCP endpoint and the layers in front of it."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from runs_mcp.config.http_settings import JwtAuthSettings, NoAuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.gcra import GcraLimiter, RateLimiter
from runs_mcp.http.auth.admission import require_authentication
from runs_mcp.http.auth.challenge import Challenge
from runs_mcp.http.auth.metadata import metadata_routes
from runs_mcp.http.auth.revocation import Revocation
from runs_mcp.http.auth.step_up import StepUp
from runs_mcp.http.auth.verifiers import build_verifier
from runs_mcp.http.layers import cors
from runs_mcp.http.layers.health import Health, Readiness
from runs_mcp.http.layers.hosts import HostCheck
from runs_mcp.http.layers.limits import ConcurrencyLimit, RateLimit, SubscriptionLimit
from runs_mcp.http.layers.message import MessageReader
from runs_mcp.http.layers.message_ids import MessageIds
from runs_mcp.http.layers.request_headers import RequestHeaders
from runs_mcp.http.layers.sessions import Sessions
from runs_mcp.http.profile_servers import Build, ProfileServers, share_nothing
from runs_mcp.http.replicas import connect_replicas
from runs_mcp.observability import access_log, request_id, tracing
from runs_mcp.observability.access_log import AccessLog
from runs_mcp.observability.caller_name import name_of
from runs_mcp.observability.metrics import Metrics, RequestCounter
from runs_mcp.observability.request_id import RequestId
from runs_mcp.observability.tracing import TraceContext
from runs_mcp.server.middleware.observers import Observers
from runs_mcp.server.server import build_server

PATH = "/mcp"
Clock = Callable[[], float]
Task = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Service:
    """The application, the servers behind it, and their metrics."""

    app: ASGIApp
    servers: ProfileServers
    metrics: Metrics | None
    running: Callable[[], AbstractAsyncContextManager[None]]
    """Runs the servers for the duration of a block; the lifespan of `app` does the same."""


def build_service(config: Config, *, host: str, build: Build = build_server, now: Clock = time.monotonic) -> Service:
    """Return the service for `config`, bound to `host`.

    Raises:
        ConfigError, CredentialError: the settings are unusable.
    """
    metrics = Metrics() if config.server.http.metrics else None
    traced = tracing.start()
    replicas = connect_replicas(config)
    share = replicas.shared_state if replicas else share_nothing
    servers = ProfileServers(config, _observers(metrics, traced=traced), build=build, share=share)
    if metrics:
        metrics.gauge(calls=lambda: servers.calls_in_flight, followed=lambda: servers.runs_followed)
    sessions = Sessions(MessageIds(servers), now=now)
    limiter = replicas.rate_limiter() if replicas else GcraLimiter(now)
    limited = _with_limits(sessions, config, limiter, servers)
    endpoint, watch = _with_authentication(limited, config, sessions)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with (
            replicas.running() if replicas else nullcontext(),
            servers.running(),
            anyio.create_task_group() as tasks,
        ):
            if watch:
                tasks.start_soon(watch)
            yield
            tasks.cancel_scope.cancel()

    app: ASGIApp = Starlette(routes=_routes(endpoint, servers, host=host), lifespan=lambda _: running())
    for layer in reversed(_layers(servers, metrics, traced=traced, now=now)):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return Service(app, servers, metrics, running)


def _observers(metrics: Metrics | None, *, traced: bool) -> Observers:
    return Observers(
        messages=[access_log.annotate, request_id.append_to_errors, *([metrics.count_call] if metrics else [])],
        exchanges=[
            request_id.forward,
            *([metrics.count_exchange] if metrics else []),
            *([tracing.trace_exchange] if traced else []),
        ],
        waits=[metrics.count_retry] if metrics else [],
    )


def _layers(servers: ProfileServers, metrics: Metrics | None, *, traced: bool, now: Clock) -> Sequence[Middleware]:
    """Return the layers in front of all routes, outermost first."""
    http = servers.config.server.http
    full = f"{http.max_requests:,} requests are being served already (server.http.max_requests)."
    return [
        # First, so that every response has an id, including those of the probes and of the limits.
        Middleware(RequestId),
        # Before the limits and the access log: a probe must succeed on a full server, and would flood the log.
        Middleware(Health, readiness=Readiness(servers, now)),
        Middleware(AccessLog),
        *([Middleware(RequestCounter, metrics=metrics)] if metrics else []),
        Middleware(ConcurrencyLimit, most=http.max_requests, reason=full),
        *([Middleware(TraceContext)] if traced else []),
        *([Middleware(cors.cors_middleware, settings=http)] if http.allowed_origins else []),
    ]


def _routes(endpoint: ASGIApp, servers: ProfileServers, *, host: str) -> list[Route]:
    """Return the routes of the endpoint and of the public metadata."""
    settings = servers.config.server
    # `streamable_http_app` is called for the session manager that it creates; the application it returns is not used.
    for server in servers:
        server.mcp.streamable_http_app(
            host=host,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # see HostCheck
            max_request_body_size=settings.max_message_bytes,
        )
    checked = RequestHeaders(HostCheck(endpoint, settings.http))
    # Many clients drop the body or the Authorization header when they follow a redirect, so /mcp/ is a route as well.
    routes = [Route(path, endpoint=checked) for path in (PATH, f"{PATH}/")]
    if isinstance(settings.http.auth, JwtAuthSettings):
        routes += metadata_routes(settings.http.auth, manages=servers.config.manages)
    return routes


def _with_authentication(app: ASGIApp, config: Config, sessions: Sessions) -> tuple[ASGIApp, Task | None]:
    """Return `app` behind the authentication of callers, and the task that checks credentials in use."""
    auth = config.server.http.auth
    if isinstance(auth, NoAuthSettings):
        return app, None
    verifier = build_verifier(auth)
    revocation = Revocation(app, verifier, sessions)
    return require_authentication(revocation, config, verifier), revocation.watch


def _with_limits(app: ASGIApp, config: Config, limiter: RateLimiter, servers: ProfileServers) -> ASGIApp:
    """Return `app` behind the limits of each caller and the check of its scopes."""
    settings = config.server
    app = SubscriptionLimit(app)
    if not isinstance(settings.http.auth, NoAuthSettings):
        app = StepUp(app, servers.scope_of, Challenge(settings.http.auth))
    if settings.http.rate_limit or any(profile.rate_limit for profile in config.profiles.values()):
        app = RateLimit(app, limiter, settings.http.rate_limit)
    # Half, so that a single caller with many streams cannot lock out the others.
    most = max(settings.http.max_requests // 2, 1)
    reason = f"{most:,} requests of this caller are being served already (half of server.http.max_requests)."
    return ConcurrencyLimit(MessageReader(app, settings.max_message_bytes), most, key=name_of, reason=reason)
