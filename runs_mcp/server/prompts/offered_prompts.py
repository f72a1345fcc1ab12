"""The prompts that the server offers, and the handlers that list and render them."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    PromptMessage,
    TextContent,
)

from runs_mcp.config.problems import ConfigError
from runs_mcp.server.context import Request
from runs_mcp.server.pages import cursor
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.tools import OPERATIONS
from runs_mcp.server.tools.tool_references import tool_names_in

if TYPE_CHECKING:
    from runs_mcp.server.prompts.prompt_file import PromptFile


class OfferedPrompts:
    """The prompts in the files of the server, which are read when a client first asks for one."""

    @cached_property
    def by_name(self) -> "Mapping[str, PromptFile]":
        """The prompts by name.

        Raises:
            MCPError: a file is not a valid prompt.
        """
        from runs_mcp.server.prompts import prompt_file  # noqa: PLC0415 - YAML takes a tenth of the time of our imports

        try:
            return {prompt.name: prompt for prompt in prompt_file.load(prompt_file.directory())}
        except ConfigError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from None

    @property
    def names(self) -> Collection[str]:
        """Names of all prompts."""
        return self.by_name.keys()

    async def list(self, _: Request, params: PaginatedRequestParams | None) -> ListPromptsResult:
        """Answer `prompts/list`."""
        cursor.require_first_page(params)
        return ListPromptsResult(prompts=[prompt.published for prompt in self.by_name.values()])

    async def get(self, ctx: Request, params: GetPromptRequestParams) -> GetPromptResult:
        """Answer `prompts/get`; the text ends with the tools it names that the caller is not offered.

        Raises:
            MCPError: there is no such prompt, or its arguments are wrong.
        """
        prompt = self.by_name.get(params.name)
        if prompt is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name}. Known: {', '.join(self.names)}.")
        text = prompt.render(params.arguments or {})
        missing = {operation.name for operation in OPERATIONS} & tool_names_in(prompt.text) - offered_tools(ctx)
        if missing:
            text = f"{text}\n\nSwitched off here: {', '.join(sorted(missing))}. Do without, and say what you left out."
        content = TextContent(type="text", text=text)
        return GetPromptResult(description=prompt.description, messages=[PromptMessage(role="user", content=content)])
