"""The table of clients: the location of each configuration file and the form of an entry."""

from pathlib import Path
from typing import Any

import pytest

from runs_mcp.cli.install.clients import CLIENTS, UnsupportedTransportError, find
from runs_mcp.cli.install.entries import HttpServer, StdioServer
from runs_mcp.cli.install.locations import Machine

SERVER = StdioServer("/x/runs-mcp", ("serve",), ("A_TOKEN",))
ENDPOINT = HttpServer("https://runs.example.com/mcp")
PLAIN = {"command": "/x/runs-mcp", "args": ["serve"]}
TYPED = {"type": "stdio", **PLAIN}
URL = {"url": ENDPOINT.url}
TYPED_URL = {"type": "http", **URL}
GOOSE = {"name": "runs-mcp", "enabled": True, "timeout": 300}
ROAMING, LOCAL, MAC = "AppData/Roaming", "AppData/Local", "Library/Application Support"
STORAGE = "Code/User/globalStorage"
CLINE, ROO = f"{STORAGE}/saoudrizwan.claude-dev/settings/", f"{STORAGE}/rooveterinaryinc.roo-cline/settings/"
CLAUDE = "claude_desktop_config.json"
CLASSIC = f"{ROAMING}/Claude"
PACKAGED = f"{LOCAL}/Packages/Claude_x/LocalCache/Roaming/Claude"
NEWER = f"{LOCAL}/Claude-Data/Claude_x"


def machine(platform: str, home: Path, **environ: str) -> Machine:
    return Machine(platform, home, environ)


@pytest.mark.parametrize(
    ("client", "linux", "mac", "windows"),
    [
        ("claude-desktop", f".config/Claude/{CLAUDE}", f"{MAC}/Claude/{CLAUDE}", f"{ROAMING}/Claude/{CLAUDE}"),
        ("vscode", ".config/Code/User/mcp.json", f"{MAC}/Code/User/mcp.json", f"{ROAMING}/Code/User/mcp.json"),
        ("zed", ".config/zed/settings.json", ".config/zed/settings.json", f"{ROAMING}/Zed/settings.json"),
        (
            "cline",
            f".config/{CLINE}cline_mcp_settings.json",
            f"{MAC}/{CLINE}cline_mcp_settings.json",
            f"{ROAMING}/{CLINE}cline_mcp_settings.json",
        ),
        (
            "roo-code",
            f".config/{ROO}mcp_settings.json",
            f"{MAC}/{ROO}mcp_settings.json",
            f"{ROAMING}/{ROO}mcp_settings.json",
        ),
        (
            "goose",
            ".config/goose/config.yaml",
            ".config/goose/config.yaml",
            f"{ROAMING}/Block/goose/config/config.yaml",
        ),
    ],
)
def test_clients_follow_the_conventions_of_the_system(
    tmp_path: Path, client: str, linux: str, mac: str, windows: str
) -> None:
    for platform, file in {"linux": linux, "darwin": mac, "win32": windows}.items():
        assert find(client).file(machine(platform, tmp_path)) == tmp_path / file


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize(
    ("client", "file"),
    [
        ("claude-code", ".claude.json"),
        ("cursor", ".cursor/mcp.json"),
        ("windsurf", ".codeium/windsurf/mcp_config.json"),
        ("gemini-cli", ".gemini/settings.json"),
        ("codex", ".codex/config.toml"),
        ("opencode", ".config/opencode/opencode.jsonc"),
        ("qwen-code", ".qwen/settings.json"),
        ("copilot-cli", ".copilot/mcp-config.json"),
        ("lm-studio", ".lmstudio/mcp.json"),
        ("warp", ".warp/.mcp.json"),
        ("kiro", ".kiro/settings/mcp.json"),
        ("junie", ".junie/mcp/mcp.json"),
    ],
)
def test_other_clients_use_the_same_file_on_every_system(tmp_path: Path, client: str, file: str, platform: str) -> None:
    assert find(client).file(machine(platform, tmp_path)) == tmp_path / file


@pytest.mark.parametrize(
    ("client", "key", "stdio", "http"),
    [
        ("claude-desktop", "mcpServers", PLAIN, None),
        ("claude-code", "mcpServers", TYPED, TYPED_URL),
        ("cursor", "mcpServers", TYPED, URL),
        ("vscode", "servers", TYPED, TYPED_URL),
        ("windsurf", "mcpServers", PLAIN, {"serverUrl": ENDPOINT.url}),
        ("zed", "context_servers", PLAIN, URL),
        ("gemini-cli", "mcpServers", {**PLAIN, "env": {"A_TOKEN": "$A_TOKEN"}}, TYPED_URL),
        ("codex", "mcp_servers", {**PLAIN, "env_vars": ["A_TOKEN"]}, URL),
        ("opencode", "mcp", {"type": "local", "command": ["/x/runs-mcp", "serve"]}, {"type": "remote", **URL}),
        ("qwen-code", "mcpServers", {**PLAIN, "env": {"A_TOKEN": "$A_TOKEN"}}, {"httpUrl": ENDPOINT.url}),
        (
            "copilot-cli",
            "mcpServers",
            {"type": "local", **PLAIN, "tools": ["*"], "env": {"A_TOKEN": "${A_TOKEN}"}},
            {**TYPED_URL, "tools": ["*"]},
        ),
        ("cline", "mcpServers", PLAIN, {"type": "streamableHttp", **URL}),
        ("roo-code", "mcpServers", PLAIN, {"type": "streamable-http", **URL}),
        (
            "goose",
            "extensions",
            {**GOOSE, "type": "stdio", "cmd": "/x/runs-mcp", "args": ["serve"], "env_keys": ["A_TOKEN"]},
            {**GOOSE, "type": "streamable_http", "uri": ENDPOINT.url},
        ),
        ("lm-studio", "mcpServers", PLAIN, URL),
        ("warp", "mcpServers", PLAIN, URL),
        ("kiro", "mcpServers", PLAIN, URL),
        ("jetbrains", "mcpServers", PLAIN, URL),
        ("junie", "mcpServers", PLAIN, URL),
    ],
)
def test_entries_have_the_form_that_the_client_reads(
    client: str, key: str, stdio: dict[str, Any], http: dict[str, Any] | None
) -> None:
    chosen = find(client)
    assert chosen.key == key
    assert chosen.entry(SERVER) == stdio
    if http is not None:
        assert chosen.entry(ENDPOINT) == http


def test_a_client_whose_file_takes_no_urls_names_the_place_for_them() -> None:
    with pytest.raises(UnsupportedTransportError, match=r"commands only \(stdio\), no URLs.*under Connectors"):
        find("claude-desktop").entry(ENDPOINT)


@pytest.mark.parametrize(
    ("client", "platform", "variable", "file"),
    [
        ("claude-desktop", "linux", "XDG_CONFIG_HOME", f"Claude/{CLAUDE}"),
        ("vscode", "win32", "APPDATA", "Code/User/mcp.json"),
        ("zed", "linux", "XDG_CONFIG_HOME", "zed/settings.json"),
        ("opencode", "darwin", "XDG_CONFIG_HOME", "opencode/opencode.jsonc"),
        ("claude-code", "darwin", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("gemini-cli", "linux", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("codex", "win32", "CODEX_HOME", "config.toml"),
        ("qwen-code", "linux", "QWEN_HOME", "settings.json"),
        ("copilot-cli", "linux", "COPILOT_HOME", "mcp-config.json"),
    ],
)
def test_environment_variables_move_the_file(
    tmp_path: Path, client: str, platform: str, variable: str, file: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    moved = machine(platform, tmp_path, **{variable: str(elsewhere)})
    assert find(client).file(moved) == elsewhere / file


@pytest.mark.parametrize(
    ("existing", "chosen"),
    [
        pytest.param([], CLASSIC, id="nothing"),
        pytest.param([PACKAGED], PACKAGED, id="a package without a file"),
        pytest.param([PACKAGED, f"{CLASSIC}/{CLAUDE}"], CLASSIC, id="a file outside the package alone"),
        pytest.param([f"{PACKAGED}/{CLAUDE}", f"{CLASSIC}/{CLAUDE}"], PACKAGED, id="a file in both"),
        pytest.param([f"{NEWER}/{CLAUDE}", f"{PACKAGED}/{CLAUDE}"], NEWER, id="a newer package"),
    ],
)
def test_packaged_claude_desktop_on_windows_has_a_folder_of_its_own(
    tmp_path: Path, existing: list[str], chosen: str
) -> None:
    for path in (tmp_path / name for name in existing):
        folder = path.parent if path.name == CLAUDE else path
        folder.mkdir(parents=True)
        if path.name == CLAUDE:
            path.touch()
    assert find("claude-desktop").file(machine("win32", tmp_path)) == tmp_path / chosen / CLAUDE


def test_every_client_cites_the_page_that_documents_its_configuration() -> None:
    assert all(client.page.startswith("https://") for client in CLIENTS)
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)


def test_an_unknown_client_is_rejected_with_the_known_names() -> None:
    with pytest.raises(LookupError, match=f"choose from {', '.join(client.name for client in CLIENTS)}"):
        find("clod")
