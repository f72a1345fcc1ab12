"""The MCP Inspector, started on a server with a sandbox."""

import shutil
import subprocess
import sys

import click

from runs_mcp.cli.process import INTERRUPTED

PACKAGE = "@modelcontextprotocol/inspector"
SERVE_SANDBOX = ("-m", "runs_mcp", "serve", "--sandbox")


def open_inspector() -> None:
    """Run the Inspector until it ends.

    Raises:
        click.ClickException: Node.js is missing, or the Inspector failed.
        SystemExit: the user interrupted it.
    """
    npx = shutil.which("npx")
    if npx is None:
        raise click.ClickException(
            "The MCP Inspector needs Node.js, and there is no npx on the PATH. Install it from https://nodejs.org, "
            "or run `runs-mcp demo` without --client."
        )
    command = [npx, "--yes", PACKAGE, sys.executable, *SERVE_SANDBOX]
    try:
        ended = subprocess.run(command, check=False)  # noqa: S603 - no part of the command is input
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if ended.returncode:
        raise click.ClickException(f"The Inspector ended with exit code {ended.returncode}.")
