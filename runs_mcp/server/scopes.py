"""Who calls, and what they may do: what a caller's scopes do not allow is not listed, and is refused in words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from runs_mcp.config.http_settings import Scope
from runs_mcp.server.context import Services

READ: Scope = "runs:read"
CREATE: Scope = "runs:create"
KEY = "runs_mcp.caller"
"""Where a request has its caller, in the scope of ASGI."""

Request = ServerRequestContext[Services, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody the HTTP service has let in."""

    name: str
    """The name of their key, or the subject of their JWT."""
    scopes: frozenset[str]
    profile: str | None = None
    """Whose settings they are served by; None: those outside of all profiles."""
    rate_limit: int | None = None
    """Calls a minute that they may make; None: any number."""


def caller_of(scope: Mapping[str, Any]) -> Caller | None:
    """Who made the request that has this ASGI scope; None where nobody has to say."""
    return scope.get(KEY)


def may_create(ctx: Request) -> bool:
    """Whether the scopes of whoever made this request let them execute anything."""
    caller = None if ctx.request is None else caller_of(ctx.request.scope)
    return caller is None or CREATE in caller.scopes


class ForReaders:
    """What callers who may not create are told of the server: nothing of what executes runs."""

    def __init__(self, tools: Collection[str], instructions: str) -> None:
        """`tools` are those that only read, `instructions` those for a server that has no others."""
        self._tools = tools
        self._instructions = instructions

    async def serve(self, ctx: Request, call_next: CallNext) -> HandlerResult:
        """Leave out of lists and instructions what the caller may not do; pass everything else on."""
        answer = await call_next(ctx)
        if may_create(ctx) or not isinstance(answer, dict):
            return answer
        match ctx.method:
            case "tools/list":
                return {**answer, "tools": [tool for tool in answer["tools"] if tool["name"] in self._tools]}
            case "initialize" | "server/discover":
                return {**answer, "instructions": self._instructions}
            case _:
                return answer
