"""Listing interactions: what can be run, and with which input."""

from collections.abc import Sequence
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import MISSING, Field

from runs_mcp.api import Interaction, Resolution, Run, RunsApiError
from runs_mcp.server import params
from runs_mcp.server.context import Call, services
from runs_mcp.server.interactions import interaction_results
from runs_mcp.server.params import Name
from runs_mcp.server.render import tables
from runs_mcp.server.tools.operation import operation

One = Annotated[Name, Field(description="Id or name: its schemas, defaults and an example")]
Words = Annotated[Name, params.FREE_TEXT, Field(description="Text in its name or description")]
WithTag = Annotated[Name, Field(description="Only those with this tag")]
MostInteractions = Annotated[int, Field(ge=1, le=params.MAX_PAGE, description="How many at most")]
Skipped = Annotated[int, Field(ge=0, description="How many to skip")]
MOST_TAGS = 30


@operation("POST /interactions/endpoints", title="List interactions", output=interaction_results.INTERACTIONS)
async def list_interactions(
    call: Call,
    *,
    interaction: One | MISSING = MISSING,
    query: Words | MISSING = MISSING,
    tag: WithTag | MISSING = MISSING,
    limit: MostInteractions = 50,
    offset: Skipped = 0,
) -> CallToolResult:
    """List the interactions to run, a line each with its input (`?`: optional); with interaction, all about one."""
    listing = await services(call).interactions.listing()
    if interaction is not MISSING:
        found = listing.find(interaction)
        version = interaction if "@" in interaction else found.endpoint
        resolved, example = await _resolved(call, version), await _example(call, found)
        return interaction_results.details(call, interaction, found, resolved, example, source=listing.source)
    matching = [candidate for candidate in listing.interactions if _matches(candidate, query, tag)]
    hint = "" if matching else _hint(listing.interactions, tag)
    return interaction_results.page(call, matching, limit=limit, offset=offset, source=listing.source, hint=hint)


def _matches(interaction: Interaction, query: str | MISSING, tag: str | MISSING) -> bool:
    text = f"{interaction.endpoint} {interaction.name} {interaction.description or ''}".casefold()
    return (query is MISSING or query.casefold() in text) and (tag is MISSING or tag in interaction.tags)


def _hint(listed: Sequence[Interaction], tag: str | MISSING) -> str:
    """Return how many interactions are `listed` without filters, with their tags if `tag` is a filter."""
    if not listed:
        return ""
    tags = sorted({known for interaction in listed for known in interaction.tags})
    named = f"; their tags: {tables.cell(', '.join(tags[:MOST_TAGS]))}" if tags and tag is not MISSING else ""
    return f"Without these filters there are {len(listed):,}{named}."


async def _resolved(call: Call, interaction: str) -> Resolution | None:
    """Return what a run would use; None where the API does not resolve interactions."""
    try:
        return await services(call).runs.catalog.resolve_interaction(interaction)
    except RunsApiError:
        return None


async def _example(call: Call, interaction: Interaction) -> Run | None:
    """Return the newest completed run of an interaction, with its parameters; None if it has no such run."""
    runs = services(call).runs
    try:
        newest = await runs.list_runs(interaction=interaction.id, status="completed", limit=1)
        return await runs.get_run(newest[0].id, include_prompt=False) if newest else None
    except RunsApiError:
        return None
