"""Aggregating runs: counts, sums, averages and percentiles by group, in one call."""

from collections.abc import Sequence
from typing import Annotated, Any, Unpack, get_args

from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, BeforeValidator, Field

from runs_mcp.api import InvalidArgumentError
from runs_mcp.server import params
from runs_mcp.server.aggregate.aggregation import AggregateQuery, aggregate
from runs_mcp.server.aggregate.group_table import GROUPS, MOST_GROUPS, group_table
from runs_mcp.server.aggregate.groups import PROFILE, Dimension
from runs_mcp.server.aggregate.measures import Measure
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import End, Start
from runs_mcp.server.privacy.content_conditions import reject_conditions_on_content
from runs_mcp.server.render import empty_result_hints, query_doubts
from runs_mcp.server.tools.filter_arguments import SearchArguments
from runs_mcp.server.tools.filter_times import with_iso_times
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import DASHBOARD

MEASURES: Sequence[Measure] = ("runs", "failed", "median_ms", "p95_ms", "total_tokens")


def _sort_key(text: str) -> str:
    names = get_args(Measure)
    if text.removeprefix("-") not in names:
        raise ValueError(f"not a measure; sort takes one of {', '.join(names)}, with - in front for descending")
    return text


By = Annotated[
    list[Dimension],
    BeforeValidator(params.listed),
    Field(max_length=2, description="Group by up to two; times in UTC; error: its code"),
]
Measures = Annotated[
    list[Measure],
    BeforeValidator(params.listed),
    Field(min_length=1, description="Default: runs, failed, median_ms, p95_ms, total_tokens"),
]
Sort = Annotated[
    str,
    AfterValidator(_sort_key),
    Field(description="A measure, - for descending. Default: in time, or -first measure"),
]
GroupLimit = Annotated[int, Field(ge=1, le=MOST_GROUPS, description="Maximum groups")]
Where = Annotated[dict[str, Any], Field(description="MongoDB filter, besides the others; as in find_runs")]


@operation("POST /runs/search", title="Aggregate runs", output=GROUPS, page=DASHBOARD, filters_as_in="search_runs")
async def aggregate_runs(
    call: Call,
    *,
    by: By | MISSING = MISSING,
    measures: Measures | MISSING = MISSING,
    sort: Sort | MISSING = MISSING,
    limit: GroupLimit = 20,
    where: Where | MISSING = MISSING,
    start: Start | MISSING = MISSING,
    end: End | MISSING = MISSING,
    **filtered_by: Unpack[SearchArguments],
) -> CallToolResult:
    """Count, sum, average and rank runs by group in one call. Start here for any number: slowest model,
    tokens per day, failures by error code."""
    server = services(call)
    reject_conditions_on_content(server.config.server, text=filtered_by.get("query", MISSING), where=where)
    if by is not MISSING and PROFILE in by and not server.runs.edition.inference_profiles:
        raise InvalidArgumentError(f"`by`: the {server.runs.edition.name} edition has no inference profiles")
    filters = await server.names.in_filters(filtered_by)
    query = AggregateQuery(
        filters=filters,
        where={} if where is MISSING else await server.names.ids_in(with_iso_times(where)),
        span=TimeSlice.between(start, end),
        by=[] if by is MISSING else list(dict.fromkeys(by)),
        measures=MEASURES if measures is MISSING else list(dict.fromkeys(measures)),
        sort=None if sort is MISSING else sort,
        limit=limit,
    )
    answer = await aggregate(call, query)
    return group_table(query, answer, server.workspace, hint="" if answer.covered else await _hint(call, query))


async def _hint(call: Call, query: AggregateQuery) -> str:
    """Return why no run matches `query`, perhaps."""
    await services(call).names.check_ids(query.filters)
    if query.where:
        return query_doubts.doubts(call, query.where)
    return await empty_result_hints.for_search(call, query.searched)
