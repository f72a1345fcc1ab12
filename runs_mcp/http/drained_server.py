"""The uvicorn server of the HTTP service: its settings, and the drain before it stops."""

import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from runs_mcp.http.app import PATH, Service
from runs_mcp.http.protocol import HttpProtocol
from runs_mcp.server.stdio.stdio_service import DRAIN_S, FLUSH_S, STOPPING

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Seconds for which an idle connection is kept: longer than common proxies, which would otherwise send a request on a
connection that is being closed, and answer 502."""


class DrainedServer(uvicorn.Server):
    """A uvicorn server that reports its sockets once it accepts connections, and drains calls before it stops."""

    def __init__(
        self, settings: uvicorn.Config, service: Service, started: Callable[[Sequence[socket.socket]], object]
    ) -> None:
        """`started` is called with the listening sockets."""
        super().__init__(settings)
        self.servers = []
        self._profile_servers = service.servers
        self._running = service.running
        self._started = started
        self._has_signal = False
        self._draining_since: float | None = None
        self._last_busy = 0.0

    def drain(self) -> None:
        """Answer the calls in flight, then stop. A server that drains already continues to do so."""
        if self._draining_since is None:
            log.info(STOPPING)
            self._draining_since = time.monotonic()
            self._profile_servers.drain()

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._has_signal:
            super().handle_exit(sig, frame)  # the second signal stops the server at once
            return
        self._has_signal = True
        self.drain()

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None, None, None]:
        """Drain on SIGHUP as well, which a closed terminal sends."""
        with super().capture_signals():
            if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
                yield
                return
            previous = signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, previous)

    @override
    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        if self._profile_servers.busy:
            self._last_busy = now
        if self._draining_since is not None:
            drained = now - max(self._draining_since, self._last_busy) > FLUSH_S
            # Not earlier: sse-starlette polls `should_exit` and cuts every open stream once it is true.
            self.should_exit = self.should_exit or drained or now - self._draining_since > DRAIN_S
        return await super().on_tick(counter) or self.should_exit

    @override
    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal arrives; an error of the servers behind the application ends the service.

        uvicorn's lifespan would log such an error and go on serving, or exit with a code of its own.
        """
        with self.capture_signals():  # also while the servers start and end
            async with self._running():
                try:
                    await super().serve(sockets)
                finally:
                    # After an error they are still open, and uvloop would wait for them.
                    for server in self.servers:
                        server.close()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started([listener for server in self.servers for listener in server.sockets])


def uvicorn_settings(app: ASGIApp) -> uvicorn.Config:
    """Return the settings of a server for `app`, which is given its sockets."""
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        lifespan="off",  # `DrainedServer.serve` runs the servers
        log_config=None,  # uvicorn's configuration would replace the handlers of `logs.configure`
        access_log=False,  # uvicorn's lines contain the query; see `AccessLog`
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def log_address(host: str, port: int) -> None:
    """Log the address of MCP."""
    log.info("serving MCP at %s%s", url_of(host, port), PATH)


def url_of(host: str, port: int) -> str:
    """Return the URL of an address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
