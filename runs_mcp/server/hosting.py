"""Serving MCP: over standard input and output, or over streamable HTTP."""

import logging
import signal
import socket
import sys
import time
from types import FrameType

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from typing_extensions import override

from runs_mcp.config import LOOPBACK, ConfigError
from runs_mcp.server import pipes
from runs_mcp.server.app import RunsServer

log = logging.getLogger(__name__)

PATH = "/mcp"
DRAIN_S = 5
"""Seconds that calls in flight have to end once the server was told to stop; streams that never end are cut then."""
FLUSH_S = 0.5
"""Seconds that the answer of a call has to get out."""
STOPPING = "stopping: calls in flight answer with how to go on"


async def serve_stdio(server: RunsServer) -> None:
    """Serve one client over standard input and output, until its input ends or the process is told to stop."""
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":  # where nothing but closing the input ends a process gently
            tasks.start_soon(_stop_when_told, server, tasks.cancel_scope)
        async with pipes.stdio(max_bytes=server.config.server.max_message_bytes) as (incoming, outgoing):
            await server.serve(incoming, outgoing)
        tasks.cancel_scope.cancel()


async def _stop_when_told(server: RunsServer, serving: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            break
        log.info(STOPPING)
        server.drain()
        with anyio.move_on_after(DRAIN_S):
            await server.idle()
        await anyio.sleep(FLUSH_S)
        serving.cancel()


async def serve_http(server: RunsServer, *, host: str, port: int) -> None:
    """Serve any number of clients at `http://{host}:{port}/mcp`, until told to stop.

    Raises:
        ConfigError: `host` is reachable from elsewhere, and nothing says who may call.
    """
    if host not in LOOPBACK:
        raise ConfigError(f"--host {host}: server.http.auth.kind is none, which serves loopback only (127.0.0.1).")
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        host=host,
        transport_security=_hosts(server.config.server.http.allowed_hosts),
        max_request_body_size=server.config.server.max_message_bytes,
    )
    settings = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_S
    )
    await _Server(settings, server).serve()


class _Server(uvicorn.Server):
    """A uvicorn that says where it serves, also when it chose the port, and drains calls before it stops."""

    def __init__(self, settings: uvicorn.Config, server: RunsServer) -> None:
        super().__init__(settings)
        self._server = server
        self._told_to_stop: float | None = None
        self._last_busy = 0.0

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._told_to_stop is not None:
            super().handle_exit(sig, frame)  # told twice: at once
            return
        log.info(STOPPING)
        self._told_to_stop = time.monotonic()
        self._server.drain()

    @override
    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if self._server.calls_in_flight:
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


def _hosts(allowed: tuple[str, ...]) -> TransportSecuritySettings:
    """Requests by any other name are refused: a web page could otherwise reach loopback by DNS rebinding."""
    names = ["127.0.0.1:*", "localhost:*", "[::1]:*"]
    origins = [f"http://{name}" for name in names]
    return TransportSecuritySettings(
        allowed_hosts=[*names, *allowed],
        allowed_origins=[*origins, *(f"{scheme}://{name}" for name in allowed for scheme in ("http", "https"))],
    )
