"""`install` as a person runs it: what it writes, shows and says, and that what it wrote starts the server."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from runs_mcp.cli.install.clients import CLIENTS, Machine, find
from runs_mcp.server.tools import OPERATIONS
from tests.clients.processes import CLEAN
from tests.command_line import DONE, FAILED, USAGE, configuration, run_command

MOVED = {"XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "CLAUDE_CONFIG_DIR", "GEMINI_CLI_HOME", "CODEX_HOME", "UV"}
SCRIPT = str(Path(sys.executable).parent / "runs-mcp")
NAMES = [client.name for client in CLIENTS]
SECRET = "hunter2-hunter2"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home of a person who has connected no client yet."""
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**{name: value for name, value in CLEAN.items() if name not in MOVED}, "HOME": str(home), **more}


def install(home: Path, *arguments: str, **environ: str) -> Any:
    return run_command("install", *arguments, cwd=home, env=environment(home, **environ))


def file_of(client: str, home: Path) -> Path:
    return find(client).file(Machine(sys.platform, home, {}))


def entry_of(client: str, home: Path, name: str = "runs") -> dict[str, Any]:
    text = file_of(client, home).read_text(encoding="utf-8")
    tree = tomllib.loads(text) if client == "codex" else json.loads(text)
    entry: dict[str, Any] = tree[find(client).key][name]
    return entry


@pytest.mark.anyio
@pytest.mark.parametrize("client", ["cursor", "codex"])
@pytest.mark.slow
async def test_the_written_entry_starts_the_server(home: Path, client: str) -> None:
    assert install(home, client, "--sandbox").returncode == DONE
    entry = entry_of(client, home)
    parameters = StdioServerParameters(command=entry["command"], args=entry["args"], env={"HOME": "/"}, cwd="/")
    async with Client(parameters) as connected:
        assert len((await connected.list_tools()).tools) == len(OPERATIONS)


@pytest.mark.parametrize("client", ["zed", "codex"])
def test_an_entry_is_added_once_and_removed_without_trace(home: Path, client: str) -> None:
    installed = install(home, client, "--sandbox")
    assert installed.returncode == DONE
    file = file_of(client, home)
    assert f"+++ {file}" in installed.stdout
    assert f"{SCRIPT} serve --sandbox" in installed.stdout
    written = file.read_bytes()

    again = install(home, client, "--sandbox")
    assert "Nothing was changed." in again.stdout
    assert file.read_bytes() == written

    removed = install(home, client, "--remove")
    assert removed.returncode == DONE
    assert b"runs" not in file.read_bytes()
    assert "Nothing was changed." in install(home, client, "--remove").stdout


def test_the_configuration_is_written_as_an_absolute_path(home: Path) -> None:
    configuration(home, {})
    for arguments in ([], ["--config", "config.json"]):
        install(home, "claude-code", *arguments, "--name", "my-runs")
        assert entry_of("claude-code", home, "my-runs") == {
            "type": "stdio",
            "command": SCRIPT,
            "args": ["serve", "--config", str(home / "config.json")],
        }


def test_variables_that_a_client_may_lack_are_named_without_their_values(home: Path) -> None:
    configuration(home, {"api": {"auth": {"kind": "api_key", "value": SECRET}}})
    shown = install(home, "cursor", RUNS_MCP_API__PROJECT=SECRET)
    assert shown.returncode == DONE
    assert "Careful: Cursor may not see $RUNS_MCP_API__PROJECT" in shown.stderr
    assert SECRET not in shown.stdout + shown.stderr + file_of("cursor", home).read_text(encoding="utf-8")


def test_print_shows_the_entry_to_paste_and_writes_nothing(home: Path) -> None:
    printed = install(home, "codex", "--sandbox", "--print")
    assert printed.returncode == DONE
    assert not file_of("codex", home).exists()
    install(home, "codex", "--sandbox")
    assert printed.stdout == file_of("codex", home).read_text(encoding="utf-8")


def test_print_shows_the_change_of_an_existing_file(home: Path) -> None:
    install(home, "vscode", "--sandbox")
    before = file_of("vscode", home).read_bytes()
    for arguments in (["--sandbox", "--config", configuration(home, {})], ["--remove"]):
        printed = install(home, "vscode", "--print", *arguments)
        assert "\n@@ " in printed.stdout
        assert "Nothing was written" in printed.stderr
    assert file_of("vscode", home).read_bytes() == before


def test_an_invalid_file_is_left_alone_and_the_entry_is_shown(home: Path) -> None:
    file = file_of("cursor", home)
    file.parent.mkdir(parents=True)
    file.write_text('{"mcpServers": {', encoding="utf-8")
    refused = install(home, "cursor", "--sandbox")
    assert refused.returncode == FAILED
    assert f"{file} was left alone. It is not JSON: " in refused.stderr
    assert 'by hand:\n\n{\n  "mcpServers": {\n    "runs": {\n' in refused.stderr
    assert file.read_text(encoding="utf-8") == '{"mcpServers": {'
    assert [one.name for one in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["cursor"], "or give --sandbox, which needs no account", id="no configuration"),
        pytest.param(["cursor", "--config", "nowhere.json"], "nowhere.json cannot be read", id="no such file"),
        pytest.param(["cursor", "--config", "wrong.json"], "api.editon: unknown key", id="a wrong setting"),
        pytest.param(["clod", "--sandbox"], f"there are {', '.join(NAMES)}", id="no such client"),
        pytest.param(["cursor", "--sandbox", "--name", "a b"], "letters, digits, - and _", id="a bad name"),
    ],
)
def test_invalid_arguments_are_rejected_with_valid_alternatives(home: Path, arguments: list[str], says: str) -> None:
    (home / "wrong.json").write_text('{"api": {"editon": "x"}}', encoding="utf-8")
    refused = install(home, *arguments)
    assert refused.returncode == USAGE
    assert says in " ".join(refused.stderr.split())
    assert not file_of("cursor", home).exists()


def test_help_names_every_client(home: Path) -> None:
    said = " ".join(install(home, "--help").stdout.split())
    assert all(name in said for name in NAMES)
