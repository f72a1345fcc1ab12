"""Dry runs: what each run of a call would use, and whether its data fits, without creating anything."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from mcp_types import CallToolResult
from pydantic import MISSING

from runs_mcp.api import Interaction, InvalidRequestError, NotFoundError, Resolution, RunsApiError
from runs_mcp.server.context import Call, services
from runs_mcp.server.interactions import plain_schema
from runs_mcp.server.interactions.known_interactions import Listing
from runs_mcp.server.interactions.plain_schema import UnusableSchemaError
from runs_mcp.server.progress import Progress, heartbeats
from runs_mcp.server.render import error_messages, previews
from runs_mcp.server.render.previews import FITS, MISFIT, UNCHECKED, Preview
from runs_mcp.server.runs.name_resolver import UnclearNameError
from runs_mcp.server.runs.run_request import RunRequest
from runs_mcp.server.tools import batch
from runs_mcp.server.tools.run_plan import PlannedRun


async def preview(call: Call, planned: Sequence[PlannedRun]) -> CallToolResult:
    """Return the version, environment and model that each run would use, and whether its data fits the input.

    `GET /interactions/resolve/{interaction}` tells the former; where it is closed, the catalogue of interactions does
    as far as it goes.
    """
    here = services(call)
    found: dict[int, Preview] = {}
    at_once = anyio.CapacityLimiter(batch.AT_ONCE)

    async def look(number: int, one: PlannedRun, listing: Listing | None) -> None:
        async with at_once:
            found[number] = await _previewed(call, one, listing)

    async with heartbeats(Progress.of(call), here.config.streaming):
        listing = await _listing(call)
        async with anyio.create_task_group() as tasks:
            for number, one in enumerate(planned):
                tasks.start_soon(partial(look, number, one, listing))
    return previews.answer(call, [found[number] for number in range(len(planned))])


async def _listing(call: Call) -> Listing | None:
    """Return the interactions of the catalogue; None if it cannot be read."""
    try:
        listing = await services(call).interactions.listing()
    except RunsApiError:
        return None
    return None if listing.from_runs else listing


async def _previewed(call: Call, planned: PlannedRun, listing: Listing | None) -> Preview:
    request = planned.request
    if planned.failure:
        return Preview(label=planned.label, failure=planned.failure)
    try:
        listed = listing.find(str(request.interaction)) if listing else None
    except UnclearNameError as error:
        listed, unknown = None, str(error)
    else:
        unknown = ""
    try:
        resolved = await _resolved(call, request, listed)
    except NotFoundError as error:
        if unknown or (listing is None):
            return Preview(
                label=planned.label, failure=unknown or error_messages.explain("create_run", error, changes=True)
            )
        resolved = None
    except InvalidRequestError as error:
        return Preview(label=planned.label, failure=error_messages.explain("create_run", error, changes=True))
    except RunsApiError:
        resolved = None
    return _described(planned, listed, resolved)


async def _resolved(call: Call, request: RunRequest, listed: Interaction | None) -> Resolution:
    """Return what the API says that a run of `request` would use."""
    selector = str(request.interaction)
    if request.interaction_tag is not MISSING:
        name = listed.endpoint if listed else selector.partition("@")[0]
        selector = f"{name}@{request.interaction_tag}"
    catalog = services(call).runs.catalog
    return await catalog.resolve_interaction(selector, environment=request.environment_id, model=request.model)


def _described(planned: PlannedRun, listed: Interaction | None, resolved: Resolution | None) -> Preview:
    request = planned.request
    verdict, problems = _verdict(request.data, listed, resolved)
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


def _verdict(data: Any, listed: Interaction | None, resolved: Resolution | None) -> tuple[str, list[str]]:
    """Return whether `data` fits the input of an interaction, and a sentence for each problem or the reason why not."""
    if listed is None or listed.input_schema is None:
        return UNCHECKED, ["The input schema of the interaction is not known."]
    if resolved and None not in (resolved.version, listed.version) and resolved.version != listed.version:
        return UNCHECKED, [f"Only the input schema of version {listed.version} is known."]
    if isinstance(data, str):
        return UNCHECKED, ["The input is read from elsewhere when the run starts."]
    try:
        plain = plain_schema.simplify(listed.input_schema)
    except UnusableSchemaError as error:
        return UNCHECKED, [f"The input schema cannot be checked: {error}."]
    given = {} if data is MISSING else data
    problems = [*plain_schema.mismatches(given, plain), *_unknown_fields(given, listed.input_schema)]
    return (MISFIT, problems) if problems else (FITS, [])


def _unknown_fields(data: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each field that a closed input does not have."""
    known = schema.get("properties")
    if schema.get("additionalProperties") is not False or not isinstance(known, Mapping):
        return []
    return [f"`{name}`: is not a field of the input." for name in data if name not in known]
