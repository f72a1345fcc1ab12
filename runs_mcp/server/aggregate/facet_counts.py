"""Facet counts: groups that the API counts itself, so that no run has to be read."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import MISSING

from runs_mcp.api import REFUSALS, Facets, Ref, RunsClient
from runs_mcp.server.aggregate.groups import NONE, Dimension, Groups
from runs_mcp.server.aggregate.measures import COUNTS, FAILED, Measure, Tally
from runs_mcp.server.runs import own_tags

FACETS: Mapping[Dimension, str] = {
    "model": "models",
    "interaction": "interactions",
    "environment": "environments",
    "status": "status",
    "tag": "tags",
    "finish_reason": "finish_reason",
}
"""The facet that counts each dimension, by its name in an edition."""


def facet_for(runs: RunsClient, by: Sequence[Dimension], measures: Sequence[Measure]) -> str | None:
    """Return the facet that answers the question; None if runs have to be read."""
    if not COUNTS.issuperset(measures) or len(by) > 1:
        return None
    name = FACETS.get(by[0]) if by else "status"
    return name if name in runs.edition.facets else None


async def matching(runs: RunsClient, filters: Mapping[str, Any]) -> int | None:
    """Return the number of runs that match; None if the API does not report it."""
    try:
        return (await runs.compute_facets(facets=["status"], **filters)).total
    except REFUSALS:
        return None


async def count(runs: RunsClient, filters: Mapping[str, Any], by: Sequence[Dimension], facet: str) -> Groups | None:
    """Return groups with numbers of runs and failed runs; None if facets are closed or do not cover every run."""
    counts_of = partial(runs.compute_facets, facets=[facet])
    status = filters.get("status", MISSING)
    try:
        everything = await counts_of(**filters)
        failed = await _failed(counts_of, filters, everything, status)
    except REFUSALS:
        return None
    buckets = everything.buckets.get(facet, ())
    total = everything.total
    if total is None or (facet != "tags" and sum(bucket.count for bucket in buckets) != total):
        return None
    groups = Groups(by)
    groups.total = Tally(runs=total, failed=failed.total or 0)
    failures = {bucket.id: bucket.count for bucket in failed.buckets.get(facet, ())}
    for bucket in buckets if by else ():
        if by[0] == "tag" and own_tags.is_own(bucket.label):
            continue
        groups.name(by[0], Ref(bucket.id, bucket.name))
        groups.tallies[bucket.id or NONE,] = Tally(runs=bucket.count, failed=failures.get(bucket.id, 0))
    return groups


async def _failed(
    counts_of: Callable[..., Awaitable[Facets]], filters: Mapping[str, Any], everything: Facets, status: str | MISSING
) -> Facets:
    """Return the counts of failed runs alone."""
    if status is MISSING:
        return await counts_of(**{**filters, "status": FAILED})
    return everything if status == FAILED else Facets(total=0, buckets={})
