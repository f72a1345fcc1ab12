"""The ASGI application: the MCP endpoint, and what stands before it."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from mcp.server.transport_security import RequestBodyLimitMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from runs_mcp.config.http_settings import JwtAuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.http import cors
from runs_mcp.http.auth.metadata import metadata_routes
from runs_mcp.http.auth.middleware import guarded
from runs_mcp.http.health import Health, Readiness
from runs_mcp.http.limits import InFlight, RateLimit, RateLimiter, TokenBuckets
from runs_mcp.http.replicas import fleet
from runs_mcp.http.tenants import Build, Tenants, by_itself
from runs_mcp.observability import access_log, request_id, tracing
from runs_mcp.observability.access_log import AccessLog
from runs_mcp.observability.metrics import CountedRequests, Metrics
from runs_mcp.observability.request_id import RequestId
from runs_mcp.observability.tracing import CallersTrace
from runs_mcp.server.observers import Observers
from runs_mcp.server.server import build_server

PATH = "/mcp"
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Service:
    """The application, the servers behind it, and what is measured of both."""

    app: ASGIApp
    tenants: Tenants
    metrics: Metrics | None


def build_service(config: Config, *, host: str, build: Build = build_server, now: Clock = time.monotonic) -> Service:
    """What serves MCP at `/mcp` as `config` says, to clients that reach it as `host` and may call.

    Raises:
        ConfigError, CredentialError: the settings cannot work.
    """
    metrics = Metrics() if config.server.http.metrics else None
    traced = tracing.start()
    replicas = fleet(config)
    share = replicas.sharing if replicas else by_itself
    tenants = Tenants(config, _observers(metrics, traced=traced), build=build, share=share)
    if metrics:
        metrics.gauge(tenants)
    app: ASGIApp = _routes(tenants, replicas.rates() if replicas else TokenBuckets(now), host=host)
    for layer in reversed(_layers(tenants, metrics, traced=traced, now=now)):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return Service(app, tenants, metrics)


def _observers(metrics: Metrics | None, *, traced: bool) -> Observers:
    return Observers(
        messages=[access_log.noted, request_id.quoted_in_errors, *([metrics.count_call] if metrics else [])],
        exchanges=[
            request_id.forwarded,
            *([metrics.count_exchange] if metrics else []),
            *([tracing.traced] if traced else []),
        ],
        waits=[metrics.count_retry] if metrics else [],
        spans=traced,
    )


def _layers(tenants: Tenants, metrics: Metrics | None, *, traced: bool, now: Clock) -> Sequence[Middleware]:
    """What stands before all routes, in the order that a request passes it."""
    http = tenants.config.server.http
    return [
        Middleware(RequestId),
        Middleware(Health, readiness=Readiness(tenants, now)),
        Middleware(AccessLog),
        *([Middleware(CountedRequests, metrics=metrics)] if metrics else []),
        Middleware(InFlight, most=http.max_requests),
        *([Middleware(CallersTrace)] if traced else []),
        *([Middleware(cors.preflights, settings=http)] if http.allowed_origins else []),
    ]


def _routes(tenants: Tenants, limiter: RateLimiter, *, host: str) -> Starlette:
    """The endpoint, behind its admission and the limits of each caller, and what may be read of it without."""
    settings = tenants.config.server
    for server in tenants.servers:  # makes its session manager; the application around it is this one
        server.mcp.streamable_http_app(
            host=host,
            transport_security=cors.checked(settings.http),
            max_request_body_size=settings.max_message_bytes,
        )
    routes = [Route(PATH, endpoint=guarded(_limited(tenants, limiter), tenants.config))]
    if isinstance(settings.http.auth, JwtAuthSettings):
        routes += metadata_routes(settings.http.auth)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with aclosing(limiter), tenants.running():
            yield

    return Starlette(routes=routes, lifespan=lifespan)


def _limited(tenants: Tenants, limiter: RateLimiter) -> ASGIApp:
    settings = tenants.config.server
    rates = [settings.http.rate_limit, *(profile.rate_limit for profile in tenants.config.profiles.values())]
    if not any(rates):
        return tenants
    return RequestBodyLimitMiddleware(RateLimit(tenants, limiter, settings.http.rate_limit), settings.max_message_bytes)
