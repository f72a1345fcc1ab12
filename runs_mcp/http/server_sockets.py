"""The sockets at which a process accepts connections."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from socket import socket

import anyio
from anyio.abc import SocketAttribute

ACCEPTED_AT_ONCE = 16
"""Connections that a process accepts in one turn of its event loop."""


@asynccontextmanager
async def server_sockets(host: str, port: int, *, reuse_port: bool = False) -> AsyncIterator[Sequence[socket]]:
    """Listen at an address, one socket for each IP address of `host`, for the duration of the block.

    Raises:
        OSError: the port is in use or may not be opened.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port, reuse_port=reuse_port)
    except OSError as error:
        raise with_address(error, host, port) from None
    async with listener:
        yield [part.extra(SocketAttribute.raw_socket) for part in listener.listeners]  # noqa: S610 - anyio's method


def duplicated(sockets: Sequence[socket]) -> list[socket]:
    """Return duplicates of listening sockets, which share their queues of connections."""
    # libuv accepts a single connection of each socket in a turn. A turn of a busy process takes a tenth of a second,
    # so that 200 clients that connect at the same time would wait for 20 s.
    return [listener.dup() for listener in sockets for _ in range(ACCEPTED_AT_ONCE)]


def with_address(error: OSError, host: str, port: int, *, setting: str = "--port") -> OSError:
    """Return `error` with the address, and the option or setting that names it, in its message."""
    # The errors of `getaddrinfo`, such as an unknown host, have negative numbers of their own.
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    return OSError(error.errno, f"Cannot serve on {host}:{port} ({setting}): {reason}")
