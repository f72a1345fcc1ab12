"""The limit of started runs: so many in any hour, and so many in any day."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Literal, Protocol

from runs_mcp.config.settings import CreateLimitSettings

MINUTE_S = 60
WINDOWS: Mapping[Literal["hour", "day"], int] = {"hour": 60, "day": 1_440}
"""Length of each window in minutes."""
LONGEST = max(WINDOWS.values())

Counts = Mapping[int, int]
"""Number of runs started in each minute, counted from the epoch."""


class CreateLimitError(Exception):
    """More runs than `server.create_limit` allows now."""

    def __init__(self, window: "Window", left: int, wanted: int, wait_s: int | None, free_at: datetime | None) -> None:
        super().__init__(f"{wanted} runs requested, {left} of {window.most} in any {window.name} left")
        self.window = window
        self.left = left
        self.wanted = wanted
        self.wait_s = wait_s
        """Seconds until `wanted` runs can be started; None if they are more than a window allows."""
        self.free_at = free_at
        """Time when `wanted` runs can be started; None if they are more than a window allows."""


class StartCounts(Protocol):
    """Counts of the runs that were started in each minute of the last day."""

    async def take(self, limit: CreateLimitSettings) -> int | None:
        """Count a run that is about to be started, and return its minute; None if the limit is reached."""

    async def give_back(self, minute: int) -> None:
        """Take back a count of `minute`, because the run was not started."""

    async def read(self) -> tuple[int, Counts]:
        """Return the current minute, and the counts."""


class OwnStartCounts:
    """The counts of this process."""

    def __init__(self, now: Callable[[], float] = time) -> None:
        self._now = now
        self._counts: Counter[int] = Counter()

    async def take(self, limit: CreateLimitSettings) -> int | None:
        """Count a run, as the protocol says."""
        minute, _ = await self.read()
        return minute if self.count(limit, minute) else None

    def count(self, limit: CreateLimitSettings, minute: int) -> bool:
        """Count a run in `minute`; return False if the limit is reached."""
        if any(window.left(self._counts, minute) < 1 for window in windows(limit)):
            return False
        self._counts[minute] += 1
        return True

    async def give_back(self, minute: int) -> None:
        """Take back a count of `minute`."""
        self._counts[minute] -= 1

    async def read(self) -> tuple[int, Counts]:
        """Return the current minute, and the counts; older counts are forgotten."""
        minute = int(self._now()) // MINUTE_S
        for old in [at for at in self._counts if minute - at > LONGEST]:
            del self._counts[old]
        return minute, self._counts


@dataclass(frozen=True, slots=True)
class Window:
    """Most runs in any period of a length. A run counts for up to a minute longer, so the limit is never exceeded."""

    name: str
    minutes: int
    most: int

    def left(self, counts: Counts, minute: int) -> int:
        """Return the number of runs that may still be started in `minute`."""
        return self.most - sum(count for at, count in counts.items() if minute - at <= self.minutes)

    def free_at(self, counts: Counts, minute: int, wanted: int) -> int:
        """Return the first minute in which `wanted` runs may be started; they are at most `most`."""
        expiries = sorted(at + self.minutes + 1 for at in counts)
        return next(later for later in [minute, *expiries] if later >= minute and self.left(counts, later) >= wanted)


def windows(limit: CreateLimitSettings) -> list[Window]:
    """Return the windows that `limit` limits."""
    allowed = {"hour": limit.per_hour, "day": limit.per_day}
    return [Window(name, minutes, most) for name, minutes in WINDOWS.items() if (most := allowed[name]) is not None]


class CreateLimit:
    """The limit of one profile, which every start of a run passes."""

    def __init__(self, limit: CreateLimitSettings, counts: StartCounts) -> None:
        self._limit = limit
        self._counts = counts
        self._windows = windows(limit)

    @property
    def is_set(self) -> bool:
        """True if runs are limited."""
        return bool(self._windows)

    async def require(self, wanted: int) -> None:
        """Return if `wanted` runs may be started now; nothing is counted.

        Raises:
            CreateLimitError: they are more than the limit leaves.
        """
        if not self.is_set:
            return
        minute, counts = await self._counts.read()
        if not any(window.left(counts, minute) < wanted for window in self._windows):
            return
        tightest = min(self._windows, key=lambda window: (window.left(counts, minute), -window.minutes))
        left = max(tightest.left(counts, minute), 0)
        if any(wanted > window.most for window in self._windows):
            raise CreateLimitError(tightest, left, wanted, None, None)
        free = max(window.free_at(counts, minute, wanted) for window in self._windows)
        free_at = datetime.fromtimestamp(free * MINUTE_S, UTC)
        raise CreateLimitError(tightest, left, wanted, (free - minute) * MINUTE_S, free_at)

    async def take(self) -> int | None:
        """Count a run that is about to be started, and return what `give_back` takes.

        Raises:
            CreateLimitError: the limit is reached.
        """
        if not self.is_set:
            return None
        while (minute := await self._counts.take(self._limit)) is None:
            await self.require(1)
        return minute

    async def give_back(self, taken: int | None) -> None:
        """Take back the count of a run that was not started after all."""
        if taken is not None:
            await self._counts.give_back(taken)
