"""A uvicorn that says when it serves: not before it hears when it is told to stop."""

import socket
from collections.abc import Callable

import uvicorn
from typing_extensions import override


class Announcing(uvicorn.Server):
    """Calls `started` once it can be reached."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._started = started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()
