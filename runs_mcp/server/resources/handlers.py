"""Runs as resources: `runs://{run_id}` and its parts, read fresh and listed newest first; and the pages of the App."""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

from mcp.server.extension import Extension
from mcp.server.mcpserver.resources import Resource as Page
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Annotations,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)
from pydantic import MISSING

from runs_mcp.api import NotFoundError, Run, RunsApiError
from runs_mcp.server import params
from runs_mcp.server.context import Request
from runs_mcp.server.pages import cursor
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.privacy.content_policy import NOT_SHOWN
from runs_mcp.server.render import error_messages, portable_json, tables
from runs_mcp.server.resources import slices
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.uris import PARTS, SCHEME, uri_of

PAGE_SIZE = 50
HOUR_MS = 3_600_000
"""Time for which clients may keep the pages of the App and runs that have ended, which hardly change."""
JSON = "application/json"
_PIECE = "path: a JSON pointer into it; offset, limit: characters of a text, items of a list"
TEMPLATES = tuple(
    ResourceTemplate(uri_template=uri, name=name, title=title, description=description, mime_type=JSON)
    for uri, name, title, description in (
        ("runs://{run_id}", "run", "A run", "The whole run as the API has it"),
        ("runs://{run_id}/{part}", "run_part", "Part of a run", "result, parameters or prompt of a run, whole"),
        ("runs://{run_id}{?path,offset,limit}", "run_piece", "A piece of a run", _PIECE),
        ("runs://{run_id}/{part}{?path,offset,limit}", "run_part_piece", "A piece of a run", _PIECE),
    )
)
_RUN, _PART = (
    UriTemplate.parse(template.uri_template) for template in TEMPLATES[2:]
)  # these match without a query, too


async def list_resources(files: Extension, ctx: Request, asked: PaginatedRequestParams | None) -> ListResourcesResult:
    """Answer `resources/list` with a page of the newest `server.listed_runs` runs, most recently updated first.

    The resources of `files` follow the runs of the first page.

    Raises:
        MCPError: the cursor is invalid, or the API failed.
    """
    offset, most = cursor.offset_of(asked), ctx.lifespan_context.config.server.listed_runs
    if offset >= most:
        raise cursor.unknown()
    size = min(PAGE_SIZE, most - offset)
    try:
        runs = await ctx.lifespan_context.runs.list_runs(limit=size, offset=offset)
    except RunsApiError as error:
        message = error_messages.explain("resources/list", error, offered=offered_tools(ctx))
        raise MCPError(INTERNAL_ERROR, message) from None
    after = offset + len(runs)
    following = cursor.encode(after) if len(runs) == size and after < most else None
    shown = [] if offset else [_file(bound.resource) for bound in files.resources()]
    return ListResourcesResult(resources=[*map(_resource, runs), *shown], next_cursor=following, ttl_ms=0)


async def list_templates(_: Request, asked: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    """Answer `resources/templates/list`."""
    cursor.require_first_page(asked)
    return ListResourceTemplatesResult(resource_templates=list(TEMPLATES))


async def read_resource(
    extensions: Iterable[Extension], ctx: Request, asked: ReadResourceRequestParams
) -> ReadResourceResult:
    """Answer `resources/read` with a run, a part or a piece of it, or a file of one of `extensions`.

    Raises:
        MCPError: the resource does not exist, or the API failed.
    """
    if page := _find_file(extensions, asked.uri):
        contents = TextResourceContents(
            uri=page.uri, text=str(await page.read()), mime_type=page.mime_type, _meta=page.meta
        )
        return ReadResourceResult(contents=[contents], ttl_ms=HOUR_MS, cache_scope="public")
    try:
        run, value = await _read(ctx, asked.uri)
    except ValueError as error:
        raise MCPError(INVALID_PARAMS, str(error), {"uri": asked.uri}) from None
    except RunsApiError as error:
        text = error_messages.explain("resources/read", error, offered=offered_tools(ctx))
        raise MCPError(INTERNAL_ERROR, text, {"uri": asked.uri}) from None
    text = portable_json.dumps(value)
    contents = TextResourceContents(uri=asked.uri, text=text, mime_type=JSON)
    return ReadResourceResult(contents=[contents], ttl_ms=HOUR_MS if run.is_final else 0)


def _find_file(extensions: Iterable[Extension], uri: str) -> Page | None:
    if uri.startswith(SCHEME):
        return None
    bound = chain.from_iterable(extension.resources() for extension in extensions)
    return next((binding.resource for binding in bound if binding.resource.uri == uri), None)


async def _read(ctx: Request, uri: str) -> tuple[Run, Any]:
    """Return the run that `uri` names, and the whole of it, its part or its piece.

    Raises:
        ValueError: `uri` names nothing; the text says what exists instead.
        RunsApiError: the API failed.
    """
    if (found := _PART.match(uri)) is None and (found := _RUN.match(uri)) is None:
        shown = error_messages.mention(offered_tools(ctx), "list_runs", "; list_runs shows their ids")
        raise ValueError(f"Unknown resource: {uri}. Runs are runs://{{run_id}}{shown}.")
    named = {name: str(value) for name, value in found.items()}
    run_id, part = named.pop("run_id"), named.pop("part", None)
    if part is not None and part not in PARTS:
        raise ValueError(f"A run has no part {part!r}; it has {', '.join(PARTS)}.")
    if part is not None and ctx.lifespan_context.config.server.content == "none":
        raise ValueError(f"{NOT_SHOWN} {uri_of(run_id)} has the status, times and tokens of the run.")
    run = await _run(ctx, run_id, include_prompt=MISSING if part in (None, "prompt") else False)
    document = own_tags.without_own(run.raw) if part is None else run.raw.get(part)
    return run, _piece(document, uri_of(run_id, part), **named)


async def _run(ctx: Request, run_id: str, *, include_prompt: bool | MISSING) -> Run:
    try:
        return await ctx.lifespan_context.runs.get_run(params.run_id(run_id), include_prompt=include_prompt)
    except ValueError as error:
        raise ValueError(f"{run_id!r}: {error}. {error_messages.NOTHING_SENT}") from None
    except NotFoundError:
        raise ValueError(error_messages.no_such_run(run_id, offered_tools(ctx))) from None


def _piece(document: Any, uri: str, *, path: str = "", offset: str = "", limit: str = "") -> Any:
    try:
        value = slices.at(document, path)
        if not offset and not limit:
            return value
        return slices.cut(
            value, uri, path, offset=_number("offset", offset or "0"), limit=_number("limit", limit) if limit else None
        )
    except ValueError as error:
        raise ValueError(f"{error}.") from None


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError(f"`{name}` must be a whole number, not {text!r}")
    return int(text)


def _file(file: Page) -> Resource:
    return Resource(uri=file.uri, name=file.name, description=file.description, mime_type=file.mime_type)


def _resource(run: Run) -> Resource:
    facts = tables.facts(run)
    return Resource(
        uri=uri_of(run.id),
        name=run.id,
        title=" ".join(facts[name] for name in ("interaction", "status", tables.CREATED) if name in facts) or run.id,
        description=" · ".join(facts[name] for name in ("model", "environment", "tags") if name in facts) or None,
        mime_type=JSON,
        annotations=Annotations(last_modified=run.updated_at.isoformat()) if run.updated_at else None,
    )
