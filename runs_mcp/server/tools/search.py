"""Tools that search runs, by words and dates or by MongoDB filter, and that count runs by value."""

from functools import partial
from typing import Annotated, Any, Literal, Unpack

from mcp_types import CallToolResult
from pydantic import MISSING, BeforeValidator, Field

from runs_mcp.server import params
from runs_mcp.server.aggregate.facet_scan import count_facets
from runs_mcp.server.aggregate.sorted_runs import SortKey, sort_runs
from runs_mcp.server.aggregate.time_slices import TimeSlice
from runs_mcp.server.context import Call, services
from runs_mcp.server.pages import find_cursor
from runs_mcp.server.pages.found_page import fetch_found
from runs_mcp.server.params import MAX_PAGE, End, FoundLimit, Limit, Name, Offset, Start
from runs_mcp.server.privacy.content_conditions import reject_conditions_on_content
from runs_mcp.server.render import empty_result_hints, results, run_lists, value_counts
from runs_mcp.server.render.selection import Selection
from runs_mcp.server.render.sorted_page import sorted_page
from runs_mcp.server.tools.filter_arguments import SearchArguments
from runs_mcp.server.tools.filter_times import with_iso_times
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import DASHBOARD

FacetName = Literal["environments", "interactions", "models", "tags", "status", "finish_reason"]
FacetNames = Annotated[
    list[FacetName], BeforeValidator(params.listed), Field(min_length=1, description="What to count by; default all")
]
MongoFilter = Annotated[
    dict[str, Any],
    Field(
        description='MongoDB filter, e.g. {"created_at": {"$gte": "24h"}, "execution_time": {"$gt": 5000}}; '
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
    start: Start | MISSING = MISSING,
    end: End | MISSING = MISSING,
    sort: Sort | MISSING = MISSING,
    limit: Limit = 20,
    offset: Offset = 0,
    **filtered_by: Unpack[SearchArguments],
) -> CallToolResult:
    """Search runs by words, dates and filters, also sorted: the slowest, the most tokens. What these cannot express:
    find_runs. Numbers: aggregate_runs."""
    server = services(call)
    reject_conditions_on_content(server.config.server, text=filtered_by.get("query", MISSING))
    span = TimeSlice.between(start, end)
    filters = await server.names.in_filters(filtered_by)
    if sort is not MISSING:
        return await _sorted(call, filters, span, sort, limit=limit, offset=offset)
    search = partial(server.runs.search_runs, **filters, **span.filters)
    page = await server.search_pages.fetch(search, limit=limit, offset=offset)
    if not page.runs:
        await server.names.check_ids(filters)
    hint = "" if page.runs or offset else await empty_result_hints.for_search(call, {**filters, **span.filters})
    return run_lists.page(call, page, hint=hint)


@operation("POST /runs/find", title="Find runs by MongoDB filter", output=results.FOUND_RUNS, page=DASHBOARD)
async def find_runs(
    call: Call, *, query: MongoFilter, limit: FoundLimit = 20, select: Select | MISSING = MISSING
) -> CallToolResult:
    """Find runs by any condition: comparisons, missing fields, patterns, or/not. Simple filters: list_runs."""
    server, selection = services(call), Selection.of(select)
    reject_conditions_on_content(server.config.server, where=query)
    most = limit if selection else min(limit, MAX_PAGE)
    query = await server.names.ids_in(with_iso_times(query))
    page = await fetch_found(server.runs, server.search_pages, query, limit=most, select=selection.requested)
    names = {} if selection else server.names.remembered("interaction", "environment")
    shown = run_lists.fitting(call, [run_lists.with_names(run, names) for run in page.runs], selection)
    left = len(page.runs) - len(shown.runs) + page.further
    if page.search is not None:
        return run_lists.searched(call, query, page.search, shown, selection, limit=most, left=left)
    further: int | None = left
    if shown.runs and not left:
        further = await find_cursor.rows_remain(server.runs, query, shown.runs)
    return run_lists.found(call, query, shown, selection, left=further)


@operation("POST /runs/facets", title="Count runs", output=results.FACETS, page=DASHBOARD, filters_as_in="search_runs")
async def compute_run_facets(
    call: Call,
    *,
    facets: FacetNames | MISSING = MISSING,
    start: Start | MISSING = MISSING,
    end: End | MISSING = MISSING,
    **filtered_by: Unpack[SearchArguments],
) -> CallToolResult:
    """Count runs by status, interaction, model, environment, tag."""
    server = services(call)
    reject_conditions_on_content(server.config.server, text=filtered_by.get("query", MISSING))
    span = TimeSlice.between(start, end)
    filters = await server.names.in_filters(filtered_by)
    counted = await count_facets(call, facets, filters, span)
    hint = ""
    if counted.facets.are_empty:
        await server.names.check_ids(filters)
        hint = await empty_result_hints.for_search(call, {**filters, **span.filters})
    return value_counts.facets(call, counted.facets, covered=counted.covered, hint=hint)


async def _sorted(
    call: Call, filters: dict[str, Any], span: TimeSlice, sort: SortKey, *, limit: int, offset: int
) -> CallToolResult:
    """Return a page of the runs in the order of `sort`."""
    names = services(call).names
    page = await sort_runs(call, filters, span, sort, offset=offset, limit=limit)
    if not page.runs:
        await names.check_ids(filters)
    hint = "" if offset or not page.is_empty else await empty_result_hints.for_search(call, {**filters, **span.filters})
    return sorted_page(call, page, sort, offset, await names.by_id("interaction", "environment"), hint=hint)
