"""Aggregating runs: counts, sums, averages and percentiles by group, in one call."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, get_args

from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, BeforeValidator, Field, WithJsonSchema

from runs_mcp.server import params
from runs_mcp.server.aggregate.aggregation import Question, aggregate
from runs_mcp.server.aggregate.group_table import GROUPS, group_table
from runs_mcp.server.aggregate.groups import NAMED, Dimension
from runs_mcp.server.aggregate.measures import Measure
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import Status
from runs_mcp.server.privacy.content_conditions import reject_conditions_on_content
from runs_mcp.server.progress import Progress
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import DASHBOARD

MOST_GROUPS = 200
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
GroupLimit = Annotated[int, Field(ge=1, le=MOST_GROUPS, description="Most groups")]
# The filters of search_runs are described there at length; a model reads both tools.
_AS_THERE = WithJsonSchema({"type": "string", "description": "As in search_runs"})
_LISTED_AS_THERE = WithJsonSchema({"type": "array", "items": {"type": "string"}, "description": "As in search_runs"})
Where = Annotated[dict[str, Any], Field(description="MongoDB filter as in find_runs, besides the others")]
Words = Annotated[params.Name, _AS_THERE]
Time = Annotated[datetime, BeforeValidator(params.moment), _AS_THERE]


@operation("POST /runs/search", title="Aggregate runs", output=GROUPS, page=DASHBOARD)
async def aggregate_runs(
    call: Call,
    *,
    by: By | MISSING = MISSING,
    measures: Measures | MISSING = MISSING,
    sort: Sort | MISSING = MISSING,
    limit: GroupLimit = 20,
    where: Where | MISSING = MISSING,
    query: Annotated[params.Name, params.FREE_TEXT, _AS_THERE] | MISSING = MISSING,
    name: Words | MISSING = MISSING,
    status: Status | MISSING = MISSING,
    interaction: Words | MISSING = MISSING,
    environment: Words | MISSING = MISSING,
    model: Words | MISSING = MISSING,
    tags: Annotated[params.Tags, _LISTED_AS_THERE] | MISSING = MISSING,
    parent: Annotated[params.Tags, _LISTED_AS_THERE] | MISSING = MISSING,
    object: Words | MISSING = MISSING,  # noqa: A002 - the API's own name for it
    start: Time | MISSING = MISSING,
    end: Time | MISSING = MISSING,
) -> CallToolResult:
    """Count, sum, average and rank runs by group, exactly, in one call. Start here for any number: slowest model,
    tokens per day, failures by error code."""
    here = services(call)
    reject_conditions_on_content(here.config.server, text=query, where=where)
    filters = await here.names.in_filters(
        query=query,
        name=name,
        status=status,
        interaction=interaction,
        environment=environment,
        model=model,
        tags=tags,
        parent=parent,
        object=object,
    )
    question = Question(
        filters=filters,
        where={} if where is MISSING else await here.names.ids_in(where),
        span=TimeSlice.between(start, end),
        by=[] if by is MISSING else list(dict.fromkeys(by)),
        measures=MEASURES if measures is MISSING else list(dict.fromkeys(measures)),
        sort=None if sort is MISSING else sort,
        limit=limit,
    )
    answer = await aggregate(
        here.runs,
        question,
        most=here.config.server.max_scan,
        within_s=here.config.streaming.max_wait_s,
        on_page=Progress.of(call).say,
        names_of=lambda by: here.names.by_id(*(one for one in NAMED if one in by)),
    )
    return group_table(question, answer, here.workspace)
