"""Step-up authorization: a call without the required scope receives a 403 that names the scope to request.

Protocol 2026-07-28, "Scope Challenge Handling". In older sessions the tool answers with a message.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import INVALID_REQUEST
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from runs_mcp.config import http_settings
from runs_mcp.http.auth.challenge import Challenge
from runs_mcp.http.layers.message import message_of, params_of, refuse
from runs_mcp.server.permissions.scopes import Caller, caller_of
from runs_mcp.server.render import error_messages

ScopeOf = Callable[[Caller, str], Awaitable[http_settings.Scope | None]]
"""Returns the scope that a tool needs, for the tools that a caller's server has; None if it has no such tool."""


class StepUp:
    """Middleware that refuses calls of tools whose scope the caller lacks."""

    def __init__(self, app: ASGIApp, scope_of: ScopeOf, challenge: Challenge) -> None:
        self._app = app
        self._scope_of = scope_of
        self._challenge = challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        caller, message = caller_of(scope), message_of(scope)
        tool = _called_tool(scope, message)
        needed = await self._scope_of(caller, tool) if caller and tool else None
        if caller is None or needed is None or needed in caller.scopes:
            await self._app(scope, receive, send)
            return
        reason = error_messages.not_allowed(tool, needed)
        challenge = self._challenge.insufficient({needed}, caller.scopes)
        refusal = refuse(403, reason, code=INVALID_REQUEST, message=message, www_authenticate=challenge)
        await refusal(scope, receive, send)


def _called_tool(scope: Scope, message: Mapping[str, Any]) -> str:
    """Return the name of the tool that a request of protocol 2026-07-28 or newer calls; empty for other requests."""
    modern = Headers(scope=scope).get(MCP_PROTOCOL_VERSION_HEADER) in MODERN_PROTOCOL_VERSIONS
    if not modern or message.get("method") != "tools/call":
        return ""
    name = params_of(message).get("name")
    return name if isinstance(name, str) else ""
