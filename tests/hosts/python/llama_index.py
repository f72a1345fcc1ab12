"""LlamaIndex, which starts a session for each call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from tests.hosts.python.session import Answer, Server, default, main


class ToolSpec:
    """A client and its tools."""

    def __init__(self, client: BasicMCPClient, tools: list[Any]) -> None:
        self._client = client
        self._tools = {tool.metadata.name: tool for tool in tools}
        self.default_timeout_s = default(BasicMCPClient.__init__, "timeout")

    async def tools(self) -> list[str]:
        return list(self._tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        output = await self._tools[tool].acall(**arguments)
        return Answer(output.content, output.is_error)

    async def resource(self, uri: str) -> str:
        return str((await self._client.read_resource(uri)).contents[0].text)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self._client.get_prompt(name, arguments))[0].content)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[ToolSpec]:
    """Connect over HTTP if there is a URL, else over stdio."""
    client = BasicMCPClient(server.url or server.command, args=None if server.url else server.args)
    yield ToolSpec(client, await McpToolSpec(client=client).to_tool_list_async())


if __name__ == "__main__":
    main(connected)
