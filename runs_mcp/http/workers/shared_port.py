"""The service of several workers at one port."""

import multiprocessing
import sys
from contextlib import AsyncExitStack
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from runs_mcp.config.addresses import LOOPBACK_ADDRESS
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.http.drained_server import log_address
from runs_mcp.http.listener import metrics_served, service_at
from runs_mcp.http.server_sockets import server_sockets
from runs_mcp.http.workers.supervisor import Supervisor
from runs_mcp.http.workers.worker import WorkerSettings, run_worker
from runs_mcp.http.workers.worker_metrics import WorkerMetrics
from runs_mcp.observability.metrics import serve_registry


async def serve(config: Config, *, host: str, port: int, workers: int) -> None:
    """Serve MCP at `http://{host}:{port}/mcp` with several processes until this process is stopped.

    Raises:
        ConfigError: workers cannot share state, `host` is not loopback and callers are not authenticated, or `config`
            is unusable.
        CredentialError: the credential for the Runs API is missing.
        OSError: the port is in use or may not be opened, or a worker could not start.
    """
    check_can_share(config, workers)
    service_at(config, host)  # reports unusable settings once, instead of once by each worker
    async with AsyncExitStack() as listeners:
        # Without SO_REUSEPORT, which would let the system start a second service at the port.
        async with server_sockets(host, port) as unshared:
            port = unshared[0].getsockname()[1]
        loopback = [await listeners.enter_async_context(server_sockets(LOOPBACK_ADDRESS, 0)) for _ in range(workers)]
        settings = WorkerSettings(config, host, port, [listener for [listener] in loopback])
        metrics = WorkerMetrics()
        supervisor = Supervisor(partial(start_worker, settings), workers, metrics)
        with metrics_served(partial(serve_registry, metrics.registry), config.server.http.metrics_address):
            await supervisor.run(started=partial(log_address, host, port))


def check_can_share(config: Config, workers: int) -> None:
    """Raise an error unless workers can share state.

    Raises:
        ConfigError: there is no Redis, or the system is Windows.
    """
    if sys.platform == "win32":
        raise ConfigError(f"--workers {workers}: not available on Windows. Use several replicas behind a proxy.")
    if config.server.redis_url is None:
        raise ConfigError(
            f"--workers {workers}: server.redis_url is not set. Workers share streams, request keys, limits and "
            "questions in a Redis; without one, use --workers 1."
        )


async def start_worker(settings: WorkerSettings, number: int, link: Connection) -> BaseProcess:
    """Start a worker.

    Raises:
        OSError: the system has no memory, process or descriptor left.
    """
    # `spawn`, because a fork would copy the event loop and the threads of this process.
    process = multiprocessing.get_context("spawn").Process(
        target=run_worker, args=(settings, number, link), name=f"worker {number}", daemon=True
    )
    process.start()
    return process
