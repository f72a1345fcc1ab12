"""Who sends a request."""

from starlette.types import Scope

from runs_mcp.server.scopes import caller_of


def name_of(scope: Scope) -> str:
    """The name of the caller, once let in; else the address it calls from."""
    if caller := caller_of(scope):
        return caller.name
    address = scope.get("client")
    return str(address[0]) if address else "unknown"
