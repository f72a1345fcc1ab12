"""`runs-mcp install` from the command line."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runs_mcp.cli.install import client_choice
from runs_mcp.cli.install.clients import CLIENTS, find
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install_command import install
from runs_mcp.server.tools import OPERATIONS
from tests.clients.processes import CLEAN
from tests.command_line import DONE, FAILED, USAGE, configuration, start_command

MOVED = ("XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "CLAUDE_CONFIG_DIR", "GEMINI_CLI_HOME", "CODEX_HOME", "UV")
SCRIPT = str(Path(sys.executable).parent / "runs-mcp")
NAMES = [client.name for client in CLIENTS]
SECRET = "hunter2-hunter2"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home and current folder of a user without clients; no program is on the `PATH`."""
    for name in set(os.environ) - set(CLEAN) | set(MOVED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, answer: str | None = None, start: bool = False) -> Result:
    """Run the command in this process."""
    words = [*arguments, *([] if start or "--remove" in arguments else ["--no-start"])]
    return CliRunner().invoke(install, words, input=answer)


def file_of(client: str, home: Path) -> Path:
    file = find(client).file(Machine(sys.platform, home, {}))
    assert file
    return file


def entry_of(client: str, home: Path, name: str = "runs") -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(file_of(client, home).read_text(encoding="utf-8"))[find(client).key][name]
    return entry


@pytest.mark.slow
@pytest.mark.parametrize("client", ["cursor", "claude-code", "gemini-cli"])
def test_the_server_is_started_as_the_client_would_and_its_tools_are_counted(home: Path, client: str) -> None:
    environ = {**CLEAN, "HOME": str(home), "PATH": str(home)}
    result = start_command("install", client, "--sandbox", cwd=home, env=environ)
    assert result.returncode == DONE, result.stderr
    assert result.stdout.endswith(f"Starting the server as {find(client).title} would … {len(OPERATIONS)} tools.\n")


@pytest.mark.slow
def test_a_server_that_does_not_start_fails_the_command_with_its_last_message(home: Path) -> None:
    path = configuration(home, {"api": {"auth": {"env": "RUNS_TOKEN"}}})
    result = run("cursor", "--config", path, start=True)
    assert result.exit_code == FAILED
    assert result.stdout.endswith("Starting the server as Cursor would … failed.\n")
    assert "The entry is in place, but the server does not answer Cursor: " in result.stderr
    assert "(RUNS_TOKEN): this environment variable is not set" in result.stderr


def test_an_endpoint_that_is_not_reachable_fails_the_command(home: Path) -> None:
    result = run("cursor", "--http", "http://127.0.0.1:9/mcp", start=True)
    assert result.exit_code == FAILED
    assert "Calling the server as Cursor would … failed." in result.stdout
    assert entry_of("cursor", home) == {"url": "http://127.0.0.1:9/mcp"}


def test_a_server_is_added_once_and_removed(home: Path) -> None:
    installed = run("zed", "--sandbox")
    assert installed.exit_code == DONE
    file = file_of("zed", home)
    assert f"+++ {file}" in installed.stdout
    assert f"Zed starts: {SCRIPT} serve --sandbox\n" in installed.stdout
    written = file.read_bytes()

    assert "Nothing was changed." in run("zed", "--sandbox").stdout
    assert file.read_bytes() == written

    removed = run("zed", "--remove")
    assert removed.exit_code == DONE
    assert b"runs" not in file.read_bytes()
    assert "Nothing was changed." in run("zed", "--remove").stdout


def test_the_configuration_is_written_as_an_absolute_path(home: Path) -> None:
    configuration(home, {})
    for arguments in ([], ["--config", "config.json"]):
        run("claude-code", *arguments, "--name", "my-runs")
        assert entry_of("claude-code", home, "my-runs") == {
            "type": "stdio",
            "command": SCRIPT,
            "args": ["serve", "--config", str(home / "config.json")],
        }


def test_no_secret_is_shown_or_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS_MCP_API__PROJECT", SECRET)
    configuration(home, {"api": {"auth": {"kind": "api_key", "value": SECRET}}})
    shown = run("cursor")
    assert shown.exit_code == DONE
    assert "Warning: Cursor may not pass $RUNS_MCP_API__PROJECT to the server" in shown.stderr
    assert SECRET not in shown.output + file_of("cursor", home).read_text(encoding="utf-8")


def test_print_shows_the_entry_and_changes_nothing(home: Path) -> None:
    printed = run("kiro", "--sandbox", "--print")
    assert printed.exit_code == DONE
    assert not file_of("kiro", home).exists()
    run("kiro", "--sandbox")
    assert printed.stdout == file_of("kiro", home).read_text(encoding="utf-8")


def test_a_file_that_does_not_parse_is_not_changed(home: Path) -> None:
    file = file_of("cursor", home)
    file.parent.mkdir(parents=True)
    file.write_text('{"mcpServers": {', encoding="utf-8")
    refused = run("cursor", "--sandbox")
    assert refused.exit_code == FAILED
    assert f"{file} was not changed. It is not valid JSON: " in refused.stderr
    assert 'yourself:\n\n{\n  "mcpServers": {\n    "runs": {\n' in refused.stderr
    assert file.read_text(encoding="utf-8") == '{"mcpServers": {'
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["cursor"], "or pass --sandbox, which needs no account", id="no configuration"),
        pytest.param(["cursor", "--config", "nowhere.json"], "nowhere.json cannot be read", id="no such file"),
        pytest.param(["cursor", "--config", "wrong.json"], "api.editon: unknown key", id="a wrong setting"),
        pytest.param(["clod", "--sandbox"], f"choose from {', '.join(NAMES)}", id="no such client"),
        pytest.param(["cursor", "--sandbox", "--name", "a b"], "letters, digits, - and _", id="a bad name"),
        pytest.param(["cursor", "--http", "ftp://x"], "must be an http or https URL", id="a bad URL"),
        pytest.param(["cursor", "--http", "http://x", "--sandbox"], "do not apply", id="an endpoint with a sandbox"),
        pytest.param(["--remove"], "--remove needs the name of a client", id="no client to remove from"),
    ],
)
def test_usage_errors_name_the_remedy(home: Path, arguments: list[str], says: str) -> None:
    (home / "wrong.json").write_text('{"api": {"editon": "x"}}', encoding="utf-8")
    refused = run(*arguments)
    assert refused.exit_code == USAGE
    assert says in " ".join(refused.stderr.split())
    assert not file_of("cursor", home).exists()


def test_help_names_every_client() -> None:
    text = " ".join(CliRunner().invoke(install, ["--help"]).stdout.split())
    assert all(name in text for name in NAMES)


def test_without_a_name_and_a_terminal_the_installed_clients_are_listed(home: Path) -> None:
    (home / ".cursor").mkdir()
    (home / ".claude.json").touch()
    listed = run("--http", "https://x/mcp", "--name", "team")
    assert listed.exit_code == USAGE
    assert listed.stderr == (
        "Error: Name a client. These are installed:\n"
        "  runs-mcp install claude-code --http https://x/mcp --name team  Claude Code\n"
        "  runs-mcp install cursor --http https://x/mcp --name team       Cursor\n"
    )


def test_without_an_installed_client_all_clients_are_listed(home: Path) -> None:
    listed = run("--sandbox")
    assert listed.exit_code == USAGE
    assert "No client was found. Name one:" in listed.stderr
    assert all(f"runs-mcp install {name} --sandbox" in listed.stderr for name in NAMES)


def test_a_client_is_found_by_its_program(home: Path) -> None:
    program = home / "bin" / "copilot"
    program.parent.mkdir()
    program.touch(mode=0o755)
    machine = Machine(sys.platform, home, {"PATH": str(program.parent)})
    assert [client.name for client in client_choice.installed_clients(machine)] == ["copilot-cli"]


@pytest.mark.parametrize(
    ("answer", "connected"),
    [
        pytest.param("2\n", {"cursor"}, id="a number"),
        pytest.param("3, 2\n", {"cursor", "kiro"}, id="several numbers"),
        pytest.param("all\n", {"claude-code", "cursor", "kiro"}, id="all"),
        pytest.param("\n", set(), id="no answer"),
        pytest.param("7\nx\n1\n", {"claude-code"}, id="two mistakes first"),
    ],
)
def test_without_a_name_the_user_is_asked_on_the_terminal(
    home: Path, monkeypatch: pytest.MonkeyPatch, answer: str, connected: set[str]
) -> None:
    (home / ".cursor").mkdir()
    (home / ".kiro" / "settings").mkdir(parents=True)
    (home / ".claude.json").touch()
    monkeypatch.setattr("runs_mcp.cli.install_command.is_interactive", lambda: True)
    asked = run("--sandbox", answer=answer)
    assert asked.exit_code == DONE, asked.output
    assert "   1  Claude Code\n   2  Cursor\n   3  Kiro\n" in asked.stdout
    files = {name: file_of(name, home) for name in ("claude-code", "cursor", "kiro")}
    assert {name for name, file in files.items() if file.exists() and "runs" in file.read_text()} == connected


def test_an_error_of_a_client_does_not_stop_the_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".claude.json").write_text("{", encoding="utf-8")
    (home / ".cursor").mkdir()
    monkeypatch.setattr("runs_mcp.cli.install_command.is_interactive", lambda: True)
    asked = run("--sandbox", answer="all\n")
    assert asked.exit_code == FAILED
    assert ".claude.json was not changed" in asked.stderr
    assert entry_of("cursor", home)["command"] == SCRIPT
