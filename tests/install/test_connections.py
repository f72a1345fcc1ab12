"""Every client on every system: connected, connected again, disconnected, and told what it may lack."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from runs_mcp.cli.install.clients import CLIENTS, Client, Machine, Server, find
from runs_mcp.cli.install.command import Setup, connect, disconnect, set_up
from runs_mcp.cli.install.launcher import Launcher
from runs_mcp.config.problems import ConfigError

LAUNCHER = Launcher(("/x/runs-mcp",), "the script of this environment")
SANDBOX = Setup(("serve", "--sandbox"))
SERVER = Server("/x/runs-mcp", ("serve", "--sandbox"))
TOKEN = {"auth": {"env": "RUNS_TOKEN"}}
SECRET = "hunter2-hunter2"
BEFORE = {
    "json": '{{\n  // mine\n  "{key}": {{"a": {{"command": "a"}}}},\n}}\n',
    "toml": "# mine\n[{key}.a]\ncommand = 'a'\n",
}


@pytest.fixture(params=[f"{client.name} on {system}" for client in CLIENTS for system in ("linux", "darwin", "win32")])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Client, Machine]:
    """A client, and the machine it is on."""
    name, _, system = request.param.partition(" on ")
    return find(name), Machine(system, tmp_path, {})


def configuration(folder: Path, api: dict[str, Any]) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"api": api}), encoding="utf-8")
    return file


def test_a_client_is_connected_once_and_disconnected(
    place: tuple[Client, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    client, machine = place
    file = client.file(machine)
    file.parent.mkdir(parents=True, exist_ok=True)
    before = BEFORE[client.format.LANGUAGE].format(key=client.key)
    file.write_text(before, encoding="utf-8")

    connect(client, machine, "runs", SANDBOX, LAUNCHER)
    written = file.read_text(encoding="utf-8")
    tree = client.format.read(written)[client.key]
    assert tree == {"a": {"command": "a"}, "runs": client.entry(SERVER)}
    assert f"Wrote {file} (the backup is " in capsys.readouterr().out

    connect(client, machine, "runs", SANDBOX, LAUNCHER)
    assert f"has this server already, in {file}. Nothing was changed." in capsys.readouterr().out
    assert file.read_text(encoding="utf-8") == written

    disconnect(client, machine, "runs")
    assert file.read_text(encoding="utf-8") == before

    disconnect(client, machine, "runs")
    assert "Nothing was changed." in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("auth", [{"kind": "api_key", "value": SECRET}, {"env": "RUNS_TOKEN"}], ids=["value", "env"])
def test_no_secret_is_written_or_shown(
    place: tuple[Client, Machine], capsys: pytest.CaptureFixture[str], auth: dict[str, str]
) -> None:
    client, machine = place
    config_file = configuration(machine.home, {"auth": auth})
    environ = {"RUNS_TOKEN": SECRET, "RUNS_MCP_API__PROJECT": SECRET}
    connect(client, machine, "runs", set_up(config_file, environ, sandbox=False), LAUNCHER)
    shown = "".join(capsys.readouterr())
    assert str(config_file) in shown
    assert SECRET not in shown
    assert SECRET not in client.file(machine).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("client", "warned"),
    [
        ("claude-desktop", True),
        ("claude-code", False),
        ("cursor", True),
        ("vscode", True),
        ("windsurf", True),
        ("zed", True),
        ("gemini-cli", False),
        ("codex", False),
    ],
)
def test_a_client_that_may_lack_the_credentials_variable_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], client: str, *, warned: bool
) -> None:
    environ = {"RUNS_MCP_LOG_LEVEL": "debug", "RUNS_MCP_CONFIG": "x", "HOME": "/"}
    setup = set_up(configuration(tmp_path, TOKEN), environ, sandbox=False)
    connect(find(client), Machine("linux", tmp_path, {}), "runs", setup, LAUNCHER)
    said = capsys.readouterr().err
    assert ("may not see $RUNS_MCP_LOG_LEVEL, $RUNS_TOKEN: " in said) == warned
    assert ("api.auth.file or api.auth.command" in said) == warned


@pytest.mark.parametrize(
    ("api", "sandbox", "setup"),
    [
        pytest.param(None, True, SANDBOX, id="a sandbox needs no file"),
        pytest.param(TOKEN, True, Setup(("serve", "--sandbox", "--config", "FILE")), id="both"),
        pytest.param(TOKEN, False, Setup(("serve", "--config", "FILE"), ("RUNS_TOKEN",)), id="a file"),
        pytest.param({"auth": {"file": "/t"}}, False, Setup(("serve", "--config", "FILE")), id="a secret of its own"),
        pytest.param(
            {"auth": {"file": "t"}},
            False,
            Setup(("serve", "--config", "FILE")),
            id="a secret beside the configuration",
        ),
    ],
)
def test_the_connection_contains_the_arguments_of_the_server(
    tmp_path: Path, api: dict[str, Any] | None, *, sandbox: bool, setup: Setup
) -> None:
    file = configuration(tmp_path, api) if api is not None else None
    told = set_up(file, {}, sandbox=sandbox)
    assert told == replace(setup, args=tuple(str(file) if word == "FILE" else word for word in setup.args))


def test_a_file_that_cannot_be_used_is_not_written_into_a_client(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"api\.editon: unknown key"):
        set_up(configuration(tmp_path, {"editon": "x"}), {}, sandbox=False)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".cursor").touch()
    with pytest.raises(click.ClickException, match=r"mcp\.json was left alone\. Not a directory\.\nPut this"):
        connect(find("cursor"), Machine("linux", tmp_path, {}), "runs", SANDBOX, LAUNCHER)
