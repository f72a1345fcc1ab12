"""Serving MCP over standard input and output."""

import logging
import signal
import sys

import anyio

from runs_mcp.server import pipes
from runs_mcp.server.server import RunsServer

log = logging.getLogger(__name__)

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
