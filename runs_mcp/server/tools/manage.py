"""The tools of `server.manage`: change the tags of runs, and delete runs."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, Field

from runs_mcp.api import InvalidArgumentError, Run
from runs_mcp.observability import audit
from runs_mcp.server import elicitation
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import RunIds, Tags
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.scopes import MANAGE
from runs_mcp.server.progress import Progress
from runs_mcp.server.render import error_messages, outcomes, results, tables
from runs_mcp.server.runs import batch, own_tags
from runs_mcp.server.tools.operation import operation

AddedTags = Annotated[Tags, AfterValidator(own_tags.require_free), Field(description="Tags to add to each run")]
RemovedTags = Annotated[
    Tags, AfterValidator(own_tags.require_free), Field(description="Tags to remove; a run may lack them")
]
Change = Callable[[str], Awaitable[Run]]
"""A change of the run with an id, which returns the run as the outcome shows it."""


@operation("PUT /runs/{run_id}", title="Change tags", output=results.CHANGED_RUNS, scope=MANAGE)
async def update_run(
    call: Call,
    *,
    run_ids: RunIds,
    add_tags: AddedTags | MISSING = MISSING,
    remove_tags: RemovedTags | MISSING = MISSING,
) -> CallToolResult:
    """Add tags to runs and remove tags from them. The API replaces the whole list of tags, so a tag that another
    client changes at the same moment can be lost."""
    added = [] if add_tags is MISSING else add_tags
    removed = [] if remove_tags is MISSING else remove_tags
    if not added and not removed:
        raise InvalidArgumentError("Give `add_tags`, `remove_tags` or both")
    if both := next((tag for tag in added if tag in removed), None):
        raise InvalidArgumentError(f"{both!r} is both in `add_tags` and in `remove_tags`")
    await elicitation.confirm_change(call, "update", _question(run_ids, added, removed))
    retag = partial(_retag, call, added=added, removed=removed)
    return outcomes.changed(call, await _each(call, run_ids, retag), done="updated")


@operation("DELETE /runs/{run_id}", title="Delete runs", output=results.CHANGED_RUNS, scope=MANAGE)
async def delete_runs(call: Call, *, run_ids: RunIds) -> CallToolResult:
    """Delete runs for good, with their input, prompt and result. Only on explicit request of the user."""
    question = f"Delete {_named(run_ids)}? Deleted runs cannot be restored."
    await elicitation.confirm_change(call, "delete", question)
    return outcomes.changed(call, await _each(call, run_ids, partial(_delete, call)), done="deleted")


async def _each(call: Call, run_ids: Sequence[str], change: Change) -> list[outcomes.Outcome]:
    """Return the outcome of `change` for each run; a failure leaves the others alone."""
    asks = [(run_id, partial(change, run_id)) for run_id in dict.fromkeys(run_ids)]
    return await batch.each(call, asks, scope=MANAGE, progress=Progress.of(call))


async def _retag(call: Call, run_id: str, *, added: Sequence[str], removed: Sequence[str]) -> Run:
    """Return a run with its new tags, which include those of the server; write them only if they differ."""
    runs = services(call).runs
    run = await _read(call, run_id)
    tags = [*(tag for tag in run.tags if tag not in removed), *(tag for tag in added if tag not in run.tags)]
    if tags != list(run.tags):
        line = audit.recorded_update(run_id, added=added, removed=removed)
        await _send(call, line, partial(runs.update_run, run_id, tags=tags))
    return runs.filter_run(Run({"id": run_id, "tags": tags}))


async def _delete(call: Call, run_id: str) -> Run:
    await _send(call, audit.recorded_deletion(run_id), partial(services(call).runs.delete_run, run_id))
    return Run({"id": run_id})


async def _read(call: Call, run_id: str) -> Run:
    """Return a run with its content, since its tags are written again, within the time of the call."""
    with anyio.CancelScope(deadline=call.api_deadline):
        return await services(call).runs.unfiltered.get_run(run_id, include_prompt=False)
    raise ToolError(error_messages.no_answer(call.patience.wait_s, scope=MANAGE))


async def _send(call: Call, line: AbstractContextManager[None], change: Callable[[], Awaitable[None]]) -> None:
    """Send `change` once, within the time of the call, and write its `line` of the audit log.

    Raises:
        ToolError: there was no time left to send it, or the API has not answered in time.
        RunsApiError: see the class; `outcome_unknown` tells whether the run may have been changed.
    """
    most_s = call.patience.wait_s
    if anyio.current_time() >= call.api_deadline:
        raise ToolError(error_messages.no_answer(most_s, scope=MANAGE))
    with anyio.CancelScope(deadline=call.api_deadline), line:
        return await change()
    raise ToolError(error_messages.change_unanswered(most_s, offered_tools(call.request_context)))


def _question(run_ids: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> str:
    """Return the question that a person answers before tags are changed."""
    changes = [f"{verb} {tables.listed(tags)}" for verb, tags in (("add", added), ("remove", removed)) if tags]
    return f"Change the tags of {_named(run_ids)}: {', '.join(changes)}?"


def _named(run_ids: Sequence[str]) -> str:
    unique = list(dict.fromkeys(run_ids))
    return f"{tables.counted(len(unique), 'run')} ({tables.listed(unique)})"
