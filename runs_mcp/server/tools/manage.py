"""The tools of `server.manage`: change the tags of runs, and delete runs."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, Field

from runs_mcp.api import InvalidArgumentError, Run, RunsApiError
from runs_mcp.observability import audit
from runs_mcp.server import elicitation
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import RunIds, Tags
from runs_mcp.server.permissions.scopes import MANAGE
from runs_mcp.server.render import error_messages, outcomes, results
from runs_mcp.server.runs import own_tags
from runs_mcp.server.tools import batch
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
    retag = partial(_retag, call, added=added, removed=removed)
    return outcomes.changed(call, await _each(call, run_ids, retag), done="updated")


@operation("DELETE /runs/{run_id}", title="Delete runs", output=results.CHANGED_RUNS, scope=MANAGE)
async def delete_runs(call: Call, *, run_ids: RunIds) -> CallToolResult:
    """Delete runs for good, with their input, prompt and result. Only on explicit request of the user."""
    await elicitation.confirm_deletion(call, list(dict.fromkeys(run_ids)))
    return outcomes.changed(call, await _each(call, run_ids, partial(_delete, call)), done="deleted")


async def _each(call: Call, run_ids: Sequence[str], change: Change) -> list[outcomes.Outcome]:
    """Return the outcome of `change` for each run; a failure leaves the others alone."""
    asks = [(run_id, partial(_in_time, call, run_id, change)) for run_id in dict.fromkeys(run_ids)]
    return await batch.each(call.name, asks, changes=False)


async def _in_time(call: Call, run_id: str, change: Change) -> Run:
    """Return the run after `change`, which the time of the call bounds.

    Raises:
        ToolError: It is not known whether the run was changed, or there was no time left to change it.
        RunsApiError: The run was not changed.
    """
    if anyio.current_time() >= call.api_deadline:
        raise ToolError(error_messages.no_answer(services(call).config.streaming.max_wait_s))
    try:
        with anyio.CancelScope(deadline=call.api_deadline):
            return await change(run_id)
    except RunsApiError as error:
        if not error.outcome_unknown:
            raise
    raise ToolError(error_messages.change_unanswered(run_id))


async def _retag(call: Call, run_id: str, *, added: Sequence[str], removed: Sequence[str]) -> Run:
    """Return a run with its new tags; a run whose tags are these already is not written."""
    runs = services(call).runs
    run = await runs.unfiltered.get_run(run_id, include_prompt=False)
    tags = [*(tag for tag in run.tags if tag not in removed), *(tag for tag in added if tag not in run.tags)]
    if tags != list(run.tags):
        await runs.update_run(run_id, tags=tags)
        audit.record_update(run_id, added=added, removed=removed)
    return runs.filter_run(Run({"id": run_id, "tags": tags}))


async def _delete(call: Call, run_id: str) -> Run:
    await services(call).runs.delete_run(run_id)
    audit.record_deletion(run_id)
    return Run({"id": run_id})
