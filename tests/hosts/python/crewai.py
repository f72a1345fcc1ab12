"""CrewAI, which offers tools only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from crewai_tools import MCPServerAdapter
from mcp import StdioServerParameters

from tests.hosts.python.session import HTTP_TIMEOUT_S, Answer, Server, main


class Adapter:
    """A connected adapter, whose methods block."""

    def __init__(self, adapter: MCPServerAdapter, default_timeout_s: float | None) -> None:
        self._tools = {tool.name: tool for tool in adapter.tools}
        self.default_timeout_s = default_timeout_s

    async def tools(self) -> list[str]:
        return list(self._tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        return Answer(await anyio.to_thread.run_sync(lambda: self._tools[tool].run(**arguments)))

    async def resource(self, uri: str) -> str:
        raise NotImplementedError

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        raise NotImplementedError


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Adapter]:
    """Connect over HTTP if there is a URL, else over stdio."""
    over_http = {"transport": "streamable-http", "url": server.url}
    over_stdio = StdioServerParameters(command=server.command, args=server.args)
    adapter = await anyio.to_thread.run_sync(MCPServerAdapter, over_http if server.url else over_stdio)
    try:
        yield Adapter(adapter, HTTP_TIMEOUT_S if server.url else None)
    finally:
        await anyio.to_thread.run_sync(adapter.stop)


if __name__ == "__main__":
    main(connected)
