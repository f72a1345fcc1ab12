"""The Tasks extension (SEP-2663, for 2026-07-28): a call that follows a run can return a task, which is the run itself.

The id of the task is the id of the run, so any process with the same API can answer `tasks/get`, even after a restart.
"""

from datetime import UTC, datetime
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from runs_mcp.api import NotFoundError, Run, RunsApiError
from runs_mcp.server import params
from runs_mcp.server.context import Call, Request
from runs_mcp.server.patience import API_GRACE_S
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.render import error_messages, results, tables

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS = 2_000


class TaskParams(RequestParams):
    """The parameters of `tasks/get`, `tasks/cancel` and `tasks/update`."""

    task_id: str


class Tasks(Extension):
    """The methods of tasks, and the tasks that replace results of `create_run` and `stream_run`."""

    identifier = EXTENSION

    def methods(self) -> list[MethodBinding]:
        """Return the bindings of `tasks/get`, `tasks/cancel` and `tasks/update`."""
        handlers = {"tasks/get": get, "tasks/cancel": acknowledge, "tasks/update": acknowledge}
        return [
            MethodBinding(method, TaskParams, handler, frozenset(MODERN_PROTOCOL_VERSIONS))
            for method, handler in handlers.items()
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Request, call_next: CallNext
    ) -> HandlerResult:
        """Return the task in place of the result of a call that was accepted as a task."""
        del params
        result = await call_next(ctx)
        if isinstance(result, CallToolResult) and (run_id := (result.meta or {}).get(results.RUN_OF_TASK)):
            # If the API does not answer in time, the result tells the client how to follow the run.
            with anyio.move_on_after(API_GRACE_S):
                return {"resultType": "task", **_task(ctx, await _run(ctx, str(run_id)))}
        return result


def wanted(call: Call) -> bool:
    """Return True if the client of `call` declares support for tasks."""
    declared = call.request_context.session.client_capabilities
    return call.modern and declared is not None and EXTENSION in (declared.extensions or ())


async def get(ctx: Request, asked: TaskParams) -> HandlerResult:
    """Answer `tasks/get` with the state of the run, and with the result of the call once it has ended."""
    run = await _run_of(ctx, asked)
    answer: dict[str, Any] = {"resultType": "complete", **_task(ctx, run)}
    if run.is_final:
        result = results.ended(Call(ctx), run)
        answer["result"] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return answer


async def acknowledge(ctx: Request, asked: TaskParams) -> HandlerResult:
    """Acknowledge `tasks/cancel` or `tasks/update` without effect: runs cannot be cancelled and ask no questions."""
    await _run_of(ctx, asked)
    return {"resultType": "complete"}


def _task(ctx: Request, run: Run) -> dict[str, Any]:
    created = run.created_at or datetime.now(UTC)
    return {
        "taskId": run.id,
        # A failed run is a completed task with a result; `failed` is for requests that produce no result.
        "status": "completed" if run.is_final else "working",
        "statusMessage": _message(ctx, run),
        "createdAt": created.isoformat(),
        "lastUpdatedAt": (run.updated_at or created).isoformat(),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }


def _message(ctx: Request, run: Run) -> str:
    if run.is_final:
        took = tables.duration(run.execution_time_ms)
        return f"{run.status} after {took}" if took else str(run.status)
    if follower := ctx.lifespan_context.hub.find(run.id):
        return f"{run.status}, {follower.length:,} characters written so far"
    if run.status == "created":
        start = f'; stream_run(run_id="{run.id}") starts it'
        return f"created and not started{error_messages.mention(offered_tools(ctx), 'stream_run', start)}"
    return f"{run.status}, followed elsewhere"


async def _run_of(ctx: Request, asked: TaskParams) -> Run:
    """Return the run of a task.

    Raises:
        MCPError: the client does not declare the extension, names another task in the header, or there is no such run.
    """
    require_client_extension(ctx, EXTENSION)
    headers = getattr(ctx.request, "headers", None)
    if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != asked.task_id:
        raise MCPError(HEADER_MISMATCH, f"The {MCP_NAME_HEADER} header must be the id of the task, {asked.task_id!r}.")
    return await _run(ctx, asked.task_id)


async def _run(ctx: Request, task_id: str) -> Run:
    try:
        return await ctx.lifespan_context.runs.get_run(params.run_id(task_id), include_prompt=False)
    except (ValueError, NotFoundError):
        raise MCPError(INVALID_PARAMS, f"There is no task {task_id!r}: tasks are runs, by their ids.") from None
    except RunsApiError as error:
        raise MCPError(INTERNAL_ERROR, error_messages.explain("tasks/get", error, offered=offered_tools(ctx))) from None
