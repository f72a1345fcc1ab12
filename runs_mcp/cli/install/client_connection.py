"""The work of `install` for one client: adding an entry, removing it, showing both in advance, and trying it out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import click

from runs_mcp.cli.install.clients import Client, UnsupportedTransportError
from runs_mcp.cli.install.edit import back_up, held_entry, plan, refuse_unexpected_link, write
from runs_mcp.cli.install.entries import Server, StdioServer
from runs_mcp.cli.install.formats import JSON, Entry
from runs_mcp.cli.install.host_commands import HostCommand, HostCommandError
from runs_mcp.cli.install.jsonc import NotEditableError, merged
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install.setup import Setup
from runs_mcp.cli.install.trial import TrialError, count_tools


@dataclass(frozen=True, slots=True)
class Connection:
    """A server under a name in the configuration of a client on a machine."""

    client: Client
    machine: Machine
    name: str

    @property
    def file(self) -> Path:
        """The configuration file.

        Raises:
            NotEditableError: the client has none.
        """
        if (file := self.client.file(self.machine)) is None:
            raise NotEditableError(f"{self.client.title} has no documented configuration file.")
        return file

    def add(self, setup: Setup) -> None:
        """Add the server, or update its entry, and report it.

        A new entry is left to the client's own command if the machine has it. An entry that exists is updated in the
        file, which keeps the settings that the user added to it.

        Raises:
            click.ClickException: nothing was changed; the message says why and what to do.
        """
        entry = self._entry(setup.server)
        with self._unchanged(self._advice(entry)):
            held = self._held()
            if _contains(held, entry):
                click.echo(f"{self.client.title} already has this server, in {self.file}. Nothing was changed.")
            elif held is not None or not self._run(self._add_arguments(setup.server), entry):
                self._edit(entry)
        click.echo(f"{self.client.title} {setup.description}\n{self.client.next_step}")
        self._warn(setup)

    def preview(self, setup: Setup) -> None:
        """Print the command or the change that `add` would make, or the entry to paste.

        Raises:
            click.ClickException: nothing can be changed; the message says why and what to do.
        """
        entry = self._entry(setup.server)
        with self._unchanged(self._advice(entry)):
            held = self._held() if self.client.file(self.machine) else None
            arguments = self._add_arguments(setup.server) if held is None else None
            if arguments is not None and self.client.host_command:
                click.echo(self.client.host_command.line(arguments))
            elif _contains(held, entry) or not self._file_can_be_edited():
                click.echo(self._snippet(entry), nl=False)
            else:
                change = plan(self.client, self.file, self.name, entry)
                click.echo(self._snippet(entry) if change.before is None else f"{change}\n", nl=False)
        click.echo(f"Nothing was changed. {self.client.next_step}", err=True)
        self._warn(setup)

    def remove(self, *, print_only: bool = False) -> None:
        """Remove the server, and report it; with `print_only`, print the command or the change instead.

        Raises:
            click.ClickException: nothing was changed; the message says why and what to do.
        """
        with self._unchanged(f"Remove {self.name} from {self.client.key} yourself."):
            arguments = self._remove_arguments()
            if self.client.format.read and self._held() is None:
                click.echo(f"{self.client.title} has no server {self.name} in {self.file}. Nothing was changed.")
            elif not print_only:
                if not self._run(arguments, None):
                    self._edit(None)
            elif arguments is not None and self.client.host_command:
                click.echo(self.client.host_command.line(arguments))
            else:
                click.echo(str(plan(self.client, self.file, self.name, None)))

    def try_out(self, server: Server) -> None:
        """Start or call the server as the client does, and report the number of its tools; a spinner shows the wait.

        Raises:
            click.ClickException: it does not list its tools.
        """
        from runs_mcp.cli.terminal.console import terminal_console  # noqa: PLC0415 - most of `install` draws nothing

        verb = "Starting" if isinstance(server, StdioServer) else "Calling"
        attempt = f"{verb} the server as {self.client.title} would …"
        try:
            with terminal_console(stderr=True).status(attempt):
                tools = anyio.run(count_tools, self.client, server, self.machine)
        except TrialError as error:
            click.echo(f"{attempt} failed.")
            raise click.ClickException(
                f"The entry is in place, but the server does not answer {self.client.title}: {error}"
            ) from None
        click.echo(f"{attempt} {tools} tools.")

    def _entry(self, server: Server) -> Entry:
        try:
            return self.client.entry(server)
        except UnsupportedTransportError as error:
            raise click.ClickException(str(error)) from None

    def _snippet(self, entry: Entry) -> str:
        return self.client.format.snippet(self.client.key, self.name, entry)

    def _advice(self, entry: Entry) -> str:
        """Return what to do if the server cannot be added."""
        host = self.client.host_command
        alternative = f"Put {host.program} on the PATH and run this again, or add" if host else "Add"
        verb = alternative if self._host_command() is None else "Add"
        return f"{verb} this yourself:\n\n{self._snippet(entry)}\n{self.client.next_step}"

    def _file_can_be_edited(self) -> bool:
        return self.client.format is JSON and self.client.file(self.machine) is not None

    def _host_command(self) -> HostCommand | None:
        """Return the client's own command; None if it has none or the machine lacks it."""
        host = self.client.host_command
        return host if host and self.machine.program(host.program) else None

    def _held(self) -> Any:
        """Return the entry that the file has under the name."""
        refuse_unexpected_link(self.file, self.machine.home)
        return held_entry(self.client, self.file, self.name)

    def _add_arguments(self, server: Server) -> Sequence[str] | None:
        """Return the arguments of the client's own command that add `server`; None if the command is unusable."""
        host = self._host_command()
        return host.add(self.name, server) if host else None

    def _remove_arguments(self) -> Sequence[str] | None:
        """Return the arguments of the client's own command that remove the server; None if the command is unusable."""
        host = self._host_command()
        return host.remove(self.name) if host and host.remove else None

    def _run(self, arguments: Sequence[str] | None, entry: Entry | None) -> bool:
        """Run the client's own command with `arguments`; False if that is impossible or fails."""
        host = self.client.host_command
        if host is None or arguments is None:
            return False
        try:
            self._run_with_backup(host, arguments, entry)
        except HostCommandError as error:
            click.secho(f"Warning: {error}", fg="yellow", err=True)
            return False
        return True

    def _run_with_backup(self, host: HostCommand, arguments: Sequence[str], entry: Entry | None) -> None:
        click.echo(f"Running: {host.line(arguments)}")
        backup = back_up(self.file)
        try:
            host.run(arguments, self.machine)
        except HostCommandError:
            if backup and backup.read_bytes() == self.file.read_bytes():
                backup.unlink()
            raise
        if (self._held() is None) != (entry is None):
            raise HostCommandError(f"{host.program} reported success, but {self.file} has not changed.")
        click.echo(_written(self.file, backup))

    def _edit(self, entry: Entry | None) -> None:
        change = plan(self.client, self.file, self.name, entry)
        click.echo(f"{change}\n")
        click.echo(_written(change.file, write(change)))

    def _warn(self, setup: Setup) -> None:
        for warning in (*setup.warnings, *self._missing_variables(setup.server)):
            click.secho(f"Warning: {warning}", fg="yellow", err=True)

    def _missing_variables(self, server: Server) -> Iterator[str]:
        if isinstance(server, StdioServer) and server.variables and self.client.inherits == "none":
            names = ", ".join(f"${name}" for name in server.variables)
            yield (
                f"{self.client.title} may not pass {names} to the server, since desktop programs lack the variables of "
                "your shell. Put the settings into the configuration file; for the credential, use api.auth.file or "
                "api.auth.command."
            )

    @contextmanager
    def _unchanged(self, advice: str) -> Iterator[None]:
        """Turn errors that leave the configuration unchanged into a message with `advice`."""
        try:
            yield
        except (NotEditableError, OSError) as error:
            reason = f"{error.strerror or error}." if isinstance(error, OSError) else str(error)
            file = self.client.file(self.machine)
            subject = f"{file} was not changed. " if file else ""
            raise click.ClickException(f"{subject}{reason}\n{advice}") from None


def _written(file: Path, backup: Path | None) -> str:
    return f"Changed {file} (backup: {backup})." if backup else f"Created {file}."


def _contains(held: Any, entry: Entry) -> bool:
    return held is not None and merged(held, entry) == held
