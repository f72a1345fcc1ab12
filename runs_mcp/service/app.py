"""The ASGI application: the MCP endpoint, and what stands before it."""

from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route

from runs_mcp.config import HttpSettings, JwtAuthSettings
from runs_mcp.service.admission import guarded
from runs_mcp.service.metadata import metadata_routes
from runs_mcp.service.tenants import Tenants

PATH = "/mcp"


def build_app(tenants: Tenants, *, host: str) -> Starlette:
    """What serves `tenants` at `/mcp`, to clients that reach it as `host` and may call.

    Raises:
        ConfigError: a file that says who may call cannot be used.
    """
    settings = tenants.config.server
    for server in tenants.servers:  # makes its session manager; the application around it is this one
        server.streamable_http_app(
            host=host,
            transport_security=_hosts(settings.http),
            max_request_body_size=settings.max_message_bytes,
        )
    routes = [Route(PATH, endpoint=guarded(tenants, tenants.config))]
    if isinstance(settings.http.auth, JwtAuthSettings):
        routes += metadata_routes(settings.http.auth)
    return Starlette(routes=routes, lifespan=lambda _: tenants.running())


def _hosts(http: HttpSettings) -> TransportSecuritySettings:
    """Requests by any other name are refused: a web page could otherwise reach loopback by DNS rebinding."""
    names = ["127.0.0.1:*", "localhost:*", "[::1]:*"]
    origins = [f"http://{name}" for name in names]
    public = [urlsplit(http.auth.resource_url).netloc] if isinstance(http.auth, JwtAuthSettings) else []
    allowed = [*http.allowed_hosts, *public]
    return TransportSecuritySettings(
        allowed_hosts=[*names, *allowed],
        allowed_origins=[*origins, *(f"{scheme}://{name}" for name in allowed for scheme in ("http", "https"))],
    )
