"""The tools that a caller is offered: published, within the scopes of the caller, and permitted to the credential."""

from runs_mcp.server.context import Request
from runs_mcp.server.permissions.scopes import has_scope


def offered_tools(ctx: Request) -> frozenset[str]:
    """Return the names of the tools that the caller of a request is offered."""
    server = ctx.lifespan_context
    return frozenset(
        tool for tool, scope in server.published.items() if tool in server.permitted and has_scope(ctx, scope)
    )
