"""Scan: every run that matches, read page by page and handed on, with an honest account of how far it got."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from runs_mcp.api import Run, RunsApiError
from runs_mcp.api.search_fallback import TICK
from runs_mcp.server.aggregate.run_sources import SMALLEST_CAP, Narrow, Source
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services
from runs_mcp.server.progress import Progress

AT_ONCE = 4
"""Pages that are read at the same time."""


@dataclass(slots=True)
class RunScan:
    """A scan of the runs of a source, newest first by creation. No page outlives its counting."""

    source: Source
    take: Callable[[Run], None]
    """Called with each run once, however often pages repeat it."""
    most: int
    """The number of runs to read after which the scan stops."""
    matching: int | None = None
    """The number of runs in the source, if it is known beforehand."""
    on_page: Callable[[str], Awaitable[None]] | None = None
    """Called after each page with a text that reports the progress."""
    narrow: Narrow | None = None
    """Selects the runs to hand on; None: all."""
    covered: int = 0
    """The number of runs handed on."""
    oldest: datetime | None = None
    """The earliest creation time of a run that was read."""
    _seen: set[str] = field(default_factory=set)
    _waiting: list[TimeSlice] = field(default_factory=list)
    _longest: int = SMALLEST_CAP
    _over: bool = False
    _left_out: bool = False
    _failure: RunsApiError | None = None

    @property
    def complete(self) -> bool:
        """True if every run of the source was read."""
        return not self._left_out and not self._waiting and len(self._seen) >= (self.matching or 0)

    async def run(self, span: TimeSlice, *, deadline: float) -> None:
        """Hand on the runs created in `span`; stop after `most` runs, or at `deadline`, a time of anyio's clock.

        Raises:
            FindClosedError: the source needs `find`, which is closed.
            RunsApiError: a page could not be read.
        """
        self._waiting = [span]
        with anyio.CancelScope(deadline=deadline) as reading:
            while self._waiting and not self._over:
                await self._next_pages()
        self._left_out = self._left_out or reading.cancelled_caught

    async def _next_pages(self) -> None:
        """Read a page of each of the newest slices."""
        self._waiting.sort(key=lambda span: span.latest)
        spans = [self._waiting.pop() for _ in range(min(AT_ONCE, len(self._waiting)))]
        async with anyio.create_task_group() as tasks:
            for span in spans:
                tasks.start_soon(self._read, span, tasks.cancel_scope)
        if self._failure:
            raise self._failure

    async def _read(self, span: TimeSlice, reading: anyio.CancelScope) -> None:
        """Read a page; if that fails, cancel `reading`, the scope of the other pages."""
        try:
            page = await self.source(span)
            await self._hand_on(self._unseen(page))
        except RunsApiError as error:
            self._failure = error
            reading.cancel()
            return
        created = _created(page)
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

    def _unseen(self, page: Sequence[Run]) -> Sequence[Run]:
        """Return the runs of a page that no other page had, up to the limit of the scan."""
        fresh = list({run.id: run for run in page if run.id not in self._seen}.values())
        room = self.most - len(self._seen)
        if len(fresh) > room:
            self._over = self._left_out = True
            fresh = fresh[:room]
        self._seen |= {run.id for run in fresh}
        if len(self._seen) == self.matching:
            self._over = True
            self._waiting.clear()
        return fresh

    async def _hand_on(self, runs: Sequence[Run]) -> None:
        known = [self.oldest] if self.oldest else []
        self.oldest = min(known + _created(runs), default=None)
        for run in await self.narrow(runs) if self.narrow else runs:
            self.covered += 1
            self.take(run)

    def _progress(self) -> str:
        whole = f" of {self.matching:,}" if self.matching is not None else ""
        return f"{len(self._seen):,}{whole} runs"


async def scan_runs(
    call: Call,
    source: Source,
    take: Callable[[Run], None],
    span: TimeSlice,
    *,
    matching: int | None = None,
    narrow: Narrow | None = None,
) -> RunScan:
    """Return a scan of the runs created in `span`, which stops at `server.max_scan` runs or at the deadline of `call`.

    Raises:
        FindClosedError: see `RunScan.run`.
        RunsApiError: see `RunScan.run`.
    """
    scan = RunScan(source, take, services(call).config.server.max_scan, matching, Progress.of(call).say, narrow)
    await scan.run(span, deadline=call.scan_deadline)
    return scan


def _created(runs: Sequence[Run]) -> list[datetime]:
    return [created for run in runs if (created := run.created_at)]


def _within(span: TimeSlice, created: list[datetime]) -> bool:
    """Return whether the API kept to the slice; splitting is of no use if it ignores creation times."""
    starts = span.start is None or min(created, default=span.start) > span.start - TICK
    ends = span.end is None or max(created, default=span.end) < span.end + TICK
    return starts and ends
