"""Google's Agent Development Kit."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from google.adk.agents import LlmAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.sessions import InMemorySessionService
from google.adk.tools import ToolContext
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams, StreamableHTTPConnectionParams
from mcp import StdioServerParameters

from tests.hosts.python.session import Answer, Server, as_text, main


class Toolset:
    """A connected toolset and the invocation of an agent."""

    def __init__(
        self, toolset: McpToolset, tools: list[Any], invocation: InvocationContext, default_timeout_s: float
    ) -> None:
        self._toolset = toolset
        self._tools = {tool.name: tool for tool in tools}
        self._invocation = invocation
        self.default_timeout_s = default_timeout_s

    async def tools(self) -> list[str]:
        return list(self._tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        context = ToolContext(self._invocation, function_call_id=uuid4().hex)
        answer = await self._tools[tool].run_async(args=arguments, tool_context=context)
        return Answer(as_text(answer), bool(answer.get("isError") or answer.get("error")))

    async def resource(self, uri: str) -> str:
        [info] = [await self._toolset.get_resource_info(name) for name in await self._toolset.list_resources()][:1]
        assert re.fullmatch(r"runs://[0-9a-f]{24}", info["uri"])
        return as_text(await self._toolset.read_resource(info["name"]))

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        raise NotImplementedError


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Toolset]:
    """Connect over HTTP if there is a URL, else over stdio."""
    over_stdio = StdioServerParameters(command=server.command, args=server.args)
    params = (
        StreamableHTTPConnectionParams(url=server.url)
        if server.url
        else StdioConnectionParams(server_params=over_stdio)
    )
    default = type(params).model_fields["sse_read_timeout" if server.url else "timeout"].default
    toolset = McpToolset(connection_params=params)
    try:
        yield Toolset(toolset, await toolset.get_tools(), await _invocation(), default)
    finally:
        await toolset.close()


async def _invocation() -> InvocationContext:
    sessions = InMemorySessionService()
    session = await sessions.create_session(app_name="test", user_id="test")
    return InvocationContext(
        session_service=sessions, session=session, invocation_id="test", agent=LlmAgent(name="test")
    )


if __name__ == "__main__":
    main(connected)
