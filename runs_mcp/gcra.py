"""The rate limiter: the generic cell rate algorithm (GCRA), a leaky bucket that keeps one number for each caller.

https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import time
from collections.abc import Callable
from typing import Protocol

MINUTE_S = 60
MAX_CALLERS = 100_000
"""Maximum number of callers that are tracked; beyond it, the least recently active caller is dropped."""


class RateLimiter(Protocol):
    """Limits the requests of each caller."""

    async def wait_s(self, caller: str, per_minute: int, cost: int = 1) -> float:
        """Count a request of `caller` as `cost` of its `per_minute` requests, and return 0.

        If fewer requests are left, count nothing and return the seconds until enough are left.
        """


class GcraLimiter:
    """A limiter for the callers of this process.

    A caller may use the requests of a minute at once; they are refilled steadily.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, *, most: int = MAX_CALLERS) -> None:
        self._now = now
        self._most = most
        self._arrivals: dict[str, float] = {}
        """The theoretical arrival time (TAT) of each caller: the time at which all its requests are refilled."""

    async def wait_s(self, caller: str, per_minute: int, cost: int = 1) -> float:
        """Count a request; see `RateLimiter`."""
        now = self._now()
        # `pop` and assignment move the caller to the end of the dict, so that its first key is the least recent.
        before = max(self._arrivals.pop(caller, now), now)
        after = before + MINUTE_S * min(cost, per_minute) / per_minute
        wait = max(after - now - MINUTE_S, 0)
        self._arrivals[caller] = before if wait else after
        if len(self._arrivals) > self._most:
            del self._arrivals[next(iter(self._arrivals))]
        return wait
