"""`runs-mcp install`: an entry for this server in the configuration of an MCP client."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from runs_mcp.cli.install import client_choice, clients
from runs_mcp.cli.install.client_connection import Connection
from runs_mcp.cli.install.clients import Client
from runs_mcp.cli.install.launcher import launcher
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install.setup import Setup, http_setup, stdio_setup
from runs_mcp.cli.options import SANDBOX, config_errors, config_option
from runs_mcp.cli.process import FAILURE, UsageProblem

NAME = re.compile(r"[A-Za-z0-9_-]+")


@click.command
@click.argument("client", required=False)
@config_option
@click.option("--sandbox", is_flag=True, help=f"Connect the client to the sandbox, {SANDBOX}.")
@click.option("--http", "url", metavar="URL", help="Connect the client to a running endpoint instead of a new process.")
@click.option("--name", default="runs", show_default=True, help="Name of this server in the client.")
@click.option("--print", "print_only", is_flag=True, help="Print the change, or the entry to paste; change nothing.")
@click.option("--remove", is_flag=True, help="Remove this server from the client.")
@click.option("--no-start", is_flag=True, help="Do not start the server afterwards to list its tools.")
def install(
    *,
    client: str | None,
    config_file: Path | None,
    sandbox: bool,
    url: str | None,
    name: str,
    print_only: bool,
    remove: bool,
    no_start: bool,
) -> None:
    """Add this server to the configuration of an MCP client without changing anything else in it.

    CLIENT is one of claude-desktop, claude-code, cursor, vscode, windsurf, zed, gemini-cli, codex, opencode, qwen-code,
    copilot-cli, cline, roo-code, goose, lm-studio, warp, kiro, jetbrains and junie. Without CLIENT, the command finds
    the installed clients and asks which to connect.

    The client's own command is used if it has one, such as `claude mcp add`; otherwise the change is shown and written.
    A backup is kept beside the file. No secret is written, only the path of config.json.
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter("use letters, digits, - and _, which every client accepts", param_hint="--name")
    machine = Machine(sys.platform, Path.home(), os.environ)
    if remove:
        Connection(_find(client), machine, name).remove(print_only=print_only)
        return
    setup = _setup(config_file, url, sandbox=sandbox)
    options = _options(config_file, url, name, sandbox=sandbox)
    chosen = [_find(client)] if client else _choose(machine, options)
    # The setup is complete before a client is changed, so that an error in it changes nothing.
    connections = [Connection(each, machine, name) for each in chosen]
    results = [_connect(connection, setup, print_only=print_only, start=not no_start) for connection in connections]
    if not all(results):
        sys.exit(FAILURE)


def _find(name: str | None) -> Client:
    if name is None:
        raise click.UsageError("--remove needs the name of a client.")
    try:
        return clients.find(name)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="CLIENT") from None


def _setup(config_file: Path | None, url: str | None, *, sandbox: bool) -> Setup:
    if url is None:
        with config_errors():
            started_by = launcher(Path(sys.executable), os.environ)
            return stdio_setup(config_file, os.environ, started_by, sandbox=sandbox)
    if sandbox or config_file:
        raise click.UsageError("--http connects to a running server; --sandbox and --config do not apply.")
    try:
        return http_setup(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--http") from None


def _options(config_file: Path | None, url: str | None, name: str, *, sandbox: bool) -> Sequence[str]:
    """Return the options that repeat the command."""
    return [
        *(["--sandbox"] if sandbox else []),
        *(["--config", str(config_file)] if config_file else []),
        *(["--http", url] if url else []),
        *(["--name", name] if name != "runs" else []),
    ]


def _choose(machine: Machine, options: Sequence[str]) -> list[Client]:
    installed = client_choice.installed_clients(machine)
    if not installed:
        raise UsageProblem(f"No client was found. Name one:\n{client_choice.commands(clients.CLIENTS, options)}")
    if not is_interactive():
        raise UsageProblem(f"Name a client. These are installed:\n{client_choice.commands(installed, options)}")
    return client_choice.ask(installed)


def is_interactive() -> bool:
    """Return whether a person can answer questions."""
    return sys.stdin.isatty()


def _connect(connection: Connection, setup: Setup, *, print_only: bool, start: bool) -> bool:
    """Connect a client and return whether that succeeded; an error is printed, so that the next client follows."""
    try:
        if print_only:
            connection.preview(setup)
            return True
        connection.add(setup)
        if start:
            connection.try_out(setup.server)
    except click.ClickException as error:
        error.show()
        return False
    return True
