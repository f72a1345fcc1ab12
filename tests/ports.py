"""Ports of this machine."""

import socket

import anyio

LOOPBACK = "127.0.0.1"
START_S = 30


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    listeners = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


async def wait_for_server(port: int) -> None:
    """Wait until a server listens at `port`.

    Raises:
        TimeoutError: no server listens in time.
    """
    with anyio.fail_after(START_S):
        while True:
            try:
                stream = await anyio.connect_tcp(LOOPBACK, port)
            except OSError:
                await anyio.sleep(0.02)  # nothing else shows that the server listens
                continue
            await stream.aclose()
            return
