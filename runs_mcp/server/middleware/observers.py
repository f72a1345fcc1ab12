"""Observers of a server: metrics, traces and logs attach here, and the server does not know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerMiddleware

from runs_mcp.api import Observe, OnWait


@dataclass(frozen=True, slots=True)
class Observers:
    """Observers of messages and of requests to the Runs API; both are empty by default, which costs nothing."""

    messages: Sequence[ServerMiddleware[Any]] = ()
    """Middleware around every message of a client, outermost first."""
    exchanges: Sequence[Observe] = ()
    """Called with every request to the Runs API."""
    waits: Sequence[OnWait] = ()
    """Called before a request is repeated, with the reason."""


NO_OBSERVERS = Observers()
