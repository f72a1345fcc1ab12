"""Every client on every system is connected, connected again, updated, previewed and disconnected."""

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest

from runs_mcp.cli.install.client_connection import Connection
from runs_mcp.cli.install.clients import CLIENTS, Client, find
from runs_mcp.cli.install.entries import StdioServer
from runs_mcp.cli.install.formats import JSON
from runs_mcp.cli.install.launcher import Launcher
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install.setup import http_setup, stdio_setup
from runs_mcp.config.problems import ConfigError

LAUNCHER = Launcher(("/x/runs-mcp",), "the script of this environment")
SANDBOX = stdio_setup(None, {}, LAUNCHER, sandbox=True)
ENDPOINT = http_setup("https://runs.example.com/mcp")
TOKEN = {"auth": {"env": "RUNS_TOKEN"}}
SECRET = "hunter2-hunter2"
BEFORE = '{{\n  // mine\n  "{key}": {{"a": {{"command": "a"}}}},\n}}\n'
EDITED = [client for client in CLIENTS if client.format is JSON and client.name != "jetbrains"]
SYSTEMS = ("linux", "darwin", "win32")


@pytest.fixture(params=[f"{client.name} on {system}" for client in EDITED for system in SYSTEMS])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Connection:
    """Return the connection of a client whose file is edited, on a machine without the client's own command."""
    name, _, system = request.param.partition(" on ")
    return connect(name, tmp_path, system)


def connect(client: str, home: Path, system: str = "linux", **environ: str) -> Connection:
    return Connection(find(client), Machine(system, home, environ), "runs")


def configuration(folder: Path, api: dict[str, Any]) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"api": api}), encoding="utf-8")
    return file


def write(connection: Connection, text: str) -> Path:
    """Write the configuration file of a client."""
    connection.file.parent.mkdir(parents=True, exist_ok=True)
    connection.file.write_text(text, encoding="utf-8")
    return connection.file


def test_a_client_is_connected_once_and_disconnected(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connection.client
    before = BEFORE.format(key=client.key)
    file = write(connection, before)

    connection.add(SANDBOX)
    written = file.read_text(encoding="utf-8")
    assert client.format.read
    assert client.format.read(written)[client.key] == {"a": {"command": "a"}, "runs": client.entry(SANDBOX.server)}
    assert f"Changed {file} (backup: " in capsys.readouterr().out

    connection.add(SANDBOX)
    assert f"already has this server, in {file}. Nothing was changed." in capsys.readouterr().out
    assert file.read_text(encoding="utf-8") == written

    connection.remove()
    assert file.read_text(encoding="utf-8") == before

    connection.remove()
    assert "Nothing was changed." in capsys.readouterr().out.splitlines()[-1]


def test_an_endpoint_is_added_to_every_client_that_takes_urls(connection: Connection) -> None:
    client = connection.client
    if client.http is None:
        with pytest.raises(click.ClickException, match="no URLs"):
            connection.add(ENDPOINT)
        assert not connection.file.exists()
    else:
        connection.add(ENDPOINT)
        tree = json.loads(connection.file.read_text(encoding="utf-8"))
        assert tree == {client.key: {"runs": client.entry(ENDPOINT.server)}}


@pytest.mark.parametrize("auth", [{"kind": "api_key", "value": SECRET}, {"env": "RUNS_TOKEN"}], ids=["value", "env"])
def test_no_secret_is_written_or_shown(
    connection: Connection, capsys: pytest.CaptureFixture[str], auth: dict[str, str]
) -> None:
    config_file = configuration(connection.machine.home, {"auth": auth})
    environ = {"RUNS_TOKEN": SECRET, "RUNS_MCP_API__PROJECT": SECRET}
    connection.add(stdio_setup(config_file, environ, LAUNCHER, sandbox=False))
    shown = "".join(capsys.readouterr())
    assert str(config_file) in shown
    assert SECRET not in shown
    assert SECRET not in connection.file.read_text(encoding="utf-8")


@pytest.mark.parametrize("client", EDITED, ids=lambda client: str(client.name))
def test_a_client_that_may_lack_environment_variables_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    environ = {"RUNS_MCP_LOG_LEVEL": "debug", "RUNS_MCP_CONFIG": "x", "HOME": "/"}
    setup = stdio_setup(configuration(tmp_path, TOKEN), environ, LAUNCHER, sandbox=False)
    connect(client.name, tmp_path).add(setup)
    warned = "may not pass $RUNS_MCP_LOG_LEVEL, $RUNS_TOKEN to the server" in capsys.readouterr().err
    assert warned == (client.inherits == "none")


def test_an_unencrypted_endpoint_gets_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for url, warned in {"http://runs.example.com/mcp": True, "http://127.0.0.1:8000/mcp": False}.items():
        connect("cursor", tmp_path).add(http_setup(url))
        assert ("not encrypted; use https" in capsys.readouterr().err) == warned


def test_settings_that_the_user_added_to_the_entry_are_kept(tmp_path: Path) -> None:
    connection = connect("claude-code", tmp_path)
    write(connection, '{"mcpServers": {"runs": {"type": "stdio", "command": "old", "timeout": 9}}}')
    connection.add(SANDBOX)
    entry = json.loads(connection.file.read_text(encoding="utf-8"))["mcpServers"]["runs"]
    assert entry == {"type": "stdio", "command": "/x/runs-mcp", "args": ["serve", "--sandbox"], "timeout": 9}


@pytest.mark.parametrize(
    ("client", "says"),
    [
        pytest.param("codex", "TOML file, and this command edits only JSON.\nPut codex on the PATH", id="TOML"),
        pytest.param("goose", "YAML file, and this command edits only JSON.\nAdd this yourself:\n\next", id="YAML"),
        pytest.param("jetbrains", 'no documented configuration file.\nAdd this yourself:\n\n{\n  "mcp', id="no file"),
    ],
)
def test_files_of_other_formats_are_left_to_the_user(tmp_path: Path, client: str, says: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        connect(client, tmp_path).add(SANDBOX)
    assert says in refused.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("codex", '[mcp_servers.runs]\ncommand = "/x/runs-mcp"\nargs = ["serve", "--sandbox"]\n'),
        (
            "goose",
            (
                'extensions:\n  runs:\n    type: "stdio"\n    name: "runs-mcp"\n    enabled: true\n    timeout: 300\n'
                '    cmd: "/x/runs-mcp"\n    args: ["serve", "--sandbox"]\n'
            ),
        ),
    ],
)
def test_the_preview_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str], client: str, text: str) -> None:
    connect(client, tmp_path).preview(SANDBOX)
    printed = capsys.readouterr()
    assert printed.out == text
    assert printed.err.startswith("Nothing was changed.")


def test_the_preview_of_an_existing_file_is_a_diff(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    before = BEFORE.format(key=connection.client.key)
    file = write(connection, before)
    connection.preview(SANDBOX)
    assert "\n@@ " in capsys.readouterr().out
    connection.add(SANDBOX)
    capsys.readouterr()
    connection.remove(print_only=True)
    assert "\n@@ " in capsys.readouterr().out
    assert '"runs"' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("api", "sandbox", "args", "variables"),
    [
        pytest.param(None, True, ("--sandbox",), (), id="a sandbox needs no file"),
        pytest.param(TOKEN, True, ("--sandbox", "--config", "FILE"), (), id="both"),
        pytest.param(TOKEN, False, ("--config", "FILE"), ("RUNS_TOKEN",), id="a credential in a variable"),
        pytest.param({"auth": {"file": "/t"}}, False, ("--config", "FILE"), (), id="a credential in a file"),
        pytest.param({"auth": {"file": "t"}}, False, ("--config", "FILE"), (), id="a file beside the configuration"),
    ],
)
def test_the_server_gets_the_arguments_of_the_setup(
    tmp_path: Path, api: dict[str, Any] | None, args: tuple[str, ...], variables: tuple[str, ...], *, sandbox: bool
) -> None:
    file = configuration(tmp_path, api) if api is not None else None
    setup = stdio_setup(file, {}, LAUNCHER, sandbox=sandbox)
    words = ("/x/runs-mcp", "serve", *(str(file) if word == "FILE" else word for word in args))
    assert setup.server == StdioServer("/x/runs-mcp", words[1:], variables)
    assert setup.warnings == ()


def test_a_relative_credential_file_of_a_variable_gets_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS_MCP_API__AUTH__FILE", "token")
    setup = stdio_setup(configuration(tmp_path, {}), {}, LAUNCHER, sandbox=False)
    assert setup.warnings == ("api.auth.file (token) is not absolute, and clients start the server in another folder.",)


def test_a_configuration_with_errors_is_not_given_to_a_client(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"api\.editon: unknown key"):
        stdio_setup(configuration(tmp_path, {"editon": "x"}), {}, LAUNCHER, sandbox=False)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("runs.example.com/mcp", "must be an http or https URL", id="no scheme"),
        pytest.param(f"https://me:{SECRET}@runs.example.com/mcp", "must not contain a user, password", id="a password"),
        pytest.param(
            f"https://runs.example.com/mcp?key={SECRET}", "must not contain a user, password, query", id="a query"
        ),
    ],
)
def test_urls_with_credentials_are_rejected_without_repeating_them(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        http_setup(url)
    assert SECRET not in str(refused.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".cursor").touch()
    with pytest.raises(click.ClickException, match=r"mcp\.json was not changed\. Not a directory\.\nAdd this"):
        connect("cursor", tmp_path).add(SANDBOX)


@pytest.mark.parametrize("link", [".cursor", ".cursor/mcp.json"])
def test_a_link_that_leaves_the_home_folder_is_refused(tmp_path: Path, link: str) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (outside / ".cursor").mkdir(parents=True)
    (home / link).parent.mkdir(parents=True)
    (home / link).symlink_to(outside / link)
    connection = connect("cursor", home)
    refusal = rf"A symbolic link leads to {outside}/\.cursor/mcp\.json, which is outside {home}\. To go on, edit"
    with pytest.raises(click.ClickException, match=refusal):
        connection.add(SANDBOX)
    with pytest.raises(click.ClickException, match=refusal):
        connection.preview(SANDBOX)
    with pytest.raises(click.ClickException, match=refusal):
        connection.remove()
    assert list((outside / ".cursor").iterdir()) == []


def test_a_link_to_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect("cursor", tmp_path)
    target = tmp_path / "dotfiles.json"
    target.write_text("{}", encoding="utf-8")
    connection.file.parent.mkdir()
    connection.file.symlink_to(target)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(click.ClickException, match=rf"belongs to another user \(uid {owner}\)"):
        connection.add(SANDBOX)
    assert target.read_text(encoding="utf-8") == "{}"


def test_links_within_the_home_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    home = tmp_path / "home"
    home.symlink_to(tmp_path / "real")
    (home / "dotfiles").mkdir()
    (home / ".cursor").symlink_to(home / "dotfiles")
    connect("cursor", home).add(SANDBOX)
    assert "runs" in (tmp_path / "real" / "dotfiles" / "mcp.json").read_text(encoding="utf-8")
