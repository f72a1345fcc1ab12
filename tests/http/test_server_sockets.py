"""Sockets of the server: a burst of connections is accepted within a few turns of the event loop."""

import asyncio  # noqa: TID251 - servers of the event loop itself, as uvicorn starts them
import socket
from contextlib import ExitStack

import anyio
import anyio.lowlevel

from runs_mcp.http.server_sockets import ACCEPTED_AT_ONCE, duplicated, server_sockets

TURNS = 3


async def accepted_in_some_turns() -> int:
    """Connect many clients while the event loop is busy, and return how many it accepts in its next turns."""
    accepted: list[asyncio.Protocol] = []

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(self)
            transport.close()

    loop = asyncio.get_running_loop()
    async with server_sockets("127.0.0.1", 0) as sockets:
        servers = [await loop.create_server(Accepted, sock=duplicate) for duplicate in duplicated(sockets)]
        with ExitStack() as clients:
            for _ in range(ACCEPTED_AT_ONCE):
                clients.enter_context(socket.create_connection(sockets[0].getsockname()))
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
        for server in servers:
            server.close()
    return len(accepted)


def test_a_burst_of_connections_is_accepted_in_a_few_turns() -> None:
    assert anyio.run(accepted_in_some_turns, backend_options={"use_uvloop": True}) == ACCEPTED_AT_ONCE
