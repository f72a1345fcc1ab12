"""Facets counted by reading runs, where the API closes its own counts to the credential."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import MISSING

from runs_mcp.api import REFUSALS, Bucket, Facets, Run, RunsClient
from runs_mcp.server.aggregate.facet_counts import FACETS
from runs_mcp.server.aggregate.groups import NAMED, READERS, Dimension, NamesById, fields_of
from runs_mcp.server.aggregate.run_scan import RunScan
from runs_mcp.server.aggregate.run_sources import sources_of
from runs_mcp.server.aggregate.time_slices import TimeSlice

DIMENSIONS: Mapping[str, Dimension] = {facet: dimension for dimension, facet in FACETS.items()}


@dataclass(frozen=True, slots=True)
class CountedFacets:
    """Counts of runs by value, and how far they reach."""

    facets: Facets
    covered: int | None = None
    """The number of runs that were read and counted, newest first; None if all matching runs are counted."""


async def count_facets(
    runs: RunsClient,
    facets: Sequence[str] | MISSING,
    filters: Mapping[str, Any],
    span: TimeSlice,
    *,
    most: int,
    deadline: float,
    on_page: Callable[[str], Awaitable[None]],
    names_of: Callable[[Sequence[Dimension]], Awaitable[NamesById]],
) -> CountedFacets:
    """Return the API's own counts, or where it refuses those, counts of the runs that are read.

    Args:
        runs: The client of the API.
        facets: Names of facets of the edition. Default: all of them.
        filters: Filters of a search, except times; unset filters are absent.
        span: The creation times of the runs.
        most: The number of runs after which reading stops.
        deadline: The time of anyio's clock at which reading stops.
        on_page: Receives the progress of reading as text.
        names_of: Returns the names of the values of dimensions, for runs that hold ids alone.

    Raises:
        InvalidArgumentError: the edition lacks a facet.
        RunsApiError: the API failed.
    """
    try:
        return CountedFacets(await runs.compute_facets(facets=facets, **filters, **span.filters))
    except REFUSALS:
        wanted = list(runs.edition.facets) if facets is MISSING else facets
    tallies = {name: _Tally(DIMENSIONS[name]) for name in wanted}

    def take(run: Run) -> None:
        for tally in tallies.values():
            tally.add(run)

    source, _ = sources_of(runs, filters, {}, fields_of(DIMENSIONS[name] for name in wanted))
    scan = RunScan(source, take, most, on_page=on_page)
    await scan.run(span, deadline=deadline)
    names = await names_of([DIMENSIONS[name] for name in wanted])
    buckets = {name: tally.buckets(names) for name, tally in tallies.items()}
    if scan.complete:
        return CountedFacets(Facets(scan.covered, buckets))
    return CountedFacets(Facets(None, buckets), covered=scan.covered)


class _Tally:
    """The counts of runs by the values of one dimension."""

    def __init__(self, dimension: Dimension) -> None:
        self._dimension = dimension
        self._counts: Counter[str | None] = Counter()
        self._names: dict[str | None, str] = {}

    def add(self, run: Run) -> None:
        """Count `run` under each of its values."""
        for value in READERS[self._dimension](run):
            self._counts[value.id] += 1
            if value.name and self._dimension in NAMED:
                self._names[value.id] = value.name

    def buckets(self, names: NamesById) -> list[Bucket]:
        """Return the counts, the most frequent first, with the name of each value that has one."""
        known = names.get(self._dimension, {})
        return [
            Bucket(value, self._names.get(value) or known.get(value or ""), count)
            for value, count in self._counts.most_common()
        ]
