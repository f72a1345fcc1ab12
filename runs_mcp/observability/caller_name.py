"""The name of a caller, for logs and limits."""

from starlette.types import Scope

from runs_mcp.server.permissions.scopes import caller_of


def name_of(scope: Scope) -> str:
    """Return the name of an authenticated caller, otherwise the IP address of the client."""
    if caller := caller_of(scope):
        return caller.name
    address = scope.get("client")
    return str(address[0]) if address else "unknown"
