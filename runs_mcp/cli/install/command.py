"""`install`: what it says and does for one client."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from runs_mcp.cli.install.clients import Client, Machine, Server
from runs_mcp.cli.install.edit import Change, make, worked_out
from runs_mcp.cli.install.formats import NotEditableError
from runs_mcp.cli.install.launcher import Launcher
from runs_mcp.config.load import file_in_use, load
from runs_mcp.config.problems import CONFIG_VARIABLE, ConfigError
from runs_mcp.config.settings import ENV_PREFIX

NO_CONFIGURATION = (
    "There is no configuration file that a client could be pointed at. "
    "Write one (config.example.json is a start) and give it by --config, or give --sandbox, which needs no account."
)


@dataclass(frozen=True, slots=True)
class Setup:
    """The arguments with which a client starts the server, the environment variables it needs, and warnings."""

    args: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """Environment variables that are set or named here, which a client may not have."""
    warnings: tuple[str, ...] = ()


def set_up(config_file: Path | None, environ: Mapping[str, str], *, sandbox: bool) -> Setup:
    """The setup for a sandbox, for a configuration file, or for both.

    Raises:
        ConfigError: there is no configuration file, or it cannot be used.
    """
    if sandbox and config_file is None:
        return Setup(("serve", "--sandbox"))
    if (file := file_in_use(config_file)) is None:
        raise ConfigError(NO_CONFIGURATION)
    if not str(file.absolute()).isprintable():
        raise ConfigError(f"{file}: clients cannot store this path, since it is not valid UTF-8. Move the file.")
    auth = load(file).api.auth
    variables = [name for name in environ if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE]
    if auth.env and not sandbox:
        variables.append(auth.env)
    warnings = []
    if auth.file and not auth.file.is_absolute():
        warnings.append(f"api.auth.file ({auth.file}) is not absolute: clients start the server in another folder.")
    args = ("serve", *(["--sandbox"] if sandbox else []), "--config", str(file.absolute()))
    return Setup(args, tuple(sorted(variables)), tuple(warnings))


def connect(
    client: Client, machine: Machine, name: str, setup: Setup, launcher: Launcher, *, print_only: bool = False
) -> None:
    """Put the server into the client's configuration under `name`, and say so."""
    server = Server(launcher.words[0], (*launcher.words[1:], *setup.args), setup.variables)
    entry = client.entry(server)
    pasted = client.format.insert("", (client.key, name), entry)
    file = client.file(machine)
    with _left_alone(file, f"Put this into it by hand:\n\n{pasted}"):
        change = worked_out(client, file, name, entry)
        if change.after == change.before:
            click.echo(f"{client.title} has this server already, in {file}. Nothing was changed.")
        elif print_only:
            click.echo(pasted if change.before is None else f"{change}\n", nl=False)
            click.echo(f"Nothing was written to {file}.", err=True)
        else:
            _make(change)
            click.echo(f"{client.title} starts: {shlex.join(server.words)}\n({launcher.why})\n{client.then}")
    for warning in (*setup.warnings, *_unseen(client, setup)):
        click.secho(f"Careful: {warning}", fg="yellow", err=True)


def disconnect(client: Client, machine: Machine, name: str, *, print_only: bool = False) -> None:
    """Take the server under `name` out of the client's configuration, and say so."""
    file = client.file(machine)
    with _left_alone(file, f"Take {name} out of {client.key} by hand."):
        change = worked_out(client, file, name, None)
        if change.after == (change.before or ""):
            click.echo(f"{client.title} has no server {name} in {file}. Nothing was changed.")
        elif print_only:
            click.echo(str(change))
            click.echo(f"Nothing was written to {file}.", err=True)
        else:
            _make(change)


def _make(change: Change) -> None:
    click.echo(str(change))
    backup = make(change)
    kept = f"the backup is {backup}" if backup else "a new file"
    click.echo(f"\nWrote {change.file} ({kept}).")


def _unseen(client: Client, setup: Setup) -> Iterator[str]:
    if setup.variables and client.passes == "none":
        names = ", ".join(f"${name}" for name in setup.variables)
        yield (
            f"{client.title} may not see {names}: a program that the desktop starts lacks what your shell sets. "
            "Say it in the configuration file instead; for the credential, by api.auth.file or api.auth.command."
        )


@contextmanager
def _left_alone(file: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except NotEditableError as error:
        raise click.ClickException(f"{file} was left alone. {error}\n{advice}") from None
    except OSError as error:
        raise click.ClickException(f"{file} was left alone. {error.strerror or error}.\n{advice}") from None
