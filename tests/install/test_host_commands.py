"""The clients' own commands: their arguments, and the effects of their failures."""

import json
import sys
from pathlib import Path

import click
import pytest

from runs_mcp.cli.install.client_connection import Connection
from runs_mcp.cli.install.clients import CLIENTS, find
from runs_mcp.cli.install.entries import HttpServer, StdioServer
from runs_mcp.cli.install.launcher import Launcher
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install.setup import Setup, stdio_setup

SANDBOX = stdio_setup(None, {}, Launcher(("/x/runs-mcp",), "the script"), sandbox=True)
SERVER = StdioServer("/x/runs-mcp", ("serve",), ("A", "B"))
PLAIN = StdioServer("/x/runs-mcp", ("serve",))
ENDPOINT = HttpServer("https://x/mcp")
FAKE = """#!{python}
import json, pathlib, sys
path = pathlib.Path({file!r})
{action}
"""
ADD = """
if sys.argv[1:3] == ["mcp", "add"]:
    path.write_text(json.dumps({"mcpServers": {"runs": {"command": sys.argv[-1]}}}))
else:
    path.write_text("{}")
"""
FAIL = 'sys.exit("the disk is full")'
NOTHING = "pass"


def connection(home: Path, action: str, client: str = "claude-code") -> Connection:
    """Return a connection on a machine whose program for the client is a script that does `action`."""
    found = find(client)
    machine = Machine("linux", home, {"PATH": str(home / "bin")})
    file, host = found.file(machine), found.host_command
    assert file
    assert host
    program = home / "bin" / host.program
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable, file=str(file), action=action), encoding="utf-8")
    program.chmod(0o755)
    return Connection(found, machine, "runs")


@pytest.mark.parametrize(
    ("client", "server", "line"),
    [
        ("claude-code", SERVER, "claude mcp add --scope user runs -- /x/runs-mcp serve"),
        ("claude-code", ENDPOINT, "claude mcp add --scope user --transport http runs https://x/mcp"),
        ("gemini-cli", SERVER, "gemini mcp add runs /x/runs-mcp --scope user -e 'A=$A' -e 'B=$B' -- serve"),
        ("gemini-cli", ENDPOINT, "gemini mcp add --scope user --transport http runs https://x/mcp"),
        ("qwen-code", PLAIN, "qwen mcp add runs /x/runs-mcp --scope user -- serve"),
        ("codex", PLAIN, "codex mcp add runs -- /x/runs-mcp serve"),
        ("codex", ENDPOINT, "codex mcp add runs --url https://x/mcp"),
        ("opencode", SERVER, "opencode mcp add runs -- /x/runs-mcp serve"),
        ("opencode", ENDPOINT, "opencode mcp add runs --url https://x/mcp"),
        ("copilot-cli", SERVER, "copilot mcp add runs --env 'A=${A}' --env 'B=${B}' -- /x/runs-mcp serve"),
        ("copilot-cli", ENDPOINT, "copilot mcp add --transport http runs https://x/mcp"),
        ("vscode", ENDPOINT, """code --add-mcp '{"name": "runs", "type": "http", "url": "https://x/mcp"}'"""),
    ],
)
def test_the_arguments_hold_names_of_variables_and_no_values(
    client: str, server: StdioServer | HttpServer, line: str
) -> None:
    host = find(client).host_command
    assert host
    arguments = host.add("runs", server)
    assert arguments is not None
    assert host.line(arguments) == line


def test_every_client_with_an_install_command_is_tested() -> None:
    named = {client.name for client in CLIENTS if client.host_command}
    assert named == {"claude-code", "gemini-cli", "qwen-code", "codex", "opencode", "copilot-cli", "vscode"}


def test_a_new_entry_is_left_to_the_clients_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adding = connection(tmp_path, ADD)
    adding.file.write_text('{"theirs": 1}', encoding="utf-8")
    adding.add(SANDBOX)
    assert json.loads(adding.file.read_text()) == {"mcpServers": {"runs": {"command": "--sandbox"}}}
    backup = adding.file.with_name(".claude.json.runs-mcp.bak")
    assert backup.read_text() == '{"theirs": 1}'
    assert "Running: claude mcp add --scope user runs -- /x/runs-mcp serve --sandbox" in capsys.readouterr().out

    adding.remove()
    assert adding.file.read_text() == "{}"
    assert "Running: claude mcp remove --scope user runs" in capsys.readouterr().out
    assert backup.read_text() == '{"theirs": 1}'


@pytest.mark.parametrize(
    ("action", "says"),
    [
        pytest.param(FAIL, "claude failed with exit code 1: the disk is full", id="an exit code"),
        pytest.param(NOTHING, "claude reported success, but", id="no effect"),
    ],
)
def test_the_file_is_edited_if_the_command_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str, says: str
) -> None:
    adding = connection(tmp_path, action)
    adding.add(SANDBOX)
    assert says in capsys.readouterr().err
    assert json.loads(adding.file.read_text())["mcpServers"]["runs"]["command"] == "/x/runs-mcp"


def test_a_failed_command_leaves_no_backup_of_an_unchanged_file(tmp_path: Path) -> None:
    adding = connection(tmp_path, FAIL, "codex")
    adding.file.parent.mkdir()
    adding.file.write_text("# mine\n", encoding="utf-8")
    with pytest.raises(click.ClickException, match=r"It is a TOML file.*\nAdd this yourself:"):
        adding.add(SANDBOX)
    assert [path.name for path in adding.file.parent.iterdir()] == ["config.toml"]


def test_codex_is_not_run_if_the_entry_must_name_variables(tmp_path: Path) -> None:
    adding = connection(tmp_path, FAIL, "codex")
    with pytest.raises(click.ClickException, match=r'env_vars = \["A", "B"\]'):
        adding.add(Setup(SERVER, "starts"))


def test_an_existing_entry_is_updated_in_the_file(tmp_path: Path) -> None:
    adding = connection(tmp_path, FAIL)
    adding.file.write_text('{"mcpServers": {"runs": {"command": "old", "timeout": 9}}}', encoding="utf-8")
    adding.add(SANDBOX)
    entry = json.loads(adding.file.read_text())["mcpServers"]["runs"]
    assert (entry["command"], entry["timeout"]) == ("/x/runs-mcp", 9)


def test_the_preview_prints_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adding = connection(tmp_path, FAIL)
    adding.preview(SANDBOX)
    assert capsys.readouterr().out == "claude mcp add --scope user runs -- /x/runs-mcp serve --sandbox\n"
    assert not adding.file.exists()


@pytest.mark.parametrize("suffix", [".cmd", ".BAT"])
def test_batch_files_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: f"{path}/{name}{suffix}")
    assert Machine("win32", tmp_path, {"PATH": "C:/npm"}).program("claude") is None
