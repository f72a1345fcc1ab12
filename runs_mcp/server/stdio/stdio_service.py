"""The stdio service: a client over standard input and output, and the signals that stop it."""

import logging
import signal
import sys

import anyio

from runs_mcp.server.server import RunsServer
from runs_mcp.server.stdio import eras, pipes

log = logging.getLogger(__name__)

DRAIN_S = 5
"""Seconds within which calls in flight must end after a stop signal. Longer streams are cut."""
FLUSH_S = 0.5
"""Seconds for writing the last responses."""
STOPPING = "stopping: calls in flight return with instructions to continue"


async def serve_stdio(server: RunsServer) -> None:
    """Serve one client over standard input and output, until its input ends or the process gets a stop signal."""
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":  # Windows has no such signals; there the end of the input stops the process
            tasks.start_soon(_stop_on_signal, server, tasks.cancel_scope)
        async with pipes.stdio(max_bytes=server.config.server.max_message_bytes) as (incoming, outgoing):
            await eras.serve(server, incoming, outgoing)
        tasks.cancel_scope.cancel()


async def _stop_on_signal(server: RunsServer, serving: anyio.CancelScope) -> None:
    # SIGHUP: a closed terminal sends it, and its default action would end the process without responses.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            break
        log.info(STOPPING)
        server.drain()
        with anyio.move_on_after(DRAIN_S):
            await server.idle()
        await anyio.sleep(FLUSH_S)
        serving.cancel()
