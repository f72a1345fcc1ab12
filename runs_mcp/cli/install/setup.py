"""The server that an entry names, made from the arguments of `install`."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runs_mcp.cli.install.entries import HttpServer, Server, StdioServer
from runs_mcp.cli.install.launcher import Launcher
from runs_mcp.config.addresses import http_url, is_unencrypted
from runs_mcp.config.load import file_in_use, load
from runs_mcp.config.problems import CONFIG_VARIABLE, ConfigError
from runs_mcp.config.settings import ENV_PREFIX

NO_CONFIGURATION = (
    "There is no configuration file for the server. "
    "Write one (config.example.json is a start) and pass it with --config, or pass --sandbox, which needs no account."
)


@dataclass(frozen=True, slots=True)
class Setup:
    """A server, a description of it, and warnings about it."""

    server: Server
    description: str
    """Completes “Cursor …”, over one or more lines."""
    warnings: tuple[str, ...] = ()


def http_setup(url: str) -> Setup:
    """Return the setup for an endpoint that already runs.

    Raises:
        ValueError: `url` is not a plain http or https URL. User and password are rejected since they would be visible
            in the arguments of programs.
    """
    server = HttpServer(http_url(url))
    warnings = []
    if is_unencrypted(server.url):
        warnings.append(f"requests to {server.url} are not encrypted; use https.")
    return Setup(server, f"connects to: {server.url}", tuple(warnings))


def stdio_setup(config_file: Path | None, environ: Mapping[str, str], launcher: Launcher, *, sandbox: bool) -> Setup:
    """Return the setup for a server that the client starts, with a sandbox, a configuration file or both.

    Raises:
        ConfigError: there is no configuration file, or it cannot be used.
    """
    arguments = ["serve", *(["--sandbox"] if sandbox else [])]
    variables: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    if not sandbox or config_file is not None:
        if (file := file_in_use(config_file)) is None:
            raise ConfigError(NO_CONFIGURATION)
        variables, warnings = _examine(file, environ, sandbox=sandbox)
        arguments += ["--config", str(file.absolute())]
    first, *rest = launcher.words
    server = StdioServer(first, (*rest, *arguments), variables)
    return Setup(server, f"starts: {shlex.join(server.words)}\n({launcher.reason})", warnings)


def _examine(file: Path, environ: Mapping[str, str], *, sandbox: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the environment variables that a server with `file` needs, and warnings."""
    if not str(file.absolute()).isprintable():
        raise ConfigError(f"{file}: clients cannot store this path, since it is not valid UTF-8. Move the file.")
    auth = load(file).api.auth
    variables = {name for name in environ if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE}
    if auth.env and not sandbox:
        variables.add(auth.env)
    warnings = []
    if auth.file and not auth.file.is_absolute():
        warnings.append(f"api.auth.file ({auth.file}) is not absolute, and clients start the server in another folder.")
    return tuple(sorted(variables)), tuple(warnings)
