"""Scan: every run that matches, read page by page and handed on, with an honest account of how far it got."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from runs_mcp.api import Run, RunsApiError
from runs_mcp.server.aggregate.groups import utc
from runs_mcp.server.aggregate.run_sources import Source
from runs_mcp.server.aggregate.time_slices import TICK, TimeSlice

AT_ONCE = 4
"""Pages that are read at the same time."""
SMALLEST_CAP = 10
"""No API caps its pages below this: a shorter page holds all there is."""


@dataclass(slots=True)
class RunScan:
    """A scan of the runs of a source, newest first by creation. No page outlives its counting."""

    source: Source
    take: Callable[[Run], None]
    """Called with each run once, however often pages repeat it."""
    most: int
    """The number of runs after which the scan stops."""
    matching: int | None = None
    """The number of runs that match, if it is known beforehand."""
    on_page: Callable[[str], Awaitable[None]] | None = None
    """Called after each page with a text that reports the progress."""
    oldest: datetime | None = None
    """The earliest creation time of a covered run."""
    _seen: set[str] = field(default_factory=set)
    _waiting: list[TimeSlice] = field(default_factory=list)
    _longest: int = SMALLEST_CAP
    _over: bool = False
    _left_out: bool = False
    _failure: RunsApiError | None = None

    @property
    def covered(self) -> int:
        """The number of runs handed on."""
        return len(self._seen)

    @property
    def complete(self) -> bool:
        """True if every matching run was handed on."""
        return not self._left_out and not self._waiting and self.covered >= (self.matching or 0)

    async def run(self, span: TimeSlice, *, within_s: float) -> None:
        """Hand on the runs created in `span`; stop after `most` runs or `within_s` seconds.

        Raises:
            RunsApiError: a page could not be read.
        """
        self._waiting = [span]
        with anyio.move_on_after(within_s) as deadline:
            while self._waiting and not self._over:
                await self._next_pages()
        self._left_out = self._left_out or deadline.cancelled_caught

    async def _next_pages(self) -> None:
        """Read a page of each of the newest slices."""
        self._waiting.sort(key=lambda span: span.latest)
        spans = [self._waiting.pop() for _ in range(min(AT_ONCE, len(self._waiting)))]
        async with anyio.create_task_group() as tasks:
            for span in spans:
                tasks.start_soon(self._read, span)
        if self._failure:
            raise self._failure

    async def _read(self, span: TimeSlice) -> None:
        try:
            page = await self.source(span)
        except RunsApiError as error:
            self._failure = error
            return
        created = [utc(run.created_at) for run in page if run.created_at]
        self._count(page)
        if self.on_page:
            await self.on_page(self._progress())
        # A page shorter than another page was not capped. The longest may be capped, so its slice is split and reread.
        if len(page) < self._longest or self._over:
            return
        self._longest = len(page)
        further = max((self.matching or 0) - len(page), 0)
        smaller = span.split(created, further) if _within(span, created) else []
        self._left_out = self._left_out or not smaller
        self._waiting += smaller

    def _count(self, page: list[Run]) -> None:
        for run in page:
            if run.id in self._seen:
                continue
            if self.covered >= self.most:
                self._over = self._left_out = True
                return
            self._seen.add(run.id)
            self.take(run)
            if run.created_at and (self.oldest is None or utc(run.created_at) < self.oldest):
                self.oldest = utc(run.created_at)
        if self.covered == self.matching:
            self._over = True
            self._waiting.clear()

    def _progress(self) -> str:
        whole = f" of {self.matching:,}" if self.matching is not None else ""
        return f"{self.covered:,}{whole} runs"


def _within(span: TimeSlice, created: list[datetime]) -> bool:
    """Return whether the API kept to the slice; splitting is of no use if it ignores creation times."""
    starts = span.start is None or min(created, default=span.start) > span.start - TICK
    ends = span.end is None or max(created, default=span.end) < span.end + TICK
    return starts and ends
