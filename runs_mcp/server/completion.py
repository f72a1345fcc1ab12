"""Completing the arguments of prompts and the variables of resource templates from what there is."""

from collections.abc import Sequence
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    CompleteResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from runs_mcp.api import RunsApiError, RunsClient
from runs_mcp.server.context import Services
from runs_mcp.server.runs.uris import PARTS

MOST_VALUES = 100
NEWEST_RUNS = 50
BY_FILTER_OPTIONS = frozenset({"interaction", "environment", "model", "tag", "status"})


def register(server: MCPServer[Services]) -> None:
    """Announce that arguments can be completed; `complete` does it, since only middleware sees the services."""

    server.completion()(_nothing)  # type: ignore[no-untyped-call]  # the SDK's decorator has no types


async def complete(ctx: ServerRequestContext[Services, Any], call_next: CallNext) -> HandlerResult:
    """Answer `completion/complete` with what the argument could be, best first; pass everything else on."""
    result = await call_next(ctx)
    if ctx.method != "completion/complete":
        return result
    argument = (ctx.params or {}).get("argument", {})
    typed = str(argument.get("value", "")).casefold()
    try:
        known = await _values(ctx.lifespan_context.runs, str(argument.get("name")))
    except RunsApiError:
        known = []  # a client completes while a person types: no values are better than an error
    starting = [value for value in known if value.casefold().startswith(typed)]
    containing = [value for value in known if typed in value.casefold() and value not in starting]
    found = list(dict.fromkeys([*starting, *containing]))
    return CompleteResult(
        completion=Completion(values=found[:MOST_VALUES], total=len(found), has_more=len(found) > MOST_VALUES)
    )


async def _values(runs: RunsClient, name: str) -> Sequence[str]:
    if name in BY_FILTER_OPTIONS:
        return [option.name or option.id or "" for option in await runs.get_filter_options(name)]
    match name:
        case "run_id":
            return [run.id for run in await runs.list_runs(limit=NEWEST_RUNS)]
        case "part":
            return PARTS
        case _:
            return []


async def _nothing(
    reference: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> None:
    """What the SDK answers by itself."""
    del reference, argument, context
