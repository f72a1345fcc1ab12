"""Runs as resources: `runs://{run_id}` and its parts, read fresh, listed newest first."""

import base64
import binascii
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer, ResourceSecurity
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ListResourcesResult, Resource

from runs_mcp.api import NotFoundError, Run, RunsApiError
from runs_mcp.server import params
from runs_mcp.server.context import Call, Services, services
from runs_mcp.server.render import error_messages, portable_json, tables
from runs_mcp.server.resources import slices
from runs_mcp.server.runs.uris import PARTS, uri_of

PAGE_SIZE = 50
JSON = "application/json"


def register(server: MCPServer[Services]) -> None:
    """Offer the templates of runs and of their parts, whole or a piece at a time."""
    whole = "The whole run as the API has it"
    part = "result, parameters or prompt of a run, whole"
    how = "path: a JSON pointer into it; offset, limit: characters of a text, items of a list"
    server.resource("runs://{run_id}", name="run", title="A run", description=whole, mime_type=JSON)(read_run)
    server.resource("runs://{run_id}/{part}", name="run_part", title="Part of a run", description=part, mime_type=JSON)(
        read_part
    )
    for uri, name, reader in (
        ("runs://{run_id}{?path,offset,limit}", "run_piece", read_run_piece),
        ("runs://{run_id}/{part}{?path,offset,limit}", "run_part_piece", read_part_piece),
    ):
        # A JSON pointer starts with a slash, which is no path of a file here.
        security = ResourceSecurity(exempt_params={"path"})
        server.resource(uri, name=name, title="A piece of a run", description=how, mime_type=JSON, security=security)(
            reader
        )


async def read_run(run_id: str, call: Context[Services, Any]) -> str:
    """The whole run as JSON, nothing the API sent left out."""
    return portable_json.dumps((await _run(call, run_id)).raw)


async def read_part(run_id: str, part: str, call: Context[Services, Any]) -> str:
    """One of a run's large fields as JSON."""
    return portable_json.dumps(await _part(call, run_id, part))


async def read_run_piece(
    run_id: str, call: Context[Services, Any], *, path: str = "", offset: str = "", limit: str = ""
) -> str:
    """What is at `path` in a run, or `limit` of it from `offset` on."""
    run = await _run(call, run_id)
    return portable_json.dumps(_piece(run.raw, uri_of(run_id), path, offset, limit))


async def read_part_piece(
    run_id: str, part: str, call: Context[Services, Any], *, path: str = "", offset: str = "", limit: str = ""
) -> str:
    """What is at `path` in a part of a run, or `limit` of it from `offset` on."""
    return portable_json.dumps(_piece(await _part(call, run_id, part), uri_of(run_id, part), path, offset, limit))


async def list_newest_runs(ctx: ServerRequestContext[Services, Any], call_next: CallNext) -> HandlerResult:
    """Answer `resources/list` with a page of runs, most recently updated first; pass everything else on."""
    result = await call_next(ctx)
    if ctx.method != "resources/list":
        return result
    offset = _offset((ctx.params or {}).get("cursor"))
    try:
        runs = await ctx.lifespan_context.runs.list_runs(limit=PAGE_SIZE, offset=offset)
    except RunsApiError as error:
        raise MCPError(INTERNAL_ERROR, error_messages.explain("resources/list", error, changes=False)) from None
    cursor = _cursor(offset + PAGE_SIZE) if len(runs) == PAGE_SIZE else None
    return ListResourcesResult(resources=[_resource(run) for run in runs], next_cursor=cursor, ttl_ms=0)


async def _part(call: Call, run_id: str, part: str) -> Any:
    if part not in PARTS:
        raise ResourceNotFoundError(f"A run has no part {part!r}; it has {', '.join(PARTS)}.")
    return (await _run(call, run_id)).raw.get(part)


def _piece(document: Any, uri: str, path: str, offset: str, limit: str) -> Any:
    try:
        value = slices.at(document, path)
        if not offset and not limit:
            return value
        return slices.cut(
            value, uri, path, offset=_number("offset", offset or "0"), limit=_number("limit", limit) if limit else None
        )
    except ValueError as error:
        raise ResourceNotFoundError(f"{error}. Nothing was changed.") from None


def _number(name: str, text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"`{name}` must be a whole number, not {text!r}")
    return int(text)


async def _run(call: Call, run_id: str) -> Run:
    try:
        return await services(call).runs.get_run(params.run_id(run_id))
    except ValueError as error:
        raise ResourceNotFoundError(f"{run_id!r}: {error}. {error_messages.NOTHING_SENT}") from None
    except NotFoundError:
        raise ResourceNotFoundError(f"There is no run {run_id!r}. list_runs shows the ids there are.") from None
    except RunsApiError as error:
        raise ResourceError(error_messages.explain("resources/read", error, changes=False)) from None


def _resource(run: Run) -> Resource:
    facts = tables.facts(run)
    return Resource(
        uri=uri_of(run.id),
        name=run.id,
        title=" ".join(facts[name] for name in ("interaction", "status", "created") if name in facts) or run.id,
        description=" · ".join(facts[name] for name in ("model", "environment", "tags") if name in facts) or None,
        mime_type=JSON,
    )


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def _offset(cursor: object) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(cursor)).decode().removeprefix("offset:"))
    except (binascii.Error, ValueError):
        raise MCPError(INVALID_PARAMS, "Unknown cursor. List again without one.") from None
