"""A trial of an entry: the server is started or called as the client does it, and its tools are listed."""

import tempfile
from pathlib import Path
from typing import TextIO

import anyio
from mcp.client import Client as McpClient
from mcp.client import Transport
from mcp.client.stdio import StdioServerParameters, stdio_client

from runs_mcp.cli.install.clients import Client
from runs_mcp.cli.install.entries import HttpServer, Server, StdioServer
from runs_mcp.cli.install.locations import Machine
from runs_mcp.observability.mask import mask

TIMEOUT_S = 60.0
"""Seconds for a server to start and list its tools; uvx may have to install it first."""


class TrialError(Exception):
    """The server did not list its tools; the text says why."""


async def count_tools(client: Client, server: Server, machine: Machine) -> int:
    """Connect to `server` as `client` does, and return the number of its tools.

    Raises:
        TrialError: it cannot be started or reached, or does not answer within `TIMEOUT_S` seconds.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            with anyio.fail_after(TIMEOUT_S):
                async with McpClient(_target(client, server, machine, log)) as connected:
                    return len((await connected.list_tools()).tools)
        except TimeoutError:
            raise TrialError(f"no answer within {TIMEOUT_S:.0f} s{_last_line(log)}") from None
        except Exception as error:  # noqa: BLE001 - the library documents no errors of its own for a failed start
            raise TrialError(f"{_reason(error)}{_last_line(log)}") from None


def parameters(client: Client, server: StdioServer, machine: Machine) -> StdioServerParameters:
    """Return the command, folder and environment variables with which `client` starts `server`.

    A desktop starts programs in the root folder, and they lack the variables that a shell sets. The MCP SDK adds the
    variables that every program has, such as `HOME` and `PATH`.
    """
    inherited = {"all": tuple(machine.environ), "named": server.variables, "none": ()}[client.inherits]
    environ = {name: machine.environ[name] for name in inherited if name in machine.environ}
    folder = Path(machine.home.anchor) if client.inherits == "none" else Path.cwd()
    return StdioServerParameters(command=server.command, args=list(server.args), env=environ, cwd=folder)


def _target(client: Client, server: Server, machine: Machine, log: TextIO) -> Transport | str:
    match server:
        case StdioServer():
            return stdio_client(parameters(client, server, machine), errlog=log)
        case HttpServer(url):
            return url


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return mask(str(error) or type(error).__name__)


def _last_line(log: TextIO) -> str:
    """Return the last line that the server wrote to its standard error, as the end of a message."""
    log.seek(0)
    lines = log.read().strip().splitlines()
    return f": {mask(lines[-1])}" if lines else ""
