"""The trial of an entry: the conditions under which a client starts the server, and the reports of failures."""

import sys
from pathlib import Path

import click
import pytest

from runs_mcp.cli.install.client_connection import Connection
from runs_mcp.cli.install.clients import find
from runs_mcp.cli.install.entries import HttpServer, StdioServer
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install.trial import parameters

SERVER = StdioServer("/x/runs-mcp", ("serve",), ("A_TOKEN", "UNSET"))
ENVIRON = {"A_TOKEN": "a", "OTHER": "b"}


@pytest.mark.parametrize(
    ("client", "environ", "folder"),
    [
        pytest.param("claude-code", ENVIRON, Path.cwd(), id="all variables"),
        pytest.param("codex", {"A_TOKEN": "a"}, Path.cwd(), id="variables that the entry names"),
        pytest.param("cursor", {}, Path("/"), id="a desktop program"),
    ],
)
def test_the_server_gets_the_variables_and_folder_that_the_client_gives_it(
    tmp_path: Path, client: str, environ: dict[str, str], folder: Path
) -> None:
    started = parameters(find(client), SERVER, Machine("linux", tmp_path, ENVIRON))
    assert (started.command, started.args) == ("/x/runs-mcp", ["serve"])
    assert (started.env, started.cwd) == (environ, folder)


@pytest.mark.parametrize(
    ("server", "says"),
    [
        pytest.param(
            StdioServer(sys.executable, ("-c", "import sys; sys.exit('first\\nno token')")),
            "Connection closed: no token",
            id="it exits",
        ),
        pytest.param(StdioServer("/nowhere/runs-mcp", ()), "No such file or directory", id="no such program"),
        pytest.param(HttpServer("http://127.0.0.1:9/mcp"), "All connection attempts failed", id="nothing listens"),
    ],
)
def test_a_server_that_does_not_answer_is_reported_with_its_last_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], server: StdioServer | HttpServer, says: str
) -> None:
    with pytest.raises(click.ClickException, match=f"is in place, but the server does not answer Codex: .*{says}"):
        Connection(find("codex"), Machine("linux", tmp_path, {}), "runs").try_out(server)
    assert capsys.readouterr().out.endswith("as Codex would … failed.\n")


def test_a_server_that_does_not_finish_its_start_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs_mcp.cli.install.trial.TIMEOUT_S", 0.0)
    with pytest.raises(click.ClickException, match="no answer within 0 s"):
        Connection(find("codex"), Machine("linux", tmp_path, {}), "runs").try_out(
            StdioServer(sys.executable, ("-c", "input()"))
        )
