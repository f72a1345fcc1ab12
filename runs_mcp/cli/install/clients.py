"""The clients that `install` can connect.

To add a client, append an entry to `CLIENTS`, add its name to the help of `install`, and run `python -m docs.generate`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runs_mcp.cli.install import entries, host_commands, locations
from runs_mcp.cli.install.entries import HttpEntry, HttpServer, Server, StdioEntry, StdioServer
from runs_mcp.cli.install.formats import JSON, TOML, YAML, Entry, Format
from runs_mcp.cli.install.host_commands import HostCommand
from runs_mcp.cli.install.locations import Locations, Machine, in_home, in_settings


class UnsupportedTransportError(Exception):
    """The client cannot be given an endpoint by its configuration file; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that uses MCP servers."""

    name: str
    title: str
    page: str
    """The page that documents its configuration."""
    locations: Locations
    """Lists the files that it may read: the first existing file is used, else the first. Empty: it has none."""
    key: str
    """The table of the configuration that holds the servers by name."""
    stdio: StdioEntry
    http: HttpEntry | None
    """None if its configuration file takes no endpoints."""
    next_step: str
    """A sentence on how to use the server after it is added."""
    url_advice: str = ""
    """A sentence on where to add an endpoint if the file takes none."""
    format: Format = JSON
    inherits: Literal["all", "named", "none"] = "none"
    """The environment variables of the shell that reach a server: all, those that the entry names, or none for sure."""
    host_command: HostCommand | None = None

    def file(self, machine: Machine) -> Path | None:
        """Return the configuration file; None if the client has none that can be edited or documented."""
        files = self.locations(machine)
        return next((file for file in files if file.exists()), files[0] if files else None)

    def entry(self, server: Server) -> Entry:
        """Return the entry for a server.

        Raises:
            UnsupportedTransportError: it is an endpoint, and the file takes none.
        """
        match server:
            case StdioServer():
                return self.stdio(server)
            case HttpServer() if self.http is None:
                raise UnsupportedTransportError(
                    f"The configuration file of {self.title} takes commands only (stdio), no URLs. {self.url_advice}"
                )
            case HttpServer(url):
                return self.http(url)

    def is_installed(self, machine: Machine) -> bool:
        """Return whether the machine has its program on the `PATH`, its configuration file, or the folder of that."""
        if self.host_command and machine.program(self.host_command.program):
            return True
        files = self.locations(machine)
        return any(file.exists() or (file.parent != machine.home and file.parent.is_dir()) for file in files)


_CODE_STORAGE = ("Code", "User", "globalStorage")

CLIENTS = (
    Client(
        name="claude-desktop",
        title="Claude Desktop",
        page="https://modelcontextprotocol.io/docs/develop/connect-local-servers",
        locations=locations.claude_desktop,
        key="mcpServers",
        stdio=entries.command,
        http=None,
        next_step="Quit Claude Desktop and open it again.",
        url_advice="Add the URL in its settings, under Connectors.",
    ),
    Client(
        name="claude-code",
        title="Claude Code",
        page="https://docs.claude.com/en/docs/claude-code/mcp",
        locations=in_home(".claude.json", variable="CLAUDE_CONFIG_DIR"),
        key="mcpServers",
        stdio=entries.typed_command,
        http=entries.typed_url,
        next_step="Restart claude; /mcp shows the server.",
        inherits="all",
        host_command=host_commands.CLAUDE,
    ),
    Client(
        name="cursor",
        title="Cursor",
        page="https://cursor.com/docs/context/mcp",
        locations=in_home(".cursor", "mcp.json"),
        key="mcpServers",
        stdio=entries.typed_command,
        http=entries.url,
        next_step="Check in Cursor's settings, under MCP, that the server is enabled.",
    ),
    Client(
        name="vscode",
        title="VS Code",
        page="https://code.visualstudio.com/docs/copilot/customization/mcp-servers",
        locations=in_settings("Code", "User", "mcp.json"),
        key="servers",
        stdio=entries.typed_command,
        http=entries.typed_url,
        next_step="Run “MCP: List Servers” from the command palette and start the server.",
        host_command=host_commands.VSCODE,
    ),
    Client(
        name="windsurf",
        title="Windsurf",
        page="https://docs.windsurf.com/windsurf/cascade/mcp",
        locations=in_home(".codeium", "windsurf", "mcp_config.json"),
        key="mcpServers",
        stdio=entries.command,
        http=entries.windsurf_url,
        next_step="Press the refresh button above Cascade's list of MCP servers.",
    ),
    Client(
        name="zed",
        title="Zed",
        page="https://zed.dev/docs/ai/mcp",
        locations=locations.zed,
        key="context_servers",
        stdio=entries.command,
        http=entries.url,
        next_step="Zed reloads its settings; the settings of the agent panel show the server.",
    ),
    Client(
        name="gemini-cli",
        title="Gemini CLI",
        page="https://geminicli.com/docs/tools/mcp-server/",
        locations=locations.gemini_cli,
        key="mcpServers",
        stdio=entries.command_with_env,
        http=entries.typed_url,
        next_step=(
            "Restart gemini; /mcp shows the server. Gemini CLI disables all servers in folders that are not trusted: "
            "trust the folder when gemini asks, or with /permissions."
        ),
        inherits="named",
        host_command=host_commands.GEMINI,
    ),
    Client(
        name="codex",
        title="Codex",
        page="https://developers.openai.com/codex/mcp",
        locations=in_home(".codex", "config.toml", variable="CODEX_HOME"),
        key="mcp_servers",
        stdio=entries.codex,
        http=entries.url,
        next_step="Restart codex; /mcp shows the server.",
        format=TOML,
        inherits="named",
        host_command=host_commands.CODEX,
    ),
    Client(
        name="opencode",
        title="opencode",
        page="https://opencode.ai/docs/mcp-servers/",
        locations=locations.opencode,
        key="mcp",
        stdio=entries.opencode,
        http=entries.opencode_url,
        next_step="Restart opencode; `opencode mcp list` shows the server.",
        inherits="all",
        host_command=host_commands.OPENCODE,
    ),
    Client(
        name="qwen-code",
        title="Qwen Code",
        page="https://qwenlm.github.io/qwen-code-docs/en/users/features/mcp/",
        locations=in_home(".qwen", "settings.json", variable="QWEN_HOME"),
        key="mcpServers",
        stdio=entries.command_with_env,
        http=entries.qwen_code_url,
        next_step="Restart qwen; /mcp shows the server.",
        inherits="named",
        host_command=host_commands.QWEN,
    ),
    Client(
        name="copilot-cli",
        title="Copilot CLI",
        page="https://docs.github.com/en/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers",
        locations=in_home(".copilot", "mcp-config.json", variable="COPILOT_HOME"),
        key="mcpServers",
        stdio=entries.copilot_cli,
        http=entries.copilot_cli_url,
        next_step="Restart copilot; /mcp shows the server.",
        inherits="named",
        host_command=host_commands.COPILOT,
    ),
    Client(
        name="cline",
        title="Cline",
        page="https://docs.cline.bot/mcp/mcp-overview",
        locations=locations.cline,
        key="mcpServers",
        stdio=entries.command,
        http=entries.cline_url,
        next_step="Open MCP Servers in Cline's navigation bar; the Configure tab shows the server.",
    ),
    Client(
        name="roo-code",
        title="Roo Code",
        page="https://docs.roocode.com/features/mcp/using-mcp-in-roo",
        locations=in_settings(*_CODE_STORAGE, "rooveterinaryinc.roo-cline", "settings", "mcp_settings.json"),
        key="mcpServers",
        stdio=entries.command,
        http=entries.roo_code_url,
        next_step="Open the MCP settings of Roo Code; they show the server.",
    ),
    Client(
        name="goose",
        title="Goose",
        page="https://block.github.io/goose/docs/getting-started/using-extensions",
        locations=locations.goose,
        key="extensions",
        stdio=entries.goose,
        http=entries.goose_http,
        next_step="Start a new session of Goose; its list of extensions shows the server.",
        format=YAML,
        inherits="named",
    ),
    Client(
        name="lm-studio",
        title="LM Studio",
        page="https://lmstudio.ai/docs/app/mcp",
        locations=in_home(".lmstudio", "mcp.json"),
        key="mcpServers",
        stdio=entries.command,
        http=entries.url,
        next_step="Enable the server in the Program tab of the sidebar.",
    ),
    Client(
        name="warp",
        title="Warp",
        page="https://docs.warp.dev/agents/capabilities/mcp/",
        locations=in_home(".warp", ".mcp.json"),
        key="mcpServers",
        stdio=entries.command,
        http=entries.url,
        next_step="Start the server in Warp's settings, under Agents, MCP servers.",
    ),
    Client(
        name="kiro",
        title="Kiro",
        page="https://kiro.dev/docs/mcp/configuration/",
        locations=in_home(".kiro", "settings", "mcp.json"),
        key="mcpServers",
        stdio=entries.command,
        http=entries.url,
        next_step="Kiro reloads the file; its panel MCP Servers shows the server.",
    ),
    Client(
        name="jetbrains",
        title="JetBrains AI Assistant",
        page="https://www.jetbrains.com/help/ai-assistant/mcp.html",
        locations=locations.none,
        key="mcpServers",
        stdio=entries.command,
        http=entries.url,
        next_step="Paste the entry in Settings, Tools, AI Assistant, Model Context Protocol (MCP), Add, as JSON.",
    ),
    Client(
        name="junie",
        title="JetBrains Junie",
        page="https://junie.jetbrains.com/docs/junie-cli-mcp-configuration.html",
        locations=in_home(".junie", "mcp", "mcp.json"),
        key="mcpServers",
        stdio=entries.command,
        http=entries.url,
        next_step="Enable the server in Settings, Tools, Junie, MCP Settings, or with /mcp in the command line.",
    ),
)


def find(name: str) -> Client:
    """Return the client of that name.

    Raises:
        LookupError: the name is unknown; the text lists the known names.
    """
    for client in CLIENTS:
        if client.name == name:
            return client
    raise LookupError(f"unknown client; choose from {', '.join(client.name for client in CLIENTS)}")
