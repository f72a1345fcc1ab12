"""Tools that read runs: the list, whole runs, and the values of filters."""

from functools import partial
from typing import Annotated, Literal, Unpack

from mcp_types import CallToolResult
from pydantic import MISSING, BeforeValidator, Field

from runs_mcp.api import InvalidArgumentError
from runs_mcp.server import params
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import Limit, Offset, RunId, RunIds, Tail
from runs_mcp.server.progress import Progress
from runs_mcp.server.render import comparison, empty_result_hints, outcomes, results, run_lists, value_counts
from runs_mcp.server.runs import batch, own_tags
from runs_mcp.server.tools import filter_values
from runs_mcp.server.tools.filter_arguments import ListArguments, OptionArguments, unwrapped
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import DASHBOARD, RUN_VIEWER

Part = Literal["parameters", "result", "result_schema", "prompt", "config", "source"]
Include = Annotated[
    list[Part],
    BeforeValidator(params.listed),
    Field(description="Large fields to return; default all"),
]
Compare = Annotated[bool, Field(description="The differences between run_ids, then what they share")]
FilterField = Annotated[
    str,
    Field(
        description="Which filter, e.g. interaction, status, model, environment, tag",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$",
    ),
]


@operation("GET /runs", title="List runs", output=results.RUN_PAGE, page=DASHBOARD)
async def list_runs(
    call: Call, *, limit: Limit = 20, offset: Offset = 0, **filtered_by: Unpack[ListArguments]
) -> CallToolResult:
    """List runs (LLM executions), most recently updated first, filtered exactly. For text or dates use search_runs."""
    server = services(call)
    filters = await server.names.in_filters(unwrapped(filtered_by))
    page = await server.list_pages.fetch(partial(server.runs.list_runs, **filters), limit=limit, offset=offset)
    if not page.runs:
        await server.names.check_ids(filters)
    hint = "" if page.runs or offset else await empty_result_hints.for_list(call, filters)
    return run_lists.page(call, page, hint=hint)


@operation("GET /runs/{run_id}", title="Get a run", output=results.RUN, page=RUN_VIEWER)
async def get_run(
    call: Call,
    *,
    run_id: RunId | MISSING = MISSING,
    run_ids: RunIds | MISSING = MISSING,
    include: Include | MISSING = MISSING,
    tail: Tail | MISSING = MISSING,
    compare: Compare = False,
) -> CallToolResult:
    """Read one run (run_id) or several (run_ids): status, error, result, parameters, prompt, timing, tokens. Whole
    fields: resource runs://{run_id}."""
    parts, last = params.given(include), params.given(tail)
    with_prompt = MISSING if parts is None or "prompt" in parts else False
    read = partial(services(call).runs.get_run, include_prompt=with_prompt)
    if run_id is not MISSING and run_ids is MISSING:
        if compare:
            raise InvalidArgumentError("`compare` needs `run_ids` with two or more ids")
        return results.one_run(call, await read(run_id), include=parts, tail=last)
    if run_id is not MISSING or run_ids is MISSING:
        raise InvalidArgumentError("Give exactly one of `run_id` and `run_ids`")
    reads = {each_id: partial(read, each_id) for each_id in run_ids}
    if compare and len(reads) == 1:
        raise InvalidArgumentError("`compare` needs `run_ids` with two or more ids")
    read_runs = await batch.each(call, reads.items(), progress=Progress.of(call))
    if compare:
        return comparison.compared(call, read_runs, include=parts)
    return outcomes.several(call, read_runs, include=parts, tail=last)


@operation("GET /runs/filter-options/{field}", title="List filter values", output=results.OPTIONS)
async def get_run_filter_options(
    call: Call, *, field: FilterField, **filtered_by: Unpack[OptionArguments]
) -> CallToolResult:
    """List the values of a filter with their names and run counts: turns a name into the id that other tools need."""
    server = services(call)
    filters = await server.names.in_filters(filtered_by)
    values = await filter_values.of(server.runs, field, filters)
    hint = ""
    if not values.options and filters:
        await server.names.check_ids(filters)
        hint = await empty_result_hints.for_list(call, filters)
    shown = [value for value in values.options if not own_tags.is_own(value.name or value.id or "")]
    return value_counts.options(call, field, shown, complete=values.complete, hint=hint)
