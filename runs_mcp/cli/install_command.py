"""`runs-mcp install`: an entry for this server in the configuration of a chat client."""

import os
import re
import sys
from pathlib import Path

import click

from runs_mcp.cli.install import clients, command
from runs_mcp.cli.install.launcher import launcher
from runs_mcp.cli.options import SANDBOX, config_errors, config_option

NAME = re.compile(r"[A-Za-z0-9_-]+")


@click.command(short_help="Connect a chat client, or disconnect it.")
@click.argument("client")
@config_option
@click.option("--sandbox", is_flag=True, help=f"Connect it to the sandbox, {SANDBOX}.")
@click.option("--name", default="runs", show_default=True, help="Name of this server in the client.")
@click.option("--print", "print_only", is_flag=True, help="Print the change, or the entry to paste; write nothing.")
@click.option("--remove", is_flag=True, help="Remove this server from the client.")
def install(*, client: str, config_file: Path | None, sandbox: bool, name: str, print_only: bool, remove: bool) -> None:
    """Add this server to the configuration of a chat client, without changing anything else in it.

    CLIENT is one of claude-desktop, claude-code, cursor, vscode, windsurf, zed, gemini-cli and codex. The change is
    shown, and a backup is kept beside the file. No secret is written, only the path of config.json.
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter("use letters, digits, - and _, which every client accepts", param_hint="--name")
    try:
        chosen = clients.find(client)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="CLIENT") from None
    machine = clients.Machine(sys.platform, Path.home(), os.environ)
    if remove:
        command.disconnect(chosen, machine, name, print_only=print_only)
        return
    with config_errors():
        setup = command.set_up(config_file, os.environ, sandbox=sandbox)
    command.connect(chosen, machine, name, setup, launcher(Path(sys.executable), os.environ), print_only=print_only)
