"""Checks of the permissions of the credential, one per operation, with requests that change nothing.

No run is ever created, changed or deleted.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from runs_mcp.api import REFUSALS, NotFoundError, RunsApiError
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.explanations import describe
from runs_mcp.cli.check.findings import Check, Finding, check, failed, ok, skipped, warning
from runs_mcp.server.permissions.permitted_tools import EXECUTE, READ, SUFFICIENT, permits

UNTIL_THEN = "Until then clients are not offered this tool."
CALLS_FAIL = "Until then calls of this tool fail."
NO_RUN = "0" * 24
"""An id that belongs to no run."""
NOT_OFFERED = "not offered: server.tools or server.read_only excludes it"
NOT_MANAGED = "not offered: server.manage is off, or server.tools or server.read_only excludes it"
NOT_TRIED = "not tried, since it would create a run"
NOT_CHANGED = "not tried, since it would change a run"


class Replacement(NamedTuple):
    """The operation that replaces an operation closed to the credential."""

    tool: str
    """The tool whose operation is used instead."""
    effect: str
    """The difference in the answers."""


REPLACEMENTS: Mapping[str, Replacement] = {
    "find_runs": Replacement("search_runs", "filters that a search can express work, and others are refused"),
    "compute_run_facets": Replacement("search_runs", "runs are read and counted, at most server.max_scan of them"),
    "get_run_filter_options": Replacement(
        "list_runs", "values come from the catalogue and the newest runs, without counts"
    ),
    "stream_run": Replacement("get_run", "the text of a run can be read once the run has ended"),
}


def permission_check(text: str = "allowed") -> Callable[[Callable[[Examination], Awaitable[None]]], Check]:
    """Return a decorator that makes a check of a function, which calls the operation of the same name."""

    def decorate(call: Callable[[Examination], Awaitable[None]]) -> Check:
        @check(call.__name__, after=("api",))
        async def check_permission(state: Examination) -> Finding:
            if call.__name__ not in state.offered:
                return skipped(NOT_OFFERED)
            try:
                await call(state)
            except REFUSALS as error:
                return _refused(call.__name__, error, state)
            state.allowed.add(call.__name__)
            return ok(text)

        return check_permission

    return decorate


@permission_check()
async def list_runs(state: Examination) -> None:
    """`GET /runs`."""
    await state.client.list_runs(limit=1)


@permission_check()
async def get_run(state: Examination) -> None:
    """`GET /runs/{run_id}` for the newest run, or for an unknown id if there are no runs."""
    if state.newest:
        await state.client.get_run(state.newest[0].id)
    else:
        with suppress(NotFoundError):
            await state.client.get_run(NO_RUN)


@permission_check()
async def search_runs(state: Examination) -> None:
    """`POST /runs/search`."""
    await state.client.search_runs(limit=1)


@permission_check()
async def find_runs(state: Examination) -> None:
    """`POST /runs/find` with a filter that cannot be translated into a search."""
    # The client replaces a closed `find` by a search if it can, which would hide the missing permission.
    await state.client.find_runs({"status": {"$exists": True}}, limit=1)


@permission_check()
async def compute_run_facets(state: Examination) -> None:
    """`POST /runs/facets` for runs that start now or later, so that little is counted."""
    await state.client.compute_facets(facets=["status"], start=datetime.now(UTC))


@permission_check()
async def get_run_filter_options(state: Examination) -> None:
    """`GET /runs/filter-options/{field}`."""
    await state.client.get_filter_options("environment")


@check("list_interactions", after=("api",))
async def list_interactions(state: Examination) -> Finding:
    """`POST /interactions/endpoints` or `/interactions/export`; if it is closed, names come from runs."""
    if "list_interactions" not in state.offered:
        return skipped(NOT_OFFERED)
    try:
        await state.client.catalog.list_interactions()
    except REFUSALS as error:
        source = await _source_of_names(state)
        if source is None:
            return _unusable("list_interactions", error, state)
        replaced_by, effect = source
        fix = f"Grant interaction:read to {state.source}; until then {effect}."
        return warning(f"not allowed for this credential. {describe(error)}", fix, replaced_by=replaced_by)
    return ok("allowed")


async def _source_of_names(state: Examination) -> tuple[str, str] | None:
    """Return the operation that gives the names of interactions, and what it lists; None if none answers."""
    with suppress(RunsApiError):
        await state.client.list_names("interaction")
        return "GET /interactions/names", "interactions are listed by name alone, without their inputs"
    with suppress(RunsApiError):
        await state.client.list_runs(limit=1)
        return "list_runs", "only the names that runs have used are listed"
    return None


@permission_check("allowed; execution itself is not tried")
async def stream_run(state: Examination) -> None:
    """`GET /runs/{run_id}/stream` for an unknown id: opening the stream of a run can execute the run."""
    with suppress(NotFoundError):
        async with state.client.stream_run(NO_RUN):
            pass


@check("create_run", after=("credential", "tools"))
async def create_run(state: Examination) -> Finding:
    """`POST /runs` is never sent, since runs cost money; the permissions in the token are read instead."""
    if "create_run" not in state.offered:
        return skipped(NOT_OFFERED)
    return _untried(state, "create_run", NOT_TRIED, instead="set server.read_only")


@check("update_run", after=("credential", "tools"))
async def update_run(state: Examination) -> Finding:
    """`PUT /runs/{run_id}` is never sent; the permissions in the token are read instead."""
    return _change(state, "update_run")


@check("delete_runs", after=("credential", "tools"))
async def delete_runs(state: Examination) -> Finding:
    """`DELETE /runs/{run_id}` is never sent; the permissions in the token are read instead."""
    return _change(state, "delete_runs")


def _change(state: Examination, tool: str) -> Finding:
    if tool not in state.offered:
        return skipped(NOT_MANAGED)
    return _untried(state, tool, NOT_CHANGED, instead="turn server.manage off")


def _untried(state: Examination, tool: str, reason: str, *, instead: str) -> Finding:
    """Return the finding for an operation that changes something, from the permissions in the token."""
    permissions = state.credential.permissions
    if permissions is None:
        return skipped(f"{reason}, and the token lists no permissions")
    [needed] = SUFFICIENT[tool]
    if lacking := " and ".join(sorted(needed - {*permissions})):
        state.unusable.add(tool)
        fix = f"Grant {lacking} to {state.source}, or {instead}. {UNTIL_THEN}"
        return warning(f"{reason}; the token lacks {lacking}", fix)
    return ok(f"{reason}; the token holds {' and '.join(sorted(needed))}")


def _refused(tool: str, error: RunsApiError, state: Examination) -> Finding:
    """Return the finding for a refused operation: a warning if another operation that is allowed replaces it."""
    replacement = REPLACEMENTS.get(tool)
    if replacement is None or replacement.tool not in state.allowed:
        return _unusable(tool, error, state)
    text = f"not allowed for this credential. {describe(error)}"
    fix = (
        f"{replacement.tool} replaces {tool}: {replacement.effect}. "
        f"Grant the permission to {state.source} if that is not enough."
    )
    return warning(text, fix, replaced_by=replacement.tool)


def _unusable(tool: str, error: RunsApiError, state: Examination) -> Finding:
    """Return the finding for a tool that does not work with the credential."""
    state.unusable.add(tool)
    hidden = not permits(state.credential.permissions, tool)
    fix = f"Grant {READ if hidden else 'the permission'} to {state.source}, or use another credential."
    return warning(
        f"not allowed for this credential. {describe(error)}", f"{fix} {UNTIL_THEN if hidden else CALLS_FAIL}"
    )


@check("working_tools", after=("api", "tools"))
async def working_tools(state: Examination) -> Finding:
    """List the tools that work with the credential; without any, the setup is of no use."""
    if "search_runs" in state.unusable or not permits(state.credential.permissions, "aggregate_runs"):
        state.unusable.add("aggregate_runs")  # reads runs by the same operation
    unusable = [name for name in state.offered if name in state.unusable]
    working = [name for name in state.offered if name not in state.unusable]
    facts = {"working": working, "unusable": unusable}
    if not working:
        fix = f"Grant {READ} to {state.source} for the tools that read, or {EXECUTE} to execute runs."
        return failed("the credential permits none of the tools that are offered", fix, **facts)
    if not unusable:
        return ok(f"all {len(working)} work with the credential", **facts)
    return ok(f"{', '.join(working)}; the credential does not permit {', '.join(unusable)}", **facts)
