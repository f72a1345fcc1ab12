"""The client of FastMCP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.hosts.python.session import Answer, Server, main


class Connected:
    """A connected client."""

    default_timeout_s = None

    def __init__(self, client: Client[Any]) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self._client.call_tool(tool, arguments, raise_on_error=False)
        return Answer(result.content[0].text, result.is_error)

    async def resource(self, uri: str) -> str:
        return str((await self._client.read_resource(uri))[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self._client.get_prompt(name, arguments)).messages[0].content.text)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Connected]:
    """Connect over HTTP if there is a URL, else over stdio."""
    target = server.url or StdioTransport(server.command, server.args)
    async with Client(target) as client:
        yield Connected(client)


if __name__ == "__main__":
    main(connected)
