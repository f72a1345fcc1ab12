"""Semantic Kernel, which offers tools and prompts as functions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from semantic_kernel.connectors.mcp import MCPStdioPlugin, MCPStreamableHttpPlugin
from semantic_kernel.functions import KernelPlugin

from tests.hosts.python.session import HTTP_TIMEOUT_S, Answer, Server, main


class Plugin:
    """A connected plugin."""

    def __init__(self, plugin: MCPStdioPlugin | MCPStreamableHttpPlugin, default_timeout_s: float | None) -> None:
        self._plugin = plugin
        self.default_timeout_s = default_timeout_s

    async def tools(self) -> list[str]:
        prompts = {prompt.name for prompt in (await self._plugin.session.list_prompts()).prompts}
        return [name for name in KernelPlugin.from_object("runs", self._plugin).functions if name not in prompts]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        return Answer((await self._plugin.call_tool(tool, **arguments))[0].text)

    async def resource(self, uri: str) -> str:
        raise NotImplementedError

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        return str((await self._plugin.get_prompt(name, **arguments))[0].content)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Plugin]:
    """Connect over HTTP if there is a URL, else over stdio."""
    async with (
        MCPStreamableHttpPlugin(name="runs", url=server.url)
        if server.url
        else MCPStdioPlugin(name="runs", command=server.command, args=server.args)
    ) as plugin:
        yield Plugin(plugin, HTTP_TIMEOUT_S if server.url else None)


if __name__ == "__main__":
    main(connected)
