"""The console script `runs-mcp`: its group of commands, each imported when it is used."""

import os
import sys
from io import TextIOWrapper

import click

from runs_mcp import __version__
from runs_mcp.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = (
    LazyCommand("serve", "Serve MCP over stdio, or over HTTP.", "runs_mcp.cli.serve_command:serve"),
    LazyCommand("sandbox", "Start a local imitation of the Runs API.", "runs_mcp.cli.sandbox_command:sandbox"),
    LazyCommand("dashboard", "Open a dashboard of runs in a browser.", "runs_mcp.cli.dashboard_command:dashboard"),
    LazyCommand("demo", "Show the server at work; no account needed.", "runs_mcp.cli.demo.demo_command:demo"),
    LazyCommand("runs", "List, search, aggregate and create runs.", "runs_mcp.cli.runs.command_group:runs"),
    LazyCommand("check", "Check the setup and suggest fixes.", "runs_mcp.cli.check_command:check"),
    LazyCommand("install", "Connect an MCP client, or disconnect it.", "runs_mcp.cli.install_command:install"),
    LazyCommand("keys", "Manage the keys of callers over HTTP.", "runs_mcp.cli.key_commands:keys"),
    LazyCommand(
        "config-schema", "Print the JSON schema of config.json.", "runs_mcp.cli.config_schema_command:config_schema"
    ),
)


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="runs-mcp")
def main() -> None:
    """Use the Runs API from any MCP client: list, read, search, execute and stream runs.

    \b
    See it work, no account:        runs-mcp demo
    Connect a chat, no account:     runs-mcp install CLIENT --sandbox
    Connect a chat, your account:   write config.json, then runs-mcp check, then runs-mcp install CLIENT
    Browse runs:                    runs-mcp dashboard
    Runs in this terminal:          runs-mcp runs list

    Settings come from config.json (see runs-mcp config-schema) and from RUNS_MCP_… variables, which take precedence.
    Exit codes: 0 success, 1 failure, 2 error in the configuration or the command line.
    """
    _replace_closed_streams()
    _write_any_character()


def _replace_closed_streams() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise a socket would get the number of the stream, and libuv aborts the process when it closes that socket.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free is that of the stream.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - until the process ends


def _write_any_character() -> None:
    """Write UTF-8 to pipes and files, and `?` for a character that the encoding of a terminal lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
