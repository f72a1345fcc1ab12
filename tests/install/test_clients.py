"""The location of each client's configuration on each system, and the form of an entry."""

from pathlib import Path
from typing import Any

import pytest

from runs_mcp.cli.install.clients import CLIENTS, Machine, Server, find

SERVER = Server("/x/runs-mcp", ("serve", "--config", "/x/config.json"), ("A_TOKEN",))
PLAIN = {"command": "/x/runs-mcp", "args": ["serve", "--config", "/x/config.json"]}
TYPED = {"type": "stdio", **PLAIN}
ROAMING, LOCAL = "AppData/Roaming", "AppData/Local"
CLAUDE = "claude_desktop_config.json"
CLASSIC = f"{ROAMING}/Claude"
PACKAGED = f"{LOCAL}/Packages/Claude_x/LocalCache/Roaming/Claude"
NEWER = f"{LOCAL}/Claude-Data/Claude_x"


def machine(platform: str, home: Path, **environ: str) -> Machine:
    return Machine(platform, home, environ)


@pytest.mark.parametrize(
    ("client", "linux", "mac", "windows"),
    [
        ("claude-desktop", ".config/Claude/", "Library/Application Support/Claude/", f"{ROAMING}/Claude/"),
        ("vscode", ".config/Code/User/", "Library/Application Support/Code/User/", f"{ROAMING}/Code/User/"),
        ("zed", ".config/zed/", ".config/zed/", f"{ROAMING}/Zed/"),
        ("claude-code", "", "", ""),
        ("cursor", ".cursor/", ".cursor/", ".cursor/"),
        ("windsurf", ".codeium/windsurf/", ".codeium/windsurf/", ".codeium/windsurf/"),
        ("gemini-cli", ".gemini/", ".gemini/", ".gemini/"),
        ("codex", ".codex/", ".codex/", ".codex/"),
    ],
)
def test_every_client_has_a_file_on_each_system(
    tmp_path: Path, client: str, linux: str, mac: str, windows: str
) -> None:
    for platform, folder in {"linux": linux, "darwin": mac, "win32": windows}.items():
        assert find(client).file(machine(platform, tmp_path)).parent == tmp_path / folder


@pytest.mark.parametrize(
    ("client", "file", "key", "entry"),
    [
        ("claude-desktop", CLAUDE, "mcpServers", PLAIN),
        ("claude-code", ".claude.json", "mcpServers", TYPED),
        ("cursor", "mcp.json", "mcpServers", TYPED),
        ("vscode", "mcp.json", "servers", TYPED),
        ("windsurf", "mcp_config.json", "mcpServers", PLAIN),
        ("zed", "settings.json", "context_servers", PLAIN),
        ("gemini-cli", "settings.json", "mcpServers", {**PLAIN, "env": {"A_TOKEN": "$A_TOKEN"}}),
        ("codex", "config.toml", "mcp_servers", {**PLAIN, "env_vars": ["A_TOKEN"]}),
    ],
)
def test_every_client_has_its_entry_format(
    tmp_path: Path, client: str, file: str, key: str, entry: dict[str, Any]
) -> None:
    chosen = find(client)
    assert chosen.file(machine("linux", tmp_path)).name == file
    assert chosen.key == key
    assert chosen.entry(SERVER) == entry


@pytest.mark.parametrize(
    ("client", "platform", "variable", "file"),
    [
        ("claude-desktop", "linux", "XDG_CONFIG_HOME", f"Claude/{CLAUDE}"),
        ("vscode", "win32", "APPDATA", "Code/User/mcp.json"),
        ("zed", "linux", "XDG_CONFIG_HOME", "zed/settings.json"),
        ("claude-code", "darwin", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("gemini-cli", "linux", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("codex", "win32", "CODEX_HOME", "config.toml"),
    ],
)
def test_an_environment_variable_moves_the_file(
    tmp_path: Path, client: str, platform: str, variable: str, file: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    moved = machine(platform, tmp_path, **{variable: str(elsewhere)})
    assert find(client).file(moved) == elsewhere / file


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        pytest.param([], CLASSIC, id="nothing"),
        pytest.param([PACKAGED], PACKAGED, id="a package without a file"),
        pytest.param([PACKAGED, f"{CLASSIC}/{CLAUDE}"], CLASSIC, id="a file outside the package alone"),
        pytest.param([f"{PACKAGED}/{CLAUDE}", f"{CLASSIC}/{CLAUDE}"], PACKAGED, id="a file in both"),
        pytest.param([f"{NEWER}/{CLAUDE}", f"{PACKAGED}/{CLAUDE}"], NEWER, id="a newer package"),
    ],
)
def test_claude_desktop_from_the_windows_store_has_its_own_file(tmp_path: Path, there: list[str], chosen: str) -> None:
    for place in (tmp_path / one for one in there):
        folder = place.parent if place.name == CLAUDE else place
        folder.mkdir(parents=True)
        if place.name == CLAUDE:
            place.touch()
    assert find("claude-desktop").file(machine("win32", tmp_path)) == tmp_path / chosen / CLAUDE


def test_an_unknown_client_is_rejected_with_the_known_clients() -> None:
    with pytest.raises(LookupError, match=f"there are {', '.join(client.name for client in CLIENTS)}"):
        find("clod")
