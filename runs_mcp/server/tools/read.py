"""Reading runs: list them, read one, and see which values its filters can take."""

from functools import partial
from typing import Annotated, Any, Literal

from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, BeforeValidator, Field

from runs_mcp.api import InvalidArgumentError
from runs_mcp.server import params
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import Environment, Interaction, Limit, Model, Offset, Parent, RunId, Status, Tag
from runs_mcp.server.render import empty_result_hints, results
from runs_mcp.server.tools import batch, filter_values
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import DASHBOARD, RUN_VIEWER

Part = Literal["parameters", "result", "result_schema", "prompt", "config", "source"]
Include = Annotated[
    list[Part],
    BeforeValidator(params.listed),
    Field(description="Only these of the large fields; default all, cut where too long"),
]
RunIds = Annotated[
    list[Annotated[params.Name, AfterValidator(params.run_id)]],
    BeforeValidator(params.listed),
    Field(min_length=1, max_length=batch.MOST, description="Ids of several runs, read in one call"),
]
FilterField = Annotated[
    str,
    Field(
        description="Which filter",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$",
        examples=["interaction", "status", "model", "environment", "tag"],
    ),
]


@operation("GET /runs", title="List runs", output=results.RUN_PAGE, page=DASHBOARD)
async def list_runs(
    call: Call,
    *,
    limit: Limit = 20,
    offset: Offset = 0,
    interaction: Interaction | MISSING = MISSING,
    status: Status | MISSING = MISSING,
    model: Model | MISSING = MISSING,
    environment: Environment | MISSING = MISSING,
    tag: Tag | MISSING = MISSING,
    parent: Parent | MISSING = MISSING,
) -> CallToolResult:
    """List runs (LLM executions), most recently updated first, filtered exactly. For text or dates use search_runs."""
    here = services(call)
    filters: dict[str, Any] = {
        "interaction": await here.names.id_of("interaction", interaction),
        "status": status,
        "model": model,
        "environment": await here.names.id_of("environment", environment),
        "tag": tag,
        "parent": False if parent == "false" else parent,
    }
    runs = await here.runs.list_runs(limit=limit, offset=offset, **filters)
    hint = "" if runs else await empty_result_hints.advice(here.runs, filters)
    return results.page(call, runs, limit=limit, offset=offset, advice=hint)


@operation("GET /runs/{run_id}", title="Get a run", output=results.RUN, page=RUN_VIEWER)
async def get_run(
    call: Call,
    *,
    run_id: RunId | MISSING = MISSING,
    run_ids: RunIds | MISSING = MISSING,
    include: Include | MISSING = MISSING,
) -> CallToolResult:
    """Read one run (run_id) or several (run_ids): status, error, result, parameters, prompt, timing, tokens. Whole
    fields: resource runs://{run_id}."""
    read, parts = services(call).runs.get_run, None if include is MISSING else include
    if run_id is not MISSING and run_ids is MISSING:
        return results.one_run(call, await read(run_id), include=parts)
    if run_id is not MISSING or run_ids is MISSING:
        raise InvalidArgumentError("Give exactly one of `run_id` and `run_ids`")
    asks = {one: partial(read, one) for one in run_ids}
    return results.several(call, await batch.each("get_run", asks, changes=False), include=parts)


@operation("GET /runs/filter-options/{field}", title="List filter values", output=results.OPTIONS)
async def get_run_filter_options(
    call: Call,
    *,
    field: FilterField,
    interaction: Interaction | MISSING = MISSING,
    status: Status | MISSING = MISSING,
    model: Model | MISSING = MISSING,
    environment: Environment | MISSING = MISSING,
    tag: Tag | MISSING = MISSING,
    parent: Parent | MISSING = MISSING,
) -> CallToolResult:
    """List the values of a filter with their names and run counts: turns a name into the id that other tools want."""
    here = services(call)
    filters: dict[str, Any] = {
        "interaction": await here.names.id_of("interaction", interaction),
        "status": status,
        "model": model,
        "environment": await here.names.id_of("environment", environment),
        "tag": tag,
        "parent": False if parent == "false" else parent,
    }
    return results.options(call, field, await filter_values.of(here.runs, field, filters))
