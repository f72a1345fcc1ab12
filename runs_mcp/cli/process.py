"""The life of a command's process: its event loop, its errors and its exit codes."""

import errno
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import click

from runs_mcp import event_loop
from runs_mcp.api import CredentialError, SetupError
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageProblem(click.ClickException):
    """An error in the configuration or the command line: exit code 2."""

    exit_code = USAGE


def run(work: Callable[[], Awaitable[None]], *, address: str = "") -> None:
    """Run `work` in an event loop, and turn a known error into a message and an exit code.

    `address` is the address that `work` listens on. The message names it if it is in use; without it, the error does.

    Raises:
        click.ClickException: a known error; an unknown error is raised unchanged.
        SystemExit: the user interrupted the command, exit code 130.
    """
    try:
        event_loop.run(work)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)  # without click's "Aborted!": stopping a server with Ctrl+C is not an error
    except Exception as error:  # noqa: BLE001 - unknown errors are raised again
        raise _translate(_innermost(error), address) from None


def run_with_config(
    work: Callable[[Config], Awaitable[None]], config: Config, *, sandbox: bool, address: str = ""
) -> None:
    """Run `work` with `config`, which is changed to use a new sandbox if `sandbox` is true.

    Raises:
        click.ClickException, SystemExit: see `run`.
    """
    if sandbox:
        from runs_mcp.cli.sandbox_api import run_with_sandbox  # noqa: PLC0415 - takes 110 ms; an account needs none

        work = partial(run_with_sandbox, work)
    run(partial(work, config), address=address)


def _innermost(error: BaseException) -> BaseException:
    """Return the only error inside nested task groups."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _translate(error: BaseException, address: str) -> BaseException:
    match error:
        case CredentialError():
            return UsageProblem(f"{error}. Set or correct it, or add --sandbox, which needs no credential.")
        case SetupError():
            return UsageProblem(f"{error}.")
        case ConfigError():
            return UsageProblem(str(error))
        case OSError(errno=errno.EADDRINUSE):
            problem = f"Cannot serve on {address} (--port): Address already in use" if address else error.strerror
            return click.ClickException(f"{problem}. Stop the program that listens there, or choose another port.")
        case OSError():
            return click.ClickException(f"{error.strerror or error}.")
        case _:
            return error
