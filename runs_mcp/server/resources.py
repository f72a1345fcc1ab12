"""Runs as resources: `runs://{run_id}` and its parts, read fresh, listed newest first."""

import base64
import binascii
import json
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ListResourcesResult, Resource

from runs_mcp.api import NotFoundError, Run, RunsApiError
from runs_mcp.server import failures, params, tables
from runs_mcp.server.answers import PARTS
from runs_mcp.server.services import Call, Services, services

PAGE_SIZE = 50
JSON = "application/json"


def register(server: MCPServer[Services]) -> None:
    """Offer the templates of runs and of their parts."""
    server.resource(
        "runs://{run_id}", name="run", title="A run", description="The whole run as the API has it", mime_type=JSON
    )(read_run)
    server.resource(
        "runs://{run_id}/{part}",
        name="run_part",
        title="A part of a run",
        description="result, parameters or prompt of a run, whole",
        mime_type=JSON,
    )(read_part)


async def read_run(run_id: str, call: Context[Services, Any]) -> str:
    """The whole run as JSON, nothing the API sent left out."""
    return _json((await _run(call, run_id)).raw)


async def read_part(run_id: str, part: str, call: Context[Services, Any]) -> str:
    """One of a run's large fields as JSON."""
    if part not in PARTS:
        raise ResourceNotFoundError(f"A run has no part {part!r}; it has {', '.join(PARTS)}.")
    return _json((await _run(call, run_id)).raw.get(part))


async def list_newest_runs(ctx: ServerRequestContext[Services, Any], call_next: CallNext) -> HandlerResult:
    """Answer `resources/list` with a page of runs, most recently updated first; pass everything else on."""
    result = await call_next(ctx)
    if ctx.method != "resources/list":
        return result
    offset = _offset((ctx.params or {}).get("cursor"))
    try:
        runs = await ctx.lifespan_context.runs.list_runs(limit=PAGE_SIZE, offset=offset)
    except RunsApiError as error:
        raise MCPError(INTERNAL_ERROR, failures.explain("resources/list", error, changes=False)) from None
    cursor = _cursor(offset + PAGE_SIZE) if len(runs) == PAGE_SIZE else None
    return ListResourcesResult(resources=[_resource(run) for run in runs], next_cursor=cursor, ttl_ms=0)


async def _run(call: Call, run_id: str) -> Run:
    try:
        return await services(call).runs.get_run(params.run_id(run_id))
    except ValueError as error:
        raise ResourceNotFoundError(f"{run_id!r}: {error}. {failures.NOTHING_SENT}") from None
    except NotFoundError:
        raise ResourceNotFoundError(f"There is no run {run_id!r}. list_runs shows the ids there are.") from None
    except RunsApiError as error:
        raise ResourceError(failures.explain("resources/read", error, changes=False)) from None


def _resource(run: Run) -> Resource:
    row = tables.run_row(run)
    return Resource(
        uri=f"runs://{run.id}",
        name=run.id,
        title=" ".join(filter(None, [row["interaction"], row["status"], row["created"]])) or run.id,
        description=" · ".join(filter(None, [row["model"], row["environment"], row["tags"]])) or None,
        mime_type=JSON,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def _offset(cursor: object) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(cursor)).decode().removeprefix("offset:"))
    except (binascii.Error, ValueError):
        raise MCPError(INVALID_PARAMS, "Unknown cursor. List again without one.") from None
