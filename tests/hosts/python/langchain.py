"""LangChain's MCP adapters, which start a session for each call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.sessions import DEFAULT_STREAMABLE_HTTP_SSE_READ_TIMEOUT

from tests.hosts.python.session import Answer, Server, as_text, main


class Adapters:
    """The adapters of a server."""

    def __init__(self, client: MultiServerMCPClient, tools: list[Any], default_timeout_s: float | None) -> None:
        self._client = client
        self._tools = {tool.name: tool for tool in tools}
        self.default_timeout_s = default_timeout_s

    async def tools(self) -> list[str]:
        return list(self._tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        call = {"type": "tool_call", "id": "1", "name": tool, "args": arguments}
        message = await self._tools[tool].ainvoke(call)
        return Answer(as_text(message.content), message.status == "error")

    async def resource(self, uri: str) -> str:
        [blob] = await self._client.get_resources("runs", uris=uri)
        return str(blob.as_string())

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return as_text((await self._client.get_prompt("runs", name, arguments=arguments))[0].content)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Adapters]:
    """Connect over HTTP if there is a URL, else over stdio."""
    over_http = {"transport": "http", "url": server.url}
    over_stdio = {"transport": "stdio", "command": server.command, "args": server.args}
    client = MultiServerMCPClient({"runs": over_http if server.url else over_stdio})
    default_timeout_s = DEFAULT_STREAMABLE_HTTP_SSE_READ_TIMEOUT.total_seconds() if server.url else None
    yield Adapters(client, await client.get_tools(), default_timeout_s)


if __name__ == "__main__":
    main(connected)
