"""Strands Agents, whose client blocks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio.to_thread
from mcp import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from strands.tools.mcp import MCPClient

from tests.hosts.python.session import HTTP_TIMEOUT_S, Answer, Server, main


class Client:
    """A connected client."""

    def __init__(self, client: MCPClient, default_timeout_s: float | None) -> None:
        self._client = client
        self.default_timeout_s = default_timeout_s

    async def tools(self) -> list[str]:
        return [tool.tool_name for tool in await anyio.to_thread.run_sync(self._client.list_tools_sync)]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await anyio.to_thread.run_sync(self._client.call_tool_sync, uuid4().hex, tool, arguments)
        return Answer(result["content"][0]["text"], result["status"] == "error")

    async def resource(self, uri: str) -> str:
        return str((await anyio.to_thread.run_sync(self._client.read_resource_sync, uri)).contents[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        prompt = await anyio.to_thread.run_sync(self._client.get_prompt_sync, name, arguments)
        return str(prompt.messages[0].content.text)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Client]:
    """Connect over HTTP if there is a URL, else over stdio."""
    over_stdio = StdioServerParameters(command=server.command, args=server.args)
    client = MCPClient(lambda: streamable_http_client(server.url) if server.url else stdio_client(over_stdio))
    await anyio.to_thread.run_sync(client.start)
    try:
        yield Client(client, HTTP_TIMEOUT_S if server.url else None)
    finally:
        await anyio.to_thread.run_sync(client.stop, None, None, None)


if __name__ == "__main__":
    main(connected)
