"""Sorted runs: the first few in an order that the API may not offer."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Literal

from runs_mcp.api import Run
from runs_mcp.server.aggregate import facet_counts
from runs_mcp.server.aggregate.measures import observe
from runs_mcp.server.aggregate.run_scan import scan_runs
from runs_mcp.server.aggregate.run_sources import sources_of
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services

SortKey = Literal[
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "execution_time",
    "-execution_time",
    "total_tokens",
    "-total_tokens",
]
API_FIELDS = {"total_tokens": "token_use.total"}
"""The names of sort keys in the API, where they differ."""
LISTED_FIELDS = tuple(
    "id status interaction environment modelId created_at updated_at execution_time tags parent error token_use "
    "finish_reason".split()
)


@dataclass(frozen=True, slots=True)
class SortedRuns:
    """A page of sorted runs, and how far the scan for it got."""

    runs: Sequence[Run]
    further: bool
    """True if runs follow after this page."""
    covered: int | None = None
    """The number of runs that were compared; None if the API sorted them."""
    complete: bool = True
    matching: int | None = None
    without_key: int = 0
    """The number of compared runs that lack the field, and are in no place of the order."""

    @property
    def is_empty(self) -> bool:
        """True if it is certain that no run matches."""
        return self.complete and not self.runs and not self.without_key


async def sort_runs(
    call: Call, filters: Mapping[str, Any], span: TimeSlice, sort: SortKey, *, offset: int, limit: int
) -> SortedRuns:
    """Return the runs at `offset` of the order: sorted by the API if the edition can, else by a scan.

    Args:
        call: The call to answer.
        filters: Filters of a search, except times; unset filters are absent.
        span: The creation times of the runs.
        sort: The field to sort by, with `-` in front for descending order.
        offset: The number of runs to skip.
        limit: The most runs to return.

    Raises:
        RunsApiError: the API failed.
    """
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    searched, server = {**filters, **span.filters}, services(call)
    if server.runs.edition.search_options:
        field = f"{'-' if descending else ''}{API_FIELDS.get(name, name)}"
        search = partial(server.runs.search_runs, sort=field, **searched)
        page = await server.search_pages.fetch(search, limit=limit, offset=offset)
        return SortedRuns(page.runs, page.more)
    first = FirstRuns(KEYS[name], offset + limit + 1, descending=descending)
    known = await facet_counts.matching(server.runs, searched)
    source, _ = sources_of(server.runs, filters, {}, LISTED_FIELDS)
    scan = await scan_runs(call, source, first.add, span, matching=known)
    ordered = first.ordered()
    further = len(ordered) > offset + limit
    return SortedRuns(ordered[offset : offset + limit], further, scan.covered, scan.complete, known, first.without_key)


class FirstRuns:
    """The first runs of an order, among any number of runs that are added one by one."""

    def __init__(self, key: Callable[[Run], float | None], size: int, *, descending: bool) -> None:
        self._key = key
        self._size = size
        self._sign = 1 if descending else -1
        self._heap: list[tuple[float, int, Run]] = []
        self._numbers = count(0, -1)
        self.without_key = 0

    def add(self, run: Run) -> None:
        """Keep `run` if it is among the first so far; of equal runs the one added earlier comes first."""
        key = self._key(run)
        if key is None:
            self.without_key += 1
            return
        entry = (self._sign * key, next(self._numbers), run)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def ordered(self) -> list[Run]:
        """Return the runs that were kept, in order."""
        return [run for _, _, run in sorted(self._heap, reverse=True)]


KEYS: Mapping[str, Callable[[Run], float | None]] = {
    "created_at": lambda run: run.created_at.timestamp() if run.created_at else None,
    "updated_at": lambda run: run.updated_at.timestamp() if run.updated_at else None,
    "execution_time": lambda run: run.execution_time_ms,
    "total_tokens": lambda run: observe(run).total_tokens,
}
"""The value of a run under each sort key; None if it has none."""
