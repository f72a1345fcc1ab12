"""Pydantic AI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp.client.transports import StdioTransport
from pydantic_ai import ModelRetry
from pydantic_ai.mcp import MCPToolset

from tests.hosts.python.session import Answer, Server, as_text, main


class Toolset:
    """A connected toolset."""

    def __init__(self, toolset: MCPToolset[None]) -> None:
        self._toolset = toolset
        self.default_timeout_s = 300.0

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._toolset.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        try:
            return Answer(as_text(await self._toolset.direct_call_tool(tool, arguments)))
        except ModelRetry as error:
            return Answer(str(error), is_error=True)

    async def resource(self, uri: str) -> str:
        return as_text(await self._toolset.read_resource(uri))

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self._toolset.get_prompt(name, arguments)).messages[0].content)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Toolset]:
    """Connect over HTTP if there is a URL, else over stdio. A busy machine may need more than 5 s for a start."""
    target = server.url or StdioTransport(server.command, server.args)
    async with MCPToolset(target, init_timeout=60) as toolset:
        yield Toolset(toolset)


if __name__ == "__main__":
    main(connected)
