"""The clients that can be connected: where each keeps its configuration, and what an entry looks like in it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runs_mcp.cli.install import jsonc, toml
from runs_mcp.cli.install.formats import Format


@dataclass(frozen=True, slots=True)
class Machine:
    """The properties of a machine that determine the paths of configuration files."""

    platform: str
    """As `sys.platform` says it."""
    home: Path
    environ: Mapping[str, str]

    @property
    def settings(self) -> Path:
        """The folder where programs of this system keep their settings."""
        match self.platform:
            case "win32":
                return self.folder("APPDATA") or self.home / "AppData" / "Roaming"
            case "darwin":
                return self.home / "Library" / "Application Support"
            case _:
                return self.folder("XDG_CONFIG_HOME") or self.home / ".config"

    def folder(self, variable: str) -> Path | None:
        """The folder that an environment variable names."""
        return Path(named) if (named := self.environ.get(variable)) else None


@dataclass(frozen=True, slots=True)
class Server:
    """The command that a client starts."""

    command: str
    args: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """Names of the environment variables it needs."""

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line."""
        return (self.command, *self.args)


@dataclass(frozen=True, slots=True)
class Client:
    """A program that starts MCP servers."""

    name: str
    title: str
    places: Callable[[Machine], list[Path]]
    """Where its configuration may be: the first that is there, else the first."""
    key: str
    """The table of the configuration that holds the servers, by name."""
    entry: Callable[[Server], dict[str, Any]]
    then: str
    """What a person does next."""
    format: Format = jsonc
    passes: Literal["all", "named", "none"] = "none"
    """Which environment variables of the shell reach the server: all, those the entry names, or none for sure."""
    add: Callable[[str, Server], Sequence[str]] | None = None
    """Its own command that adds a server under a name."""

    def file(self, machine: Machine) -> Path:
        """The configuration file."""
        places = self.places(machine)
        return next((place for place in places if place.exists()), places[0])


def _plain(server: Server) -> dict[str, Any]:
    return {"command": server.command, "args": list(server.args)}


def _typed(server: Server) -> dict[str, Any]:
    return {"type": "stdio", **_plain(server)}


def _naming_variables(server: Server) -> dict[str, Any]:
    variables = {name: f"${name}" for name in server.variables}
    return {**_plain(server), **({"env": variables} if variables else {})}


def _listing_variables(server: Server) -> dict[str, Any]:
    return {**_plain(server), **({"env_vars": list(server.variables)} if server.variables else {})}


def _claude_desktop(machine: Machine) -> list[Path]:
    places = [machine.settings / "Claude"]
    if machine.platform == "win32":  # Windows shows an app from a package another folder than it shows others
        local = machine.folder("LOCALAPPDATA") or machine.home / "AppData" / "Local"
        packaged = [*local.glob("Claude-Data/Claude_*"), *local.glob("Packages/Claude_*/LocalCache/Roaming/Claude")]
        places = [*packaged, *places]
    return [place / "claude_desktop_config.json" for place in places]


def _claude_code(machine: Machine) -> list[Path]:
    return [(machine.folder("CLAUDE_CONFIG_DIR") or machine.home) / ".claude.json"]


def _cursor(machine: Machine) -> list[Path]:
    return [machine.home / ".cursor" / "mcp.json"]


def _vscode(machine: Machine) -> list[Path]:
    return [machine.settings / "Code" / "User" / "mcp.json"]


def _windsurf(machine: Machine) -> list[Path]:
    return [machine.home / ".codeium" / "windsurf" / "mcp_config.json"]


def _zed(machine: Machine) -> list[Path]:
    match machine.platform:
        case "win32":
            folder = machine.settings / "Zed"
        case "darwin":
            folder = machine.home / ".config" / "zed"
        case _:
            folder = machine.settings / "zed"
    return [folder / "settings.json"]


def _gemini_cli(machine: Machine) -> list[Path]:
    return [(machine.folder("GEMINI_CLI_HOME") or machine.home) / ".gemini" / "settings.json"]


def _codex(machine: Machine) -> list[Path]:
    return [(machine.folder("CODEX_HOME") or machine.home / ".codex") / "config.toml"]


CLIENTS = (
    Client(
        "claude-desktop",
        "Claude Desktop",
        _claude_desktop,
        key="mcpServers",
        entry=_plain,
        then="Quit Claude Desktop and open it again.",
    ),
    Client(
        "claude-code",
        "Claude Code",
        _claude_code,
        key="mcpServers",
        entry=_typed,
        then="Start claude anew; /mcp shows the server.",
        passes="all",
        add=lambda name, server: ("claude", "mcp", "add", "--scope", "user", name, "--", *server.words),
    ),
    Client(
        "cursor",
        "Cursor",
        _cursor,
        key="mcpServers",
        entry=_typed,
        then="See in Cursor's settings, under MCP, that the server is on.",
    ),
    Client(
        "vscode",
        "VS Code",
        _vscode,
        key="servers",
        entry=_typed,
        then="Run “MCP: List Servers” from the command palette, and start it.",
        add=lambda name, server: ("code", "--add-mcp", json.dumps({"name": name, **_typed(server)})),
    ),
    Client(
        "windsurf",
        "Windsurf",
        _windsurf,
        key="mcpServers",
        entry=_plain,
        then="Press refresh above Cascade's list of MCP servers.",
    ),
    Client(
        "zed",
        "Zed",
        _zed,
        key="context_servers",
        entry=_plain,
        then="Zed sees it at once; the settings of its agent panel show the server.",
    ),
    Client(
        "gemini-cli",
        "Gemini CLI",
        _gemini_cli,
        key="mcpServers",
        entry=_naming_variables,
        then="Start gemini anew; /mcp shows the server.",
        passes="named",
        add=lambda name, server: ("gemini", "mcp", "add", "-s", "user", name, server.command, "--", *server.args),
    ),
    Client(
        "codex",
        "Codex",
        _codex,
        key="mcp_servers",
        entry=_listing_variables,
        then="Start codex anew; /mcp shows the server.",
        format=toml,
        passes="named",
        add=lambda name, server: ("codex", "mcp", "add", name, "--", *server.words),
    ),
)


def find(name: str) -> Client:
    """The client of that name.

    Raises:
        LookupError: the name is unknown; the text lists the known names.
    """
    for client in CLIENTS:
        if client.name == name:
            return client
    raise LookupError(f"no such client; there are {', '.join(client.name for client in CLIENTS)}")
