"""The check of the tools of single interactions: their number, and the tokens that they add to `tools/list`."""

from mcp_types import Tool
from pydantic_core import to_json

from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Finding, check, ok, warning
from runs_mcp.server.interactions.interaction_tools import make_tools, select
from runs_mcp.server.interactions.known_interactions import KnownInteractions

CHARS_PER_TOKEN = 4
"""Approximate number of characters of JSON per token."""


@check("interaction_tools", after=("api",))
async def interaction_tools(state: Examination) -> Finding:
    """Make the tools that `server.interaction_tools` selects."""
    settings = state.config.server.interaction_tools
    if not settings.include or state.config.server.read_only:
        text = "none: server.interaction_tools selects no interaction"
        return ok(text, tools=0, selected=0, limit=settings.limit, tokens=0)
    known = KnownInteractions(state.client)
    tools = await make_tools(known, state.client, settings)
    listing = await known.listing()
    # Names that come from runs lack the schemas that tools are made of.
    number = 0 if listing.source != "catalogue" else len(select(listing.interactions, settings))
    tokens = sum(_tokens(tool.published) for tool in tools.values())
    facts = {"tools": len(tools), "selected": number, "limit": settings.limit, "tokens": tokens}
    if listing.source != "catalogue":
        return warning("none: the catalogue cannot be read", f"Grant interaction:read to {state.source}.", **facts)
    if not number:
        fix = "Name interactions in server.interaction_tools.include; list_interactions shows them."
        return warning("none: no interaction is selected", fix, **facts)
    text = f"{len(tools)} tools of single interactions add about {tokens:,} tokens to tools/list"
    if number > settings.limit:
        fix = "Select fewer interactions, or raise server.interaction_tools.limit."
        return warning(f"{text}; {number} are selected, and the limit is {settings.limit}", fix, **facts)
    return ok(f"{text}; the limit is {settings.limit} tools", **facts)


def _tokens(tool: Tool) -> int:
    return len(to_json(tool.model_dump(by_alias=True, exclude_none=True, mode="json"))) // CHARS_PER_TOKEN
