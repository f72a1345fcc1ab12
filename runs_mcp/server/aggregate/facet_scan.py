"""Facets counted by reading runs, where the API closes its own counts to the credential."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import MISSING

from runs_mcp.api import REFUSALS, Bucket, Facets, Run
from runs_mcp.server.aggregate.facet_counts import FACETS
from runs_mcp.server.aggregate.groups import NAMED, READERS, Dimension, NamesById, fields_of, named
from runs_mcp.server.aggregate.run_scan import scan_runs
from runs_mcp.server.aggregate.run_sources import sources_of
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services

DIMENSIONS: Mapping[str, Dimension] = {facet: dimension for dimension, facet in FACETS.items()}


@dataclass(frozen=True, slots=True)
class CountedFacets:
    """Counts of runs by value, and how far they reach."""

    facets: Facets
    covered: int | None = None
    """The number of runs that were read and counted, newest first; None if all matching runs are counted."""


async def count_facets(
    call: Call, facets: Sequence[str] | MISSING, filters: Mapping[str, Any], span: TimeSlice
) -> CountedFacets:
    """Return the API's own counts, or where it refuses those, counts of the runs that are read.

    Args:
        call: The call to answer.
        facets: Names of facets of the edition. Default: all of them.
        filters: Filters of a search, except times; unset filters are absent.
        span: The creation times of the runs.

    Raises:
        InvalidArgumentError: the edition lacks a facet.
        RunsApiError: the API failed.
    """
    server = services(call)
    try:
        return CountedFacets(await server.runs.compute_facets(facets=facets, **filters, **span.filters))
    except REFUSALS:
        wanted = list(server.runs.edition.facets) if facets is MISSING else facets
    dimensions = [DIMENSIONS[name] for name in wanted]
    tallies = {name: _Tally(DIMENSIONS[name]) for name in wanted}

    def take(run: Run) -> None:
        for tally in tallies.values():
            tally.add(run)

    source, _ = sources_of(server.runs, filters, {}, fields_of(dimensions))
    scan = await scan_runs(call, source, take, span)
    names = await server.names.by_id(*named(dimensions))
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
