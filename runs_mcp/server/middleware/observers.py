"""Observers of a server: the interface through which metrics, traces and logs attach to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerMiddleware

from runs_mcp.api import Observe, OnWait


@dataclass(frozen=True, slots=True)
class Observers:
    """Observers of messages and of requests to the Runs API, without cost while they are empty."""

    messages: Sequence[ServerMiddleware[Any]] = ()
    """Middleware around every message of a client, outermost first."""
    exchanges: Sequence[Observe] = ()
    """Called with every request to the Runs API."""
    waits: Sequence[OnWait] = ()
    """Called before a request is repeated, with the reason."""


NO_OBSERVERS = Observers()
