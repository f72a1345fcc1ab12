"""Checks of the permissions of the credential, one per operation, with requests that change nothing.

No run is ever created, changed or deleted.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from runs_mcp.api import REFUSALS, NotFoundError, RunsApiError
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.explanations import explain, happened
from runs_mcp.cli.check.findings import Check, Finding, check, ok, skipped, warning

NO_RUN = "0" * 24
"""An id that belongs to no run."""
EXECUTE = "interaction:execute"
WRITE = "run:write"
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


def operation(text: str = "allowed") -> Callable[[Callable[[Examination], Awaitable[None]]], Check]:
    """Return a decorator: the function calls the operation of the same name, and becomes its check."""

    def wrap(use: Callable[[Examination], Awaitable[None]]) -> Check:
        @check(use.__name__, after=("api",))
        async def look(about: Examination) -> Finding:
            if use.__name__ not in about.offered:
                return skipped(NOT_OFFERED)
            try:
                await use(about)
            except REFUSALS as error:
                return _refused(use.__name__, error, about)
            about.allowed.add(use.__name__)
            return ok(text)

        return look

    return wrap


@operation()
async def list_runs(about: Examination) -> None:
    """`GET /runs`."""
    await about.client.list_runs(limit=1)


@operation()
async def get_run(about: Examination) -> None:
    """`GET /runs/{run_id}` for the newest run, or for an unknown id if there are no runs."""
    if about.newest:
        await about.client.get_run(about.newest[0].id)
    else:
        with suppress(NotFoundError):
            await about.client.get_run(NO_RUN)


@operation()
async def search_runs(about: Examination) -> None:
    """`POST /runs/search`."""
    await about.client.search_runs(limit=1)


@operation()
async def find_runs(about: Examination) -> None:
    """`POST /runs/find` with a filter that cannot be translated into a search."""
    await about.client.find_runs({"status": {"$exists": True}}, limit=1)


@operation()
async def compute_run_facets(about: Examination) -> None:
    """`POST /runs/facets` for runs that start now or later, so that little is counted."""
    await about.client.compute_facets(facets=["status"], start=datetime.now(UTC))


@operation()
async def get_run_filter_options(about: Examination) -> None:
    """`GET /runs/filter-options/{field}`."""
    await about.client.get_filter_options("environment")


@check("list_interactions", after=("api",))
async def list_interactions(about: Examination) -> Finding:
    """`POST /interactions/endpoints` or `/interactions/export`; if it is closed, names come from runs."""
    if "list_interactions" not in about.offered:
        return skipped(NOT_OFFERED)
    try:
        await about.client.catalog.list_interactions()
    except REFUSALS as error:
        replaced_by, effect = await _source_of_names(about)
        fix = f"Grant interaction:read to {about.source}; until then {effect}."
        return warning(f"not allowed for this credential. {happened(error)}", fix, replaced_by=replaced_by)
    return ok("allowed")


async def _source_of_names(about: Examination) -> tuple[str, str]:
    """Return the operation that gives the names of interactions, and what it lists."""
    try:
        await about.client.list_names("interaction")
    except RunsApiError:
        return "list_runs", "only the names that runs have used are listed"
    return "GET /interactions/names", "interactions are listed by name alone, without their inputs"


@operation("allowed; execution itself is not tried")
async def stream_run(about: Examination) -> None:
    """`GET /runs/{run_id}/stream` for an unknown id: opening the stream of a run can execute the run."""
    with suppress(NotFoundError):
        async with about.client.stream_run(NO_RUN):
            pass


@check("create_run", after=("credential", "tools"))
async def create_run(about: Examination) -> Finding:
    """`POST /runs` is never sent, since runs cost money; the permissions in the token are read instead."""
    if "create_run" not in about.offered:
        return skipped(NOT_OFFERED)
    return _untried(about, NOT_TRIED, EXECUTE, instead="set server.read_only")


@check("update_run", after=("credential", "tools"))
async def update_run(about: Examination) -> Finding:
    """`PUT /runs/{run_id}` is never sent; the permissions in the token are read instead."""
    return _change(about, "update_run")


@check("delete_runs", after=("credential", "tools"))
async def delete_runs(about: Examination) -> Finding:
    """`DELETE /runs/{run_id}` is never sent; the permissions in the token are read instead."""
    return _change(about, "delete_runs")


def _change(about: Examination, tool: str) -> Finding:
    if tool not in about.offered:
        return skipped(NOT_MANAGED)
    return _untried(about, NOT_CHANGED, WRITE, instead="turn server.manage off")


def _untried(about: Examination, reason: str, permission: str, *, instead: str) -> Finding:
    """Return the finding for an operation that changes something, from the permissions in the token."""
    permissions = about.credential.permissions
    if permissions is None:
        return skipped(f"{reason}, and the token lists no permissions")
    if permission in permissions:
        return ok(f"{reason}; the token holds {permission}")
    fix = f"Grant {permission} to {about.source}, or {instead}. Until then clients are not offered this tool."
    return warning(f"{reason}; the token lacks {permission}", fix)


def _refused(tool: str, error: RunsApiError, about: Examination) -> Finding:
    """Return the finding for a refused operation: a warning if another operation that is allowed replaces it."""
    replacement = REPLACEMENTS.get(tool)
    if replacement is None or replacement.tool not in about.allowed:
        return explain(error, about)
    text = f"not allowed for this credential. {happened(error)}"
    fix = f"{replacement.tool} replaces it: {replacement.effect}. Grant it to {about.source} if that is not enough."
    return warning(text, fix, replaced_by=replacement.tool)
