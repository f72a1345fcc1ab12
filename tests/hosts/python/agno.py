"""Agno, which offers tools only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agno.tools.mcp import MCPTools
from mcp import StdioServerParameters

from tests.hosts.python.session import Answer, Server, default, main


class Toolkit:
    """A connected toolkit."""

    def __init__(self, toolkit: MCPTools) -> None:
        self._functions = toolkit.functions
        self.default_timeout_s = default(MCPTools.__init__, "timeout_seconds")

    async def tools(self) -> list[str]:
        return list(self._functions)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self._functions[tool].entrypoint(**arguments)
        return Answer(result.content, result.content.startswith("Error from MCP tool"))

    async def resource(self, uri: str) -> str:
        raise NotImplementedError

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        raise NotImplementedError


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Toolkit]:
    """Connect over HTTP if there is a URL, else over stdio."""
    over_stdio = StdioServerParameters(command=server.command, args=server.args)
    target = {"url": server.url} if server.url else {"server_params": over_stdio, "transport": "stdio"}
    async with MCPTools(**target) as toolkit:
        yield Toolkit(toolkit)


if __name__ == "__main__":
    main(connected)
