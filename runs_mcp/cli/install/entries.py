"""Servers, and entries for them in the spelling of each client."""

from collections.abc import Callable
from dataclasses import dataclass

from runs_mcp.cli.install.formats import Entry


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that the client starts and talks to over stdio."""

    command: str
    args: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """Names of the environment variables that it needs."""

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line."""
        return (self.command, *self.args)


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that already runs and is reached over streamable HTTP."""

    url: str


Server = StdioServer | HttpServer
StdioEntry = Callable[[StdioServer], Entry]
HttpEntry = Callable[[str], Entry]
"""Makes the entry for the URL of an endpoint."""


def command(server: StdioServer) -> Entry:
    """Return the entry that most clients read."""
    return {"command": server.command, "args": list(server.args)}


def typed_command(server: StdioServer) -> Entry:
    """Return an entry that also names its transport."""
    return {"type": "stdio", **command(server)}


def command_with_env(server: StdioServer) -> Entry:
    """Return an entry that refers to each environment variable by `$NAME`."""
    variables = {name: f"${name}" for name in server.variables}
    return {**command(server), **({"env": variables} if variables else {})}


def codex(server: StdioServer) -> Entry:
    """Return an entry that lists the names of the environment variables."""
    return {**command(server), **({"env_vars": list(server.variables)} if server.variables else {})}


def opencode(server: StdioServer) -> Entry:
    """Return an entry with the command line in one list."""
    return {"type": "local", "command": list(server.words)}


def copilot_cli(server: StdioServer) -> Entry:
    """Return an entry that allows all tools and refers to each environment variable by `${NAME}`."""
    variables = {name: f"${{{name}}}" for name in server.variables}
    entry = {"type": "local", **command(server), "tools": ["*"]}
    return {**entry, **({"env": variables} if variables else {})}


def goose(server: StdioServer) -> Entry:
    """Return the entry of an extension that lists the names of the environment variables."""
    entry: Entry = {"type": "stdio", "name": "runs-mcp", "enabled": True, "timeout": 300}
    entry |= {"cmd": server.command, "args": list(server.args)}
    return {**entry, **({"env_keys": list(server.variables)} if server.variables else {})}


def goose_http(url: str) -> Entry:
    """Return the entry of an extension that is reached over HTTP."""
    return {"type": "streamable_http", "name": "runs-mcp", "enabled": True, "timeout": 300, "uri": url}


def url(url: str) -> Entry:
    """Return an entry with the URL alone."""
    return {"url": url}


def typed_url(url: str) -> Entry:
    """Return an entry with the URL and the transport `http`."""
    return {"type": "http", "url": url}


def windsurf_url(url: str) -> Entry:
    """Return the entry that Windsurf reads."""
    return {"serverUrl": url}


def qwen_code_url(url: str) -> Entry:
    """Return the entry that Qwen Code reads."""
    return {"httpUrl": url}


def copilot_cli_url(url: str) -> Entry:
    """Return an entry that allows all tools."""
    return {**typed_url(url), "tools": ["*"]}


def opencode_url(url: str) -> Entry:
    """Return the entry of a remote server."""
    return {"type": "remote", "url": url}


def cline_url(url: str) -> Entry:
    """Return an entry with Cline's name of the transport."""
    return {"type": "streamableHttp", "url": url}


def roo_code_url(url: str) -> Entry:
    """Return an entry with Roo Code's name of the transport."""
    return {"type": "streamable-http", "url": url}
