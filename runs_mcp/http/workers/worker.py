"""A worker: a process that serves MCP at a port that it shares with other workers."""

import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

import anyio
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from runs_mcp import event_loop
from runs_mcp.config.addresses import LOOPBACK_ADDRESS
from runs_mcp.config.settings import Config
from runs_mcp.http.drained_server import DrainedServer, uvicorn_settings
from runs_mcp.http.listener import service_at
from runs_mcp.http.server_sockets import duplicated, server_sockets
from runs_mcp.http.workers.session_forwarder import SessionForwarder
from runs_mcp.observability import logs
from runs_mcp.observability.metrics import Metrics


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of all workers; they reach a worker through a pipe, and appear in no command line or variable."""

    config: Config
    host: str
    port: int
    """The port that the workers share."""
    loopback: Sequence[socket.socket]
    """For each worker, the listening socket at which other workers reach it."""


def run_worker(settings: WorkerSettings, number: int, link: Connection) -> None:
    """Serve clients until the process gets a signal or the supervisor closes `link`, its end of a pipe."""
    # Every process of a terminal gets its Ctrl+C, which would print a traceback until the server handles the signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(settings.config.log_level)
    with logs.Context(worker=str(number)):
        event_loop.run(partial(_serve, settings, number, link))


async def _serve(settings: WorkerSettings, number: int, link: Connection) -> None:
    service = service_at(settings.config, settings.host)
    ports = [listener.getsockname()[1] for listener in settings.loopback]
    async with AsyncExitStack() as stack:
        if service.metrics:
            stack.enter_context(service.metrics.warnings_counted())
        app = await stack.enter_async_context(SessionForwarder(service.app, number, ports))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        server = DrainedServer(
            uvicorn_settings(_trusting_workers(app)),
            service,
            started=lambda _: tasks.start_soon(_answer, link, server, service.metrics),
        )
        # The system spreads connections evenly over the sockets that listen at the port. If the workers shared one, one
        # of them could accept most connections of a burst, and keep their sessions. The socket opens last, because
        # connections to a worker that starts would wait.
        public = await stack.enter_async_context(server_sockets(settings.host, settings.port, reuse_port=True))
        await server.serve(duplicated([*public, settings.loopback[number]]))
        tasks.cancel_scope.cancel()


def _trusting_workers(app: ASGIApp) -> ASGIApp:
    """Return an application that takes the client's address from requests that other workers forward."""
    # uvicorn trusts loopback only if `FORWARDED_ALLOW_IPS` is not set. Its types are narrower than those of Starlette.
    return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=LOOPBACK_ADDRESS))


async def _answer(link: Connection, server: DrainedServer, metrics: Metrics | None) -> None:
    """Answer each message of the supervisor with the metrics; drain once the supervisor closes `link` or is gone."""
    try:
        while True:
            await anyio.wait_readable(link)
            link.recv_bytes()
            link.send(list(metrics.registry.collect()) if metrics else [])
    except (EOFError, OSError):
        server.drain()
