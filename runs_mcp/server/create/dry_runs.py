"""Dry runs: what each run of a call would use, and whether its data fits, without creating anything."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from mcp_types import CallToolResult
from pydantic import MISSING

from runs_mcp.api import REFUSALS, Interaction, NotFoundError, PermissionDeniedError, Resolution, RunsApiError
from runs_mcp.server.context import Call, services
from runs_mcp.server.create.run_plan import PlannedRun
from runs_mcp.server.create.run_request import RunRequest
from runs_mcp.server.interactions import plain_schema
from runs_mcp.server.interactions.known_interactions import Listing
from runs_mcp.server.interactions.plain_schema import UnusableSchemaError
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.scopes import CREATE
from runs_mcp.server.progress import Progress, heartbeats
from runs_mcp.server.render import error_messages, previews
from runs_mcp.server.render.previews import FITS, MISFIT, UNCHECKED, Preview
from runs_mcp.server.runs import batch
from runs_mcp.server.runs.name_resolver import UnclearNameError, is_in_code


async def preview(call: Call, planned: Sequence[PlannedRun]) -> CallToolResult:
    """Return the version, environment and model that each run would use, and whether its data fits the input.

    `GET /interactions/resolve/{interaction}` returns the version, environment and model. Where this operation is
    closed, they come from the catalogue of interactions, as far as the catalogue has them.
    """
    server = services(call)
    found: dict[int, Preview] = {}
    at_once = anyio.CapacityLimiter(batch.AT_ONCE)

    async def check_run(number: int, run: PlannedRun, listing: Listing | None) -> None:
        async with at_once:
            found[number] = await _previewed(call, run, listing)

    async with heartbeats(Progress.of(call), server.config.streaming):
        listing = await _listing(call)
        async with anyio.create_task_group() as tasks:
            for number, run in enumerate(planned):
                tasks.start_soon(partial(check_run, number, run, listing))
    return previews.answer(call, [found[number] for number in range(len(planned))])


async def _listing(call: Call) -> Listing | None:
    """Return the known interactions; None if the credential may not read any."""
    try:
        return await services(call).interactions.listing()
    except REFUSALS:
        return None


async def _previewed(call: Call, planned: PlannedRun, listing: Listing | None) -> Preview:
    request, offered = planned.request, offered_tools(call.request_context)
    if planned.failure:
        return Preview(label=planned.label, failure=planned.failure)
    try:
        listed = _listed(listing, request)
        resolved = await _resolved(call, request, listed, listing)
    except (UnclearNameError, RunsApiError) as error:
        failure = error_messages.explain(call.name, error, scope=CREATE, offered=offered)
        return Preview(label=planned.label, failure=failure)
    return _described(planned, listed, resolved)


def _listed(listing: Listing | None, request: RunRequest) -> Interaction | None:
    """Return the interaction of a request from the catalogue; None if the catalogue cannot be read, or lacks its kind.

    Raises:
        UnclearNameError: none or several have its name.
    """
    if listing is None or listing.source != "catalogue" or is_in_code(str(request.interaction)):
        return None
    try:
        return listing.find(str(request.interaction))
    except UnclearNameError:
        if not request.shown_interaction:
            raise
        return listing.find(request.shown_interaction)  # the id is that of an earlier version


async def _resolved(
    call: Call, request: RunRequest, listed: Interaction | None, listing: Listing | None
) -> Resolution | None:
    """Return what a run of `request` would use; None if the API does not resolve interactions.

    Raises:
        NotFoundError: there is no such interaction, or no such version of it.
        InvalidRequestError: the environment or model does not exist.
        RunsApiError: the API failed.
    """
    selector, catalog = str(request.interaction), services(call).runs.catalog
    if request.interaction_tag is not MISSING:
        selector = f"{listed.endpoint if listed else selector.partition('@')[0]}@{request.interaction_tag}"
    try:
        return await catalog.resolve_interaction(selector, environment=request.environment_id, model=request.model)
    except NotFoundError:
        if listed and "@" not in selector:
            return None  # the catalogue has it, so the operation is closed
        if await _resolves(call, [listed] if listed else listing.interactions[:1] if listing else []):
            raise
        return None
    except PermissionDeniedError:
        return None


async def _resolves(call: Call, known: Sequence[Interaction]) -> bool:
    """Return True if the API resolves an interaction that is `known`, so that another 404 means what it says."""
    for interaction in known:
        with suppress(RunsApiError):
            await services(call).runs.catalog.resolve_interaction(interaction.endpoint)
            return True
    return False


def _described(planned: PlannedRun, listed: Interaction | None, resolved: Resolution | None) -> Preview:
    request = planned.request
    verdict, problems = _verdict(request, listed, resolved)
    environment = resolved.environment.label if resolved and resolved.environment else request.environment_id
    model = (resolved.model if resolved else None) or request.model
    version = resolved.version if resolved else None
    return Preview(
        label=planned.label,
        interaction=(resolved and resolved.name) or (listed.endpoint if listed else request.label),
        version="" if version is None else str(version),
        environment="" if environment is MISSING else environment,
        model="" if model is MISSING else model,
        model_source=(resolved and resolved.model_source) or "",
        input=verdict,
        problems=problems,
        resolved=resolved is not None,
    )


def _verdict(request: RunRequest, listed: Interaction | None, resolved: Resolution | None) -> tuple[str, Sequence[str]]:
    """Return whether the data of a request fits, and a sentence for each problem or for the reason of no check."""
    if listed is None or listed.input_schema is None:
        return UNCHECKED, ["The input schema of the interaction is not known."]
    other_id = request.shown_interaction and request.interaction != listed.id
    other_version = resolved and None not in (resolved.version, listed.version) and resolved.version != listed.version
    if other_id or other_version:
        return UNCHECKED, [f"Only the input schema of version {listed.version} is known."]
    if isinstance(request.data, str):
        return UNCHECKED, ["The input is read from elsewhere when the run starts."]
    try:
        plain = plain_schema.simplify(listed.input_schema)
    except UnusableSchemaError as error:
        return UNCHECKED, [f"The input schema cannot be checked: {error}."]
    given = {} if request.data is MISSING else request.data
    problems = [*plain_schema.mismatches(given, plain), *_unknown_fields(given, listed.input_schema)]
    if request.data_of:  # the sentences quote the data
        problems = [f"{problem.partition(': ')[0]}: does not fit the input of the interaction." for problem in problems]
    return (MISFIT, problems) if problems else (FITS, [])


def _unknown_fields(data: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each field that a closed input does not have."""
    known = schema.get("properties")
    if schema.get("additionalProperties") is not False or not isinstance(known, Mapping):
        return []
    return [f"`{name}`: is not a field of the input." for name in data if name not in known]
