"""Callers and their scopes. Tools outside the scopes of a caller are not listed, and calling them returns an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runs_mcp.config.http_settings import Scope
from runs_mcp.server.context import Request

READ: Scope = "runs:read"
CREATE: Scope = "runs:create"
MANAGE: Scope = "runs:manage"
KEY = "runs_mcp.caller"
"""Key of the caller in the ASGI scope of a request."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that the HTTP service has authenticated."""

    name: str
    """Name of the caller's key, or subject of the JWT."""
    scopes: frozenset[str]
    profile: str | None = None
    """Profile of the caller; None: the settings outside all profiles."""
    rate_limit: int | None = None
    """Calls per minute; None: unlimited."""


def caller_of(scope: Mapping[str, Any]) -> Caller | None:
    """Return the caller of the request with this ASGI scope; None if callers are not authenticated."""
    return scope.get(KEY)


def caller(ctx: Request) -> Caller | None:
    """Return the caller of a request; None over stdio, or if callers are not authenticated."""
    return None if ctx.request is None else caller_of(ctx.request.scope)


def principal(ctx: Request) -> str | None:
    """Return the identity of the caller within its profile, to which sealed state and request keys are bound."""
    known = caller(ctx)
    return None if known is None else json.dumps([known.profile, known.name])


def has_scope(ctx: Request, scope: Scope) -> bool:
    """Return True if the caller has `scope`, or callers are not authenticated. The endpoint requires `READ` of all."""
    known = caller(ctx)
    return known is None or scope in {READ, *known.scopes}
