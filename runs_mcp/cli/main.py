"""The command line: its commands, their options, their words and their exit codes."""

import gc
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import get_args

import click

from runs_mcp import __version__
from runs_mcp.config.http_settings import BearerAuthSettings, Scope
from runs_mcp.config.load import json_schema, load
from runs_mcp.config.problems import CONFIG_VARIABLE, ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.observability import logs

FAILURE, USAGE, INTERRUPTED = 1, 2, 130
COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of the garbage collector: objects, and collections of the generation before."""

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help=f"Configuration file. Else ${CONFIG_VARIABLE}, else ./config.json if it is there.",
)


class ConfigurationProblem(click.ClickException):
    """What is wrong with the configuration, and exit code 2."""

    exit_code = USAGE


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="runs-mcp")
def main() -> None:
    """Every operation of the Runs API as an MCP tool, every run as a resource, every chunk as progress.

    \b
    Watch it work:                  runs-mcp demo
    Connect a chat, no account:     runs-mcp install CLIENT --sandbox
    Connect a chat, your account:   write config.json, then runs-mcp check, then runs-mcp install CLIENT
    Look at runs in a browser:      runs-mcp dashboard

    Settings come from config.json (runs-mcp config-schema describes it) and from RUNS_MCP_… variables, which win.
    Exit codes: 0 done, 1 failed, 2 configuration or usage.
    """


@main.command(short_help="Serve MCP over stdio, or over HTTP.")
@config_option
@click.option("--http", is_flag=True, help="Serve streamable HTTP at /mcp instead of standard input and output.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve HTTP on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to serve HTTP on.")
@click.option("--sandbox", is_flag=True, help="Front a sandbox of the Runs API on this machine: no account needed.")
@click.option("--or-sandbox", is_flag=True, help="The same, but only where no credential is set.")
def serve(
    *,
    config_file: Path | None,
    http: bool,
    host: str,
    port: int,
    sandbox: bool,
    or_sandbox: bool,
) -> None:
    """Serve MCP over standard input and output, or over HTTP.

    A chat client starts this by itself; what it logs goes to standard error.
    """
    config = _configured(config_file)
    from runs_mcp.cli import serve  # noqa: PLC0415 - --help need not wait for the server's imports

    serve_it = partial(serve.http, host=host, port=port) if http else serve.stdio
    if sandbox or (or_sandbox and not config.api.auth.given):
        from runs_mcp.cli import sandbox as local_sandbox  # noqa: PLC0415 - nor a server with an account for the sandbox's

        _run(lambda: local_sandbox.behind(serve_it, config))
    else:
        _run(lambda: serve_it(config))


@main.command(short_help="Start a local imitation of the Runs API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="Port to serve on.")
@click.option("--data", type=click.Path(path_type=Path), help="File to keep the runs in. Default: memory.")
@click.option(
    "--events",
    type=click.Choice(["message", "chunk"]),
    default="message",
    show_default=True,
    help="Event name of chunks in streams: message, as on the platform, or chunk, as in its reference document.",
)
@click.option("--runs", default=200, show_default=True, type=click.IntRange(0), help="Number of sample runs.")
@click.option("--seed", default=7, show_default=True, help="Seed of the sample runs.")
@click.option("--odd-interactions", is_flag=True, help="Offer interactions with difficult names and schemas as well.")
@click.option(
    "--close",
    "closed",
    multiple=True,
    metavar="OPERATION[=STATUS]",
    help="Answer an operation with 403, or with STATUS: for example facets or find=404. Repeatable.",
)
def sandbox(
    *,
    host: str,
    port: int,
    data: Path | None,
    events: str,
    runs: int,
    seed: int,
    odd_interactions: bool,
    closed: tuple[str, ...],
) -> None:
    """Start a local imitation of the Runs API. No model is called and nothing is billed.

    Its base URL is http://HOST:PORT/api/v1, its API key sk-sandbox-demo.
    """
    from runs_mcp.cli import sandbox as local_sandbox  # noqa: PLC0415 - as above

    logs.configure("info")
    try:
        options = local_sandbox.options(
            data=data, events=events, runs=runs, seed=seed, odd_interactions=odd_interactions, closed=closed
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--close") from None
    _run(lambda: local_sandbox.alone(options, host=host, port=port))


@main.command(short_help="Look at runs in a browser.")
@config_option
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to serve on. Else any that is free.")
@click.option("--run", "run_id", help="Id of a run to open, instead of the dashboard.")
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.option("--sandbox", is_flag=True, help="Look at a sandbox of the Runs API on this machine: no account needed.")
def dashboard(*, config_file: Path | None, port: int, run_id: str | None, no_browser: bool, sandbox: bool) -> None:
    """Look at runs in a browser: the pages that chat hosts show, served to this machine alone.

    They only read. The address that is printed is what lets one in: keep it to yourself.
    """
    config = _configured(config_file)
    from runs_mcp.cli import dashboard  # noqa: PLC0415 - as above

    show = partial(dashboard.show, port=port, run_id=run_id, browser=not no_browser)
    if sandbox:
        from runs_mcp.cli import sandbox as local_sandbox  # noqa: PLC0415 - as above

        _run(lambda: local_sandbox.behind(show, config))
    else:
        _run(lambda: show(config))


@main.command(short_help="Watch it work; no account needed.")
def demo() -> None:
    """Watch an MCP client list runs, start one, see its words arrive, and read it back. Under a minute, no account."""
    from runs_mcp.cli import demo  # noqa: PLC0415 - as above

    _run(demo.play)


@main.command(short_help="Say what works, and what to do if not.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead; docs/check.md describes it.")
def check(*, config_file: Path | None, as_json: bool) -> None:
    """Say, line by line, what works of configuration, credential, network, API and server, and what to do if not.

    It creates no run and changes nothing. Exit codes: 0 all good, 1 something failed, 2 configuration or usage.
    """
    from runs_mcp.cli.check import findings, report, runner  # noqa: PLC0415 - as above

    logs.configure("error")
    found: dict[str, findings.Finding] = {}

    def tell(name: str, finding: findings.Finding) -> None:
        found[name] = finding
        if not as_json:
            click.echo(report.line(name, finding, width=runner.WIDEST))

    _run(lambda: runner.examine(config_file, tell=tell))
    click.echo(json.dumps(report.document(found), indent=2) if as_json else f"\n{report.summary(found)}")
    sys.exit(report.exit_code(found))


@main.command(short_help="Connect a chat client, or disconnect it.")
@click.argument("client")
@config_option
@click.option("--sandbox", is_flag=True, help="Have it front a sandbox of the Runs API: no account needed.")
@click.option("--name", default="runs", show_default=True, help="What the client is to call this server.")
@click.option("--print", "print_only", is_flag=True, help="Show the change, or what to paste, and write nothing.")
@click.option("--remove", is_flag=True, help="Take the server out of the client's configuration again.")
def install(*, client: str, config_file: Path | None, sandbox: bool, name: str, print_only: bool, remove: bool) -> None:
    """Put this server into the configuration of a chat client, without touching anything else in it.

    CLIENT is one of claude-desktop, claude-code, cursor, vscode, windsurf, zed, gemini-cli and codex. The change is
    shown, and what was there before is kept beside the file. No secret is written: only where config.json is.
    """
    from runs_mcp.cli.install import clients, command  # noqa: PLC0415 - as above
    from runs_mcp.cli.install import launcher as launchers  # noqa: PLC0415 - as above

    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise click.BadParameter("letters, digits, - and _ are what every client takes", param_hint="--name")
    try:
        chosen = clients.find(client)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="CLIENT") from None
    machine = clients.Machine(sys.platform, Path.home(), os.environ)
    if remove:
        command.disconnect(chosen, machine, name, print_only=print_only)
        return
    with _configuration_problems():
        setup = command.set_up(config_file, os.environ, sandbox=sandbox)
    launcher = launchers.launcher(Path(sys.executable), os.environ)
    command.connect(chosen, machine, name, setup, launcher, print_only=print_only)


@main.group("keys", short_help="Make, list and remove the keys of callers over HTTP.")
def key_commands() -> None:
    """Make, list and remove the keys by which `serve --http` knows its callers (server.http.auth.kind: bearer).

    server.http.auth.keys_file holds their hashes; a server that is running sees each change at once.
    """


@key_commands.command("add", short_help="Make a key, and print it this once.")
@config_option
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(Scope)),
    default=("runs:read",),
    show_default=True,
    help="What the caller may do; repeat it for several.",
)
@click.option("--days", type=click.IntRange(1), help="Days for which it is good. Else until it is removed.")
@click.option("--overlap", type=click.IntRange(0), help="Hours for which a key that NAME has already stays good.")
def add_key(
    *, config_file: Path | None, name: str, scopes: tuple[Scope, ...], days: int | None, overlap: int | None
) -> None:
    """Make a key for NAME and print it, this once: what is kept is its hash."""
    from runs_mcp.http.auth import keys  # noqa: PLC0415 - as above

    with _configuration_problems():
        click.echo(keys.add(_keys_file(config_file), name, scopes, days=days, overlap_hours=overlap))


@key_commands.command("list", short_help="List whose keys there are.")
@config_option
def list_keys(*, config_file: Path | None) -> None:
    """List whose keys there are, what they allow, since and until when."""
    from runs_mcp.http.auth import keys  # noqa: PLC0415 - as above

    with _configuration_problems():
        for key in keys.read(_keys_file(config_file)):
            click.echo(key.description)


@key_commands.command("remove", short_help="Remove the keys of a caller.")
@config_option
@click.argument("name")
def remove_keys(*, config_file: Path | None, name: str) -> None:
    """Remove every key of NAME: who presents one is refused from now on."""
    from runs_mcp.http.auth import keys  # noqa: PLC0415 - as above

    with _configuration_problems():
        keys.remove(_keys_file(config_file), name)


@main.command("config-schema")
def config_schema() -> None:
    """Print the JSON schema of config.json."""
    click.echo(json.dumps(json_schema(), indent=2))


def _configured(config_file: Path | None) -> Config:
    with _configuration_problems():
        config = load(config_file)
    logs.configure(config.log_level)
    return config


def _keys_file(config_file: Path | None) -> Path:
    match load(config_file).server.http.auth:
        case BearerAuthSettings(keys_file=file):
            return file
        case auth:
            raise ConfigError(f"server.http.auth.kind is {auth.kind}: keys are for bearer, which names a keys_file.")


@contextmanager
def _configuration_problems() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigurationProblem(str(error)) from None


def _run(work: Callable[[], Awaitable[None]]) -> None:
    import anyio  # noqa: PLC0415 - as above

    gc.freeze()  # what was imported stays for good: a collection need not look at it again and again
    # What a call makes mostly goes by itself: looking after each few hundred objects costs a busy process a tenth.
    gc.set_threshold(*COLLECT_AFTER)
    try:
        anyio.run(work, backend_options={"use_uvloop": sys.platform != "win32"})
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the border: what is known becomes words, the rest is raised again
        raise _in_words(_innermost(error)) from None


def _innermost(error: BaseException) -> BaseException:
    """What went wrong inside task groups, where it is one thing."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _in_words(error: BaseException) -> BaseException:
    from runs_mcp.api import CredentialError, SetupError  # noqa: PLC0415 - as above

    match error:
        case CredentialError():
            return ConfigurationProblem(f"{error}. Set it, or try `runs-mcp serve --sandbox`, which needs none.")
        case SetupError():
            return ConfigurationProblem(f"{error}.")
        case ConfigError():
            return ConfigurationProblem(str(error))
        case OSError():
            return click.ClickException(f"{error.strerror or error}.")
        case _:
            return error
