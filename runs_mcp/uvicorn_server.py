"""A uvicorn server that reports when it is ready."""

import socket
from collections.abc import Callable

import uvicorn
from typing_extensions import override


class NotifyingServer(uvicorn.Server):
    """A server that calls `started` once it accepts connections and handles signals."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._started = started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()
