"""Calls of the tools of a server in this process, as an MCP client makes them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import click
from mcp.client import Client
from pydantic import ValidationError
from rich.console import Console

from runs_mcp.api import connect
from runs_mcp.cli.process import UsageProblem
from runs_mcp.cli.runs.terminal_questions import ask, can_ask
from runs_mcp.cli.terminal.identity import TERMINAL
from runs_mcp.cli.terminal.live_text import LiveText, call_tool
from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from runs_mcp.server.permissions.selected_tools import selected_tools
from runs_mcp.server.render import error_messages
from runs_mcp.server.tools.arguments import UnknownArgumentError
from runs_mcp.server.tools.operation import Operation

PATIENCE_S = 7 * 24 * 3600.0
"""`streaming.max_wait_s` where it is not set: it protects callers that time out, and a terminal does not."""
WHOLE_RESULT_CHARS = 100_000_000
"""`server.max_result_chars` where it is not set: it protects the context of a model."""


@dataclass(frozen=True, slots=True)
class ToolClient:
    """The connection to a server in this process."""

    client: Client
    operations: Mapping[str, Operation]
    console: Console
    """The console that shows progress."""

    @classmethod
    @asynccontextmanager
    async def connected(cls, config: Config, console: Console) -> "AsyncIterator[ToolClient]":
        """Connect to a server with `config`.

        Raises:
            ConfigError: the configuration cannot work.
            CredentialError: there is no credential for the Runs API.
        """
        config = unhurried(config)
        connect(config.api)  # reports a missing credential as an error of the configuration
        operations = {operation.name: operation for operation in selected_tools(config)}
        answer = ask if can_ask() else None
        server = build_server(config).mcp
        async with Client(server, client_info=TERMINAL, elicitation_callback=answer) as client:
            yield cls(client, operations, console)

    async def call(self, tool: str, arguments: Mapping[str, Any], *, is_text: bool = False) -> dict[str, Any]:
        """Return the structured result of a call; its progress is shown, as text of a run if it `is_text`.

        Raises:
            UsageProblem: the arguments do not fit the tool, or the configuration does not allow them.
            click.ClickException: the tool is not offered, or the call failed.
        """
        self._check(tool, arguments)
        return await call_tool(self.client, tool, arguments, LiveText(self.console, tool, is_text=is_text))

    def _check(self, tool: str, arguments: Mapping[str, Any]) -> None:
        if (operation := self.operations.get(tool)) is None:
            raise click.ClickException(f"{tool} is not offered: see server.read_only and server.tools in config.json.")
        try:
            operation.model.model_validate(operation.clean(arguments), by_alias=True)
        except UnknownArgumentError as error:
            raise UsageProblem(str(error)) from None
        except ValidationError as error:
            raise UsageProblem(error_messages.invalid_arguments(error, operation.published.input_schema)) from None


def unhurried(config: Config) -> Config:
    """Return `config` without the limits that exist for models and their hosts, unless they are set."""
    server, streaming = config.server, config.streaming
    if "max_result_chars" not in server.model_fields_set:
        server = server.model_copy(update={"max_result_chars": WHOLE_RESULT_CHARS})
    if "max_wait_s" not in streaming.model_fields_set:
        streaming = streaming.model_copy(update={"max_wait_s": PATIENCE_S})
    return config.model_copy(update={"server": server, "streaming": streaming})
