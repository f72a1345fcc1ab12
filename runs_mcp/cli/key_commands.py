"""`runs-mcp keys`: the keys of callers of `serve --http`."""

import os
from pathlib import Path
from typing import get_args

import click

from runs_mcp.cli.options import config_errors, config_option
from runs_mcp.config.http_settings import BearerAuthSettings, Scope
from runs_mcp.config.load import load
from runs_mcp.config.problems import ConfigError
from runs_mcp.http.auth.keys import add, read, remove


@click.group
def keys() -> None:
    """Create, list and remove the keys of callers of `serve --http` (server.http.auth.kind: bearer).

    server.http.auth.keys_file holds their hashes; a running server applies each change at once.
    """


@keys.command("add", short_help="Create a key and print it once.")
@config_option
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(Scope)),
    help="Permission of the caller; repeatable. Default: runs:read, or with --overlap those of the newest valid key.",
)
@click.option("--days", type=click.IntRange(1), help="Days until the key expires. Default: never.")
@click.option("--overlap", type=click.IntRange(0), help="Hours for which the existing keys of NAME stay valid.")
def add_key(
    *, config_file: Path | None, name: str, scopes: tuple[Scope, ...], days: int | None, overlap: int | None
) -> None:
    """Create a key for NAME and print it once; only its hash is stored."""
    with config_errors():
        file = _keys_file(config_file)
        if warning := _owner_warning(file):
            click.secho(f"Warning: {warning}", fg="yellow", err=True)
        click.echo(add(file, name, scopes or None, days=days, overlap_hours=overlap))


@keys.command("list", short_help="List the keys.")
@config_option
def list_keys(*, config_file: Path | None) -> None:
    """List the keys: caller, scopes, start and end of validity."""
    with config_errors():
        for key in read(_keys_file(config_file)):
            click.echo(key.description)


@keys.command("remove", short_help="Remove the keys of a caller.")
@config_option
@click.argument("name")
def remove_keys(*, config_file: Path | None, name: str) -> None:
    """Remove every key of NAME; requests with one of them are rejected from now on."""
    with config_errors():
        remove(_keys_file(config_file), name)


def _keys_file(config_file: Path | None) -> Path:
    match load(config_file).server.http.auth:
        case BearerAuthSettings(keys_file=file):
            return file
        case auth:
            raise ConfigError(f"server.http.auth.kind is {auth.kind}: keys need bearer and a keys_file.")


def _owner_warning(file: Path) -> str | None:
    """Return a warning if root is about to create a file that another user's server would have to read."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or file.exists():
        return None
    return (
        f"{file} will belong to root, and a server that runs as another user cannot read it. "
        "Run this command as the user of the server (sudo -u USER), or change the owner afterwards."
    )
