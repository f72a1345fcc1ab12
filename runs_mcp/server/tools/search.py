"""Tools that search runs, by words and dates or by MongoDB filter, and that count runs by value."""

from functools import partial
from typing import Annotated, Any, Literal

from mcp_types import CallToolResult
from pydantic import MISSING, BeforeValidator, Field, WithJsonSchema

from runs_mcp.server import params
from runs_mcp.server.aggregate.facet_scan import count_facets
from runs_mcp.server.aggregate.groups import NAMED
from runs_mcp.server.aggregate.sorted_runs import SortKey, sort_runs
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services
from runs_mcp.server.pages import find_cursor
from runs_mcp.server.pages.found_page import fetch_found
from runs_mcp.server.params import (
    MAX_PAGE,
    End,
    Environment,
    FoundLimit,
    Interaction,
    Limit,
    Model,
    Name,
    Offset,
    Start,
    Status,
    Tags,
)
from runs_mcp.server.privacy.content_conditions import reject_conditions_on_content
from runs_mcp.server.progress import Progress
from runs_mcp.server.render import empty_result_hints, results, run_lists, value_counts
from runs_mcp.server.render.selection import Selection
from runs_mcp.server.render.sorted_page import sorted_page
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import DASHBOARD

Text = Annotated[Name, params.FREE_TEXT, Field(description="Words to find in prompt, parameters and result")]
RunName = Annotated[Name, Field(description="Name of the run or its interaction")]
AllTags = Annotated[Tags, params.short_list("Only runs with all these tags")]
Parents = Annotated[list[Name], BeforeValidator(params.listed), Field(description="Ids of parent runs")]
LinkedObject = Annotated[Name, Field(description="Id of a linked object")]
ExcludedTags = Annotated[Tags, params.short_list("Tags to leave out")]
FinishReason = Annotated[Name, WithJsonSchema({"type": "string", "description": "E.g. length"})]
Creator = Annotated[Name, WithJsonSchema({"type": "string", "description": "User id"})]
IsRoot = Annotated[bool, Field(description="No parent")]
SomeRuns = Annotated[Tags, params.short_list("Run ids")]
WorkflowRuns = Annotated[Tags, params.short_list("Workflow run ids")]
FacetName = Literal["environments", "interactions", "models", "tags", "status", "finish_reason"]
FacetNames = Annotated[
    list[FacetName], BeforeValidator(params.listed), Field(min_length=1, description="What to count by; default all")
]
MongoFilter = Annotated[
    dict[str, Any],
    Field(
        description='MongoDB filter, e.g. {"status": "failed", "execution_time": {"$gt": 5000}}; '
        "interaction and environment by id or name, the model is modelId",
    ),
]
Sort = Annotated[SortKey, Field(description="Default: newest first; - for descending")]
Select = Annotated[
    list[Annotated[Name, Field(pattern=r"^-?[^\s]+$")]],
    BeforeValidator(params.listed),
    Field(description='Fields to return, or with a minus to leave out, e.g. ["status", "-id"]'),
]


@operation("POST /runs/search", title="Search runs", output=results.RUN_PAGE, page=DASHBOARD)
async def search_runs(
    call: Call,
    *,
    query: Text | MISSING = MISSING,
    name: RunName | MISSING = MISSING,
    status: Status | MISSING = MISSING,
    interaction: Interaction | MISSING = MISSING,
    environment: Environment | MISSING = MISSING,
    model: Model | MISSING = MISSING,
    tags: AllTags | MISSING = MISSING,
    parent: Parents | MISSING = MISSING,
    object: LinkedObject | MISSING = MISSING,  # noqa: A002 - the API's own name for it
    start: Start | MISSING = MISSING,
    end: End | MISSING = MISSING,
    exclude_tags: ExcludedTags | MISSING = MISSING,
    finish_reason: FinishReason | MISSING = MISSING,
    created_by: Creator | MISSING = MISSING,
    is_root: IsRoot | MISSING = MISSING,
    run_ids: SomeRuns | MISSING = MISSING,
    workflow_run_ids: WorkflowRuns | MISSING = MISSING,
    sort: Sort | MISSING = MISSING,
    limit: Limit = 20,
    offset: Offset = 0,
) -> CallToolResult:
    """Search runs by words, dates and filters, also sorted: the slowest, the most tokens. What these cannot express:
    find_runs. Numbers: aggregate_runs."""
    here = services(call)
    reject_conditions_on_content(here.config.server, text=query)
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
        exclude_tags=exclude_tags,
        finish_reason=finish_reason,
        created_by=created_by,
        is_root=is_root,
        run_ids=run_ids,
        workflow_run_ids=workflow_run_ids,
    )
    if sort is not MISSING:
        return await _sorted(call, filters, TimeSlice.between(start, end), sort, limit=limit, offset=offset)
    search = partial(here.runs.search_runs, **filters, start=start, end=end)
    page = await here.search_pages.fetch(search, limit=limit, offset=offset)
    hint = "" if page.runs or offset else await empty_result_hints.hint(here, filters)
    return run_lists.page(call, page, hint=hint)


@operation("POST /runs/find", title="Find runs by MongoDB filter", output=results.FOUND_RUNS, page=DASHBOARD)
async def find_runs(
    call: Call, *, query: MongoFilter, limit: FoundLimit = 20, select: Select | MISSING = MISSING
) -> CallToolResult:
    """Find runs by any condition: comparisons, missing fields, patterns, or/not. Simple filters: list_runs."""
    here, selection = services(call), Selection.of(select)
    reject_conditions_on_content(here.config.server, where=query)
    most = limit if selection else min(limit, MAX_PAGE)
    query = await here.names.ids_in(query)
    page = await fetch_found(here.runs, here.search_pages, query, limit=most, select=selection.requested)
    shown = run_lists.rows_that_fit(call, page.runs, selection)
    left = len(page.runs) - len(shown) + page.further
    if page.search is not None:
        return run_lists.searched(call, page.search, shown, selection, limit=most, left=left)
    further = await find_cursor.rows_remain(here.runs, query, shown) if shown and not left else left
    return run_lists.found(call, query, shown, selection, left=further)


@operation("POST /runs/facets", title="Count runs", output=results.FACETS, page=DASHBOARD)
async def compute_run_facets(
    call: Call,
    *,
    facets: FacetNames | MISSING = MISSING,
    query: Text | MISSING = MISSING,
    name: RunName | MISSING = MISSING,
    status: Status | MISSING = MISSING,
    interaction: Interaction | MISSING = MISSING,
    environment: Environment | MISSING = MISSING,
    model: Model | MISSING = MISSING,
    tags: AllTags | MISSING = MISSING,
    parent: Parents | MISSING = MISSING,
    object: LinkedObject | MISSING = MISSING,  # noqa: A002 - the API's own name for it
    start: Start | MISSING = MISSING,
    end: End | MISSING = MISSING,
) -> CallToolResult:
    """Count runs by status, interaction, model, environment, tag, under the filters of search_runs."""
    here = services(call)
    reject_conditions_on_content(here.config.server, text=query)
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
    counted = await count_facets(
        here.runs,
        facets,
        filters,
        TimeSlice.between(start, end),
        most=here.config.server.max_scan,
        within_s=here.config.streaming.max_wait_s,
        on_page=Progress.of(call).say,
        names_of=lambda by: here.names.by_id(*(one for one in NAMED if one in by)),
    )
    return value_counts.facets(call, counted.facets, covered=counted.covered)


async def _sorted(
    call: Call, filters: dict[str, Any], span: TimeSlice, sort: SortKey, *, limit: int, offset: int
) -> CallToolResult:
    """Return a page of the runs in the order of `sort`."""
    here = services(call)
    page = await sort_runs(
        here.runs,
        filters,
        span,
        sort,
        offset=offset,
        limit=limit,
        most=here.config.server.max_scan,
        within_s=here.config.streaming.max_wait_s,
        on_page=Progress.of(call).say,
    )
    return sorted_page(call, page, sort, offset, await here.names.by_id("interaction", "environment"))
