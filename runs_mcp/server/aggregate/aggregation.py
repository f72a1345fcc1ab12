"""Aggregation: one query about many runs, answered from facets or from a scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from runs_mcp.api import Edition, Run
from runs_mcp.server.aggregate import facet_counts
from runs_mcp.server.aggregate.filter_translation import with_search_filters
from runs_mcp.server.aggregate.groups import TIMES, Dimension, Group, Groups, fields_of, named
from runs_mcp.server.aggregate.list_prices import Costs, UnknownCostError, list_prices
from runs_mcp.server.aggregate.measures import DURATIONS, TOKENS, Measure, Number, observe
from runs_mcp.server.aggregate.run_scan import scan_runs
from runs_mcp.server.aggregate.run_sources import sources_of
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    """The runs to aggregate, and the groups and measures to compute."""

    filters: Mapping[str, Any]
    """Filters of a search, except times; unset filters are absent."""
    where: Mapping[str, Any]
    """A MongoDB filter that the runs match as well; empty: none."""
    span: TimeSlice
    """The creation times of the runs."""
    by: Sequence[Dimension]
    measures: Sequence[Measure]
    sort: str | None
    limit: int

    def simplified(self, edition: Edition) -> Self:
        """Return an equal query with as little in `where` as possible, which searches and facets cannot evaluate."""
        filters, span, where = with_search_filters(edition, self.filters, self.span, self.where)
        return replace(self, filters=filters, span=span, where=where)

    @property
    def in_time(self) -> bool:
        """True if the groups are in chronological order, which shows the latest."""
        return self.sort is None and bool(TIMES & set(self.by))

    @property
    def searched(self) -> dict[str, Any]:
        """The filters with the creation times."""
        return {**self.filters, **self.span.filters}

    @property
    def computed(self) -> set[Measure]:
        """The measures to compute: the requested measures, and the measure to sort by."""
        ranked: Any = (self.sort.removeprefix("-"),) if self.sort else ()
        return {*self.measures, *ranked}

    @property
    def fields(self) -> list[str]:
        """The fields of a run that the answer needs."""
        computed = self.computed
        return [
            *fields_of(self.by),
            *(["execution_time"] if computed & DURATIONS else []),
            *(["token_use"] if computed & {*TOKENS, "cost"} else []),
            *(["modelId"] if "cost" in computed and "model" not in self.by else []),
        ]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The answer."""

    groups: Sequence[Group]
    """The groups in order, at most `limit` of the query."""
    left_out: int
    """The number of further groups."""
    total: Mapping[str, Number]
    """The measures over all covered runs."""
    missing: Mapping[str, int]
    """The number of covered runs that lack a field which a measure needs, by field."""
    covered: int
    complete: bool
    matching: int | None
    oldest: datetime | None
    without: Mapping[Dimension, int]
    """The number of covered runs in no group because they have no error or no tag; empty where facets count tags."""
    costs: Costs | None
    """The numbers of reported, estimated and missing costs; None if no cost was requested."""


async def aggregate(call: Call, query: AggregateQuery) -> Aggregate:
    """Answer `query` from facets if they are enough, else from a scan.

    Raises:
        FindClosedError: `where` needs `find`, which is closed.
        UnknownCostError: only costs are requested, and no source has them.
        RunsApiError: the API failed.
    """
    query = query.simplified(services(call).runs.edition)
    return await _count(call, query) or await _scan(call, query)


async def _count(call: Call, query: AggregateQuery) -> Aggregate | None:
    """Return the answer from facets; None if they are not enough."""
    runs = services(call).runs
    facet = facet_counts.facet_for(runs, query.by, list(query.computed))
    if query.where or not facet:
        return None
    groups = await facet_counts.count(runs, query.searched, query.by, facet)
    if groups is None:
        return None
    found = groups.total.runs
    return await _answer(call, query, groups, covered=found, complete=True, matching=found)


async def _scan(call: Call, query: AggregateQuery) -> Aggregate:
    """Return the answer from runs that are read."""
    runs = services(call).runs
    groups = Groups(query.by)
    costs = Costs(await list_prices()) if "cost" in query.computed else None
    source, narrow = sources_of(runs, query.filters, query.where, list(dict.fromkeys(query.fields)))
    known = await facet_counts.matching(runs, query.searched) if narrow or not query.where else None

    def take(run: Run) -> None:
        groups.add(run, observe(run, costs.of(run) if costs else None))

    scan = await scan_runs(call, source, take, query.span, matching=known, narrow=narrow)
    if costs and costs.unknown and query.computed == {"cost"}:
        raise UnknownCostError
    return await _answer(
        call,
        query,
        groups,
        covered=scan.covered,
        complete=scan.complete,
        matching=scan.covered if scan.complete else None if query.where else known,
        oldest=scan.oldest,
        costs=costs,
    )


async def _answer(
    call: Call,
    query: AggregateQuery,
    groups: Groups,
    *,
    covered: int,
    complete: bool,
    matching: int | None,
    oldest: datetime | None = None,
    costs: Costs | None = None,
) -> Aggregate:
    names = await services(call).names.by_id(*named(query.by))
    ranked = groups.report(query.measures, query.sort, names)
    return Aggregate(
        groups=ranked[-query.limit :] if query.in_time else ranked[: query.limit],  # the latest, or the first
        left_out=max(len(ranked) - query.limit, 0),
        total=groups.total.values(query.measures),
        missing=groups.total.missing(query.measures),
        covered=covered,
        complete=complete,
        matching=matching,
        oldest=oldest,
        without=groups.without,
        costs=costs,
    )
