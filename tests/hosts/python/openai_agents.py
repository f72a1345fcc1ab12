"""The OpenAI Agents SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp

from tests.hosts.python.session import Answer, Server, default, main


class Agents:
    """A connected server of the SDK."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.default_timeout_s = default(type(server).__init__, "client_session_timeout_seconds")

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._server.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self._server.call_tool(tool, arguments)
        return Answer(result.content[0].text, result.is_error)

    async def resource(self, uri: str) -> str:
        return str((await self._server.read_resource(uri)).contents[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self._server.get_prompt(name, arguments)).messages[0].content.text)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Agents]:
    """Connect over HTTP if there is a URL, else over stdio."""
    async with (
        MCPServerStreamableHttp(params={"url": server.url})
        if server.url
        else MCPServerStdio(params={"command": server.command, "args": server.args})
    ) as connection:
        yield Agents(connection)


if __name__ == "__main__":
    main(connected)
