"""Calls of tools, and their answers: text, structured content and failure."""

from dataclasses import dataclass
from typing import Any

from mcp.client import Client
from mcp_types import CallToolResult, Implementation, TextContent

PATIENT = Implementation(name="patient", version="1")
"""A client that the server does not know to give up early, unlike `mcp`, the default name of the SDK."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that a client received."""

    text: str
    structured: dict[str, Any]
    failed: bool
    result: CallToolResult


class Notifications:
    """A progress callback that collects the notifications of one call."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.messages: list[str | None] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.values.append(progress)
        self.messages.append(message)

    @property
    def text(self) -> str:
        """Return the messages, joined."""
        return "".join(message for message in self.messages if message)


async def call(client: Client, tool: str, *, progress: Any = None, **arguments: Any) -> Answer:
    """Return the answer of `tool`; `progress` is a progress callback, such as `Notifications`."""
    return await call_with(client, tool, arguments, progress=progress)


async def call_with(client: Client, tool: str, arguments: dict[str, Any], *, progress: Any = None) -> Answer:
    """Return the answer of `tool` to arguments of any name."""
    result = await client.call_tool(tool, arguments, progress_callback=progress)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    return Answer(text, result.structured_content or {}, bool(result.is_error), result)
