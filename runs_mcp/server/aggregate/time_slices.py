"""Time slices: spans of creation time, split until the API can answer each with a single page.

The creation time of a run never changes. So a run stays in its slice while others are created, updated or deleted
during a scan, and pages cannot shift.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

from pydantic import MISSING

from runs_mcp.api import InvalidArgumentError
from runs_mcp.api.search_fallback import TICK

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Older runs share one slice, to begin with."""
MARGIN = 1.25
MOST_PARTS = 32
MOST_EQUAL = 100
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """A span of creation time: from `start`, before `end`; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def between(cls, start: datetime | MISSING, end: datetime | MISSING) -> "TimeSlice":
        """Return the slice between two optional times.

        Raises:
            InvalidArgumentError: `start` is not before `end`, so that no run can match.
        """
        if start is not MISSING and end is not MISSING and start >= end:
            whole_day = f"; for one day, end is {end + timedelta(days=1):%Y-%m-%d}" if start == end else ""
            raise InvalidArgumentError(
                f"`start` ({start:%Y-%m-%d %H:%M}) must be before `end` ({end:%Y-%m-%d %H:%M}){whole_day}"
            )
        return cls(None if start is MISSING else start, None if end is MISSING else end)

    def within(self, other: "TimeSlice") -> "TimeSlice":
        """Return the times that are in both slices."""
        starts = [start for start in (self.start, other.start) if start]
        ends = [end for end in (self.end, other.end) if end]
        return TimeSlice(max(starts, default=None), min(ends, default=None))

    @property
    def filters(self) -> dict[str, Any]:
        """The filters of a search that select the slice."""
        times = {"start": self.start, "end": self.end}
        return {name: moment for name, moment in times.items() if moment}

    @property
    def latest(self) -> datetime:
        """The end, or the largest time there is."""
        return self.end or LATEST

    def split(self, created: Sequence[datetime], further: int = 0) -> list["TimeSlice"]:
        """Return the smaller slices that make up this one, given a page of the runs in it; none if it cannot be split.

        The page is usually the newest part of the slice. The time that it spans determines the number of parts. A
        slice with an open start is continued backwards: in equal spans as far as `further`, the number of runs that are
        expected before the page, may reach, and then in spans that double.
        """
        if not created:
            return []
        oldest, newest = min(created), max(created)
        end = self.end or newest + TICK
        start = oldest if self.start is None else self.start
        inner = list(_inner_edges(start, end, paged=end - oldest))
        equal = min(ceil(MARGIN**2 * further / len(created)), MOST_EQUAL)
        older = _older_edges(oldest, max((end - oldest) / MARGIN, TICK), equal) if self.start is None else []
        if not inner and not older:
            return []
        edges = [self.start, *older, *inner, self.end]
        return [TimeSlice(first, last) for first, last in pairwise(edges)]


def _inner_edges(start: datetime, end: datetime, *, paged: timedelta) -> Iterator[datetime]:
    """Yield the edges between `start` and `end`, so that each part holds less than the page that spans `paged`."""
    parts = min(max(ceil(MARGIN * ((end - start) / max(paged, TICK))), 2), MOST_PARTS)
    last = start
    for part in range(1, parts):
        edge = _to_tick(start + (end - start) * part / parts)
        if last < edge < end:
            yield edge
            last = edge


def _older_edges(oldest: datetime, span: timedelta, equal: int) -> list[datetime]:
    """Return edges before `oldest` and itself, ascending: `equal` of them at distances of `span`, then doubling."""
    edges = [_to_tick(oldest)]
    while edges[-1] - EARLIEST > span:
        edges.append(_to_tick(edges[-1] - span))
        if len(edges) > equal:
            span *= 2
    return edges[::-1]


def _to_tick(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
