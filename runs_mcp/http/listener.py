"""The process that serves MCP over Streamable HTTP."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

import uvicorn
from typing_extensions import override

from runs_mcp.config.addresses import LOOPBACK
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.http.app import PATH, build_service
from runs_mcp.http.protocol import HttpProtocol
from runs_mcp.http.request_headers import MAX_HEADER_BYTES
from runs_mcp.http.tenants import Build, Tenants
from runs_mcp.observability.metrics import Metrics
from runs_mcp.server.server import build_server
from runs_mcp.server.stdio.stdio_service import DRAIN_S, FLUSH_S, STOPPING

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Seconds for which an idle connection is kept: longer than common proxies, which would otherwise send a request on a
connection that is being closed, and answer 502."""


async def serve(config: Config, *, host: str, port: int, build: Build = build_server) -> None:
    """Serve MCP at `http://{host}:{port}/mcp` until the process is stopped; `build` creates the servers.

    Raises:
        ConfigError: `host` is not loopback and callers are not authenticated, or `config` is unusable.
        CredentialError: the credential for the Runs API is missing.
        OSError: the port is in use or may not be opened.
    """
    if host not in LOOPBACK and config.server.http.auth.kind == "none":
        raise ConfigError(
            f"--host {host}: server.http.auth.kind is none, which serves loopback only (127.0.0.1). "
            "Set it to bearer or jwt to authenticate callers."
        )
    service = build_service(config, host=host, build=build)
    settings = uvicorn.Config(
        service.app,
        host=host,
        port=port,
        http=HttpProtocol,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,  # refused while they arrive, before `RequestHeaders` counts
        log_config=None,  # uvicorn's configuration would replace the handlers of `logs.configure`
        access_log=False,  # uvicorn's lines contain the query; see `AccessLog`
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    with _metrics_served(service.metrics, config.server.http.metrics_address):
        await _Server(settings, service.tenants).serve()


@contextmanager
def _metrics_served(metrics: Metrics | None, address: tuple[str, int] | None) -> Iterator[None]:
    if metrics is None or address is None:
        yield
        return
    with ExitStack() as serving:
        try:
            host, port = serving.enter_context(metrics.serve(*address))
        except OSError as error:
            raise _with_address(error, *address) from None
        log.info("serving metrics at %s/metrics", _url(host, port))
        yield


class _Server(uvicorn.Server):
    """A uvicorn server that logs its address, even if the system chose the port, and drains calls before it stops."""

    def __init__(self, settings: uvicorn.Config, tenants: Tenants) -> None:
        super().__init__(settings)
        self._tenants = tenants
        self._stopping_since: float | None = None
        self._last_busy = 0.0

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stopping_since is not None:
            super().handle_exit(sig, frame)  # the second signal stops the server at once
            return
        log.info(STOPPING)
        self._stopping_since = time.monotonic()
        self._tenants.drain()

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
        if self._tenants.busy:
            self._last_busy = now
        if self._stopping_since is not None:
            drained = now - max(self._stopping_since, self._last_busy) > FLUSH_S
            # Not earlier: sse-starlette polls `should_exit` and cuts every open stream once it is true.
            self.should_exit = self.should_exit or drained or now - self._stopping_since > DRAIN_S
        return await super().on_tick(counter) or self.should_exit

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as exit_request:  # uvicorn logs the OSError and exits the process
            error = exit_request.__context__
            if isinstance(error, OSError):
                raise _with_address(error, self.config.host, self.config.port) from None
            raise
        for listener in (listener for server in self.servers for listener in server.sockets):
            log.info("serving MCP at %s%s", _url(*listener.getsockname()[:2]), PATH)


def _with_address(error: OSError, host: str, port: int) -> OSError:
    """Return `error` with the address in its message."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OSError(error.errno, f"Cannot serve on {host}:{port}: {reason}")


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
