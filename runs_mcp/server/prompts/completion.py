"""Completion of arguments of prompts and variables of resource templates, from the values that runs have."""

from collections.abc import Collection, Sequence
from contextlib import suppress

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CompleteRequestParams, CompleteResult, Completion, PromptReference

from runs_mcp.api import RunsApiError, RunsClient
from runs_mcp.server.context import Request
from runs_mcp.server.prompts.offered_prompts import OfferedPrompts
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.uris import PARTS
from runs_mcp.server.tools import filter_values

MOST_VALUES = 100
NEWEST_RUNS = 50
MAX_WAIT_S = 5.0
BY_FILTER_OPTIONS = frozenset({"interaction", "environment", "model", "tag", "status"})


class Completions:
    """Completes the arguments of a server's prompts and templates."""

    def __init__(self, *, prompts: OfferedPrompts, templates: Collection[str]) -> None:
        """Complete arguments of `prompts`, and variables of `templates`, given as URI templates."""
        self._prompts = prompts
        self._templates = templates

    async def complete(self, ctx: Request, params: CompleteRequestParams) -> CompleteResult:
        """Return the values that contain the typed text, starting with those that begin with it.

        Raises:
            MCPError: the prompt or template does not exist.
        """
        self._require_known(params)
        typed = params.argument.value.casefold()
        # A person is typing, so an empty list after 5 s is better than an error or a longer wait.
        known: Sequence[str] = ()
        with anyio.move_on_after(MAX_WAIT_S), suppress(RunsApiError):
            known = await _values(ctx.lifespan_context.runs, params.argument.name)
        starting = [value for value in known if value.casefold().startswith(typed)]
        containing = [value for value in known if typed in value.casefold() and value not in starting]
        found = list(dict.fromkeys([*starting, *containing]))
        # MCP limits a completion to 100 values ("Completion Results").
        return CompleteResult(
            completion=Completion(values=found[:MOST_VALUES], total=len(found), has_more=len(found) > MOST_VALUES)
        )

    def _require_known(self, params: CompleteRequestParams) -> None:
        match params.ref:
            case PromptReference(name=name) if name not in self._prompts.names:
                raise MCPError(INVALID_PARAMS, f"Unknown prompt: {name}. Known: {', '.join(self._prompts.names)}.")
            case PromptReference():
                return
            case template if template.uri not in self._templates:
                raise MCPError(
                    INVALID_PARAMS, f"Unknown resource template: {template.uri}. Known: {', '.join(self._templates)}."
                )


async def _values(runs: RunsClient, name: str) -> Sequence[str]:
    if name in BY_FILTER_OPTIONS:
        options = (await filter_values.of(runs, name, {})).options
        values = [option.name or option.id or "" for option in options]
        return [value for value in values if not own_tags.is_own(value)]
    match name:
        case "run_id":
            return [run.id for run in await runs.list_runs(limit=NEWEST_RUNS)]
        case "part":
            return PARTS
        case _:
            return []
