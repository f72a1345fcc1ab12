"""Serving MCP: over standard input and output, or over streamable HTTP."""

import logging
import socket

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from typing_extensions import override

from runs_mcp.config import ConfigError
from runs_mcp.server.app import RunsServer

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATH = "/mcp"


async def serve_stdio(server: RunsServer) -> None:
    """Serve one client over standard input and output, until its input ends."""
    await server.run_stdio_async()


async def serve_http(server: RunsServer, *, host: str, port: int) -> None:
    """Serve any number of clients at `http://{host}:{port}/mcp`, until told to stop.

    Raises:
        ConfigError: `host` is reachable from elsewhere, and nothing says who may call.
    """
    if host not in LOOPBACK:
        raise ConfigError(f"--host {host}: server.http.auth.kind is none, which serves loopback only (127.0.0.1).")
    app = server.streamable_http_app(
        streamable_http_path=PATH, host=host, transport_security=_hosts(server.config.server.http.allowed_hosts)
    )
    await _Server(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False)).serve()


class _Server(uvicorn.Server):
    """A uvicorn that says where it serves, also when it chose the port."""

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in (one for server in self.servers for one in server.sockets):
            host, port, *_ = listener.getsockname()
            log.info("serving MCP at http://%s:%s%s", f"[{host}]" if ":" in host else host, port, PATH)


def _hosts(allowed: tuple[str, ...]) -> TransportSecuritySettings:
    """Requests by any other name are refused: a web page could otherwise reach loopback by DNS rebinding."""
    names = ["127.0.0.1:*", "localhost:*", "[::1]:*"]
    origins = [f"http://{name}" for name in names]
    return TransportSecuritySettings(
        allowed_hosts=[*names, *allowed],
        allowed_origins=[*origins, *(f"{scheme}://{name}" for name in allowed for scheme in ("http", "https"))],
    )
