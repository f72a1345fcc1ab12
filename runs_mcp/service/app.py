"""The ASGI application: the MCP endpoint, and what stands before it."""

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from runs_mcp.server.app import RunsServer

PATH = "/mcp"


def build_app(server: RunsServer, *, host: str) -> Starlette:
    """What serves `server` at `/mcp`, to clients that reach it as `host`."""
    return server.streamable_http_app(
        streamable_http_path=PATH,
        host=host,
        transport_security=_hosts(server.config.server.http.allowed_hosts),
        max_request_body_size=server.config.server.max_message_bytes,
    )


def _hosts(allowed: tuple[str, ...]) -> TransportSecuritySettings:
    """Requests by any other name are refused: a web page could otherwise reach loopback by DNS rebinding."""
    names = ["127.0.0.1:*", "localhost:*", "[::1]:*"]
    origins = [f"http://{name}" for name in names]
    return TransportSecuritySettings(
        allowed_hosts=[*names, *allowed],
        allowed_origins=[*origins, *(f"{scheme}://{name}" for name in allowed for scheme in ("http", "https"))],
    )
