"""Who is told of what a server does, without its knowing what they make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerMiddleware

from runs_mcp.api import Observe, OnWait


@dataclass(frozen=True, slots=True)
class Observers:
    """Observers of messages and of requests to the Runs API: by default none, and nothing is spent on them."""

    messages: Sequence[ServerMiddleware[Any]] = ()
    """Each has every message of a client pass through it, before anything else sees it."""
    exchanges: Sequence[Observe] = ()
    """Each is told of every request to the Runs API."""
    waits: Sequence[OnWait] = ()
    """Each is told when a request is about to be repeated, and why."""

    spans: bool = False
    """Whether somebody reads the spans that the SDK makes of messages."""


NOBODY = Observers()
