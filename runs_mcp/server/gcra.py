"""The rate limiter: the generic cell rate algorithm (GCRA), a leaky bucket that keeps one number for each caller.

https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import time
from collections.abc import Callable
from typing import Protocol

MINUTE_S = 60
MAX_CALLERS = 100_000
"""Number of callers that are remembered; beyond it, the least recently active caller is dropped."""


class RateLimiter(Protocol):
    """Limits the requests of each caller."""

    async def wait_s(self, caller: str, per_minute: int, cost: int = 1) -> float:
        """Count a request of `caller` as `cost` of its `per_minute`, and return 0.

        If it has fewer left, count nothing and return the seconds until it has enough.
        """


class GcraLimiter:
    """A limiter for the callers of this process: each may use a minute's worth at once, which is refilled steadily."""

    def __init__(self, now: Callable[[], float] = time.monotonic, *, most: int = MAX_CALLERS) -> None:
        self._now = now
        self._most = most
        self._arrivals: dict[str, float] = {}
        """The theoretical arrival time of each caller's next request: when it has its full minute's worth again."""

    def __len__(self) -> int:
        return len(self._arrivals)

    async def wait_s(self, caller: str, per_minute: int, cost: int = 1) -> float:
        """Count a request, as the protocol says."""
        now = self._now()
        before = max(self._arrivals.pop(caller, now), now)
        after = before + MINUTE_S * min(cost, per_minute) / per_minute
        wait = max(after - now - MINUTE_S, 0)
        self._arrivals[caller] = before if wait else after
        if len(self._arrivals) > self._most:
            del self._arrivals[next(iter(self._arrivals))]
        return wait
