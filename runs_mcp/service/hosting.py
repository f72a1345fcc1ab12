"""Serving MCP over streamable HTTP, until told to stop."""

import logging
import socket
import time
from types import FrameType

import uvicorn
from typing_extensions import override

from runs_mcp.config import LOOPBACK, Config, ConfigError
from runs_mcp.server import build_server
from runs_mcp.server.hosting import DRAIN_S, FLUSH_S, STOPPING
from runs_mcp.service.app import PATH, build_app
from runs_mcp.service.tenants import Build, Tenants

log = logging.getLogger(__name__)


async def serve(config: Config, *, host: str, port: int, build: Build = build_server) -> None:
    """Serve any number of clients at `http://{host}:{port}/mcp`, until told to stop; `build` makes the server of each
    profile.

    Raises:
        ConfigError: `host` is reachable from elsewhere, and nothing says who may call; or `config` cannot work.
        CredentialError: there is no credential for the Runs API.
    """
    if host not in LOOPBACK and config.server.http.auth.kind == "none":
        raise ConfigError(
            f"--host {host}: server.http.auth.kind is none, which serves loopback only (127.0.0.1). "
            "Set it to bearer or jwt to say who may call."
        )
    tenants = Tenants(config, build)
    app = build_app(tenants, host=host)
    settings = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_S
    )
    await _Server(settings, tenants).serve()


class _Server(uvicorn.Server):
    """A uvicorn that says where it serves, also when it chose the port, and drains calls before it stops."""

    def __init__(self, settings: uvicorn.Config, tenants: Tenants) -> None:
        super().__init__(settings)
        self._tenants = tenants
        self._told_to_stop: float | None = None
        self._last_busy = 0.0

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._told_to_stop is not None:
            super().handle_exit(sig, frame)  # told twice: at once
            return
        log.info(STOPPING)
        self._told_to_stop = time.monotonic()
        self._tenants.drain()

    @override
    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if self._tenants.calls_in_flight:
            self._last_busy = now
        if self._told_to_stop is not None:
            answered = now - max(self._told_to_stop, self._last_busy) > FLUSH_S
            # Only now, since what serves the streams cuts them once it sees this.
            self.should_exit = self.should_exit or answered or now - self._told_to_stop > DRAIN_S
        return await super().on_tick(counter) or self.should_exit

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in (one for server in self.servers for one in server.sockets):
            host, port, *_ = listener.getsockname()
            log.info("serving MCP at http://%s:%s%s", f"[{host}]" if ":" in host else host, port, PATH)
