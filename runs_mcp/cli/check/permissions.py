"""Checks of what the credential may do, one an operation: by requests that change nothing. No run is ever created."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from runs_mcp.api import NotFoundError, PermissionDeniedError, RunsApiError
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.explanations import explain, happened
from runs_mcp.cli.check.findings import Check, Finding, check, ok, skipped, warning

NO_RUN = "0" * 24
"""An id that no run has."""
CLOSED_TO_MOST = ("compute_run_facets", "find_runs", "get_run_filter_options")
"""Operations that the platform keeps to itself in the edition where `find` is internal."""
EXECUTE = "interaction:execute"
NOT_OFFERED = "not offered: server.tools or server.read_only leaves it out"
NOT_TRIED = "not tried, since it would create a run"


def operation(says: str = "may be used") -> Callable[[Callable[[Examination], Awaitable[None]]], Check]:
    """Make the decorated function, which uses the operation it is named after, the check of that operation."""

    def wrap(use: Callable[[Examination], Awaitable[None]]) -> Check:
        @check(use.__name__, after=("api",))
        async def look(about: Examination) -> Finding:
            if use.__name__ not in about.offered:
                return skipped(NOT_OFFERED)
            try:
                await use(about)
            except (PermissionDeniedError, NotFoundError) as error:
                closed = about.edition.internal_find and use.__name__ in CLOSED_TO_MOST
                return _closed(error) if closed else explain(error, about)
            return ok(says)

        return look

    return wrap


@operation()
async def list_runs(about: Examination) -> None:
    """`GET /runs`."""
    await about.client.list_runs(limit=1)


@operation()
async def get_run(about: Examination) -> None:
    """`GET /runs/{run_id}`, of the newest run, else of one there is not."""
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
    """`POST /runs/find`, by a filter that no search can stand in for."""
    await about.client.find_runs({"status": {"$exists": True}}, limit=1)


@operation()
async def compute_run_facets(about: Examination) -> None:
    """`POST /runs/facets`, from now on, so that there is little to count."""
    await about.client.compute_facets(facets=["status"], start=datetime.now(UTC))


@operation()
async def get_run_filter_options(about: Examination) -> None:
    """`GET /runs/filter-options/{field}`."""
    await about.client.get_filter_options("environment")


@check("list_interactions", after=("api",))
async def list_interactions(about: Examination) -> Finding:
    """`POST /interactions/endpoints` or `/interactions/export`, without which the tool lists what runs have used."""
    if "list_interactions" not in about.offered:
        return skipped(NOT_OFFERED)
    try:
        await about.client.catalog.list_interactions()
    except (PermissionDeniedError, NotFoundError) as error:
        fix = f"Have {about.source} given interaction:read; until then only the names that runs have used are listed."
        return warning(f"closed to this credential. {happened(error)}", fix)
    return ok("may be used")


@operation("not refused; that it executes a run shows only in executing one")
async def stream_run(about: Examination) -> None:
    """`GET /runs/{run_id}/stream`, of a run there is not: that of a run might execute it."""
    with suppress(NotFoundError):
        async with about.client.stream_run(NO_RUN):
            pass


@check("create_run", after=("credential", "tools"))
async def create_run(about: Examination) -> Finding:
    """`POST /runs`, which is never sent: that it works shows only in a run, and runs cost money."""
    if "create_run" not in about.offered:
        return skipped(NOT_OFFERED)
    permissions = about.credential.permissions
    if permissions is None:
        return skipped(f"{NOT_TRIED}, and the token does not say whether it may")
    if EXECUTE in permissions:
        return ok(f"{NOT_TRIED}; the token holds {EXECUTE}")
    fix = f"Have {about.source} given {EXECUTE}, or set server.read_only."
    return warning(f"{NOT_TRIED}; the token lacks {EXECUTE}", fix)


def _closed(error: RunsApiError) -> Finding:
    fix = "That is usual in this edition: search_runs and list_runs do most of it. server.tools can leave it out."
    return warning(f"closed to this credential. {happened(error)}", fix)
