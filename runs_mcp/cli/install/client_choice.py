"""The choice of clients when `install` is given no name."""

import re
import shlex
from collections.abc import Sequence

import click

from runs_mcp.cli.install.clients import CLIENTS, Client
from runs_mcp.cli.install.locations import Machine

NUMBERS = re.compile(r"\s*\d+(?:[\s,]+\d+)*[\s,]*")


def installed_clients(machine: Machine) -> list[Client]:
    """Return the clients of which the machine has a program, a configuration file or a folder."""
    return [client for client in CLIENTS if client.is_installed(machine)]


def commands(clients: Sequence[Client], options: Sequence[str]) -> str:
    """Return a line for each client: the command that connects it, and its title."""
    lines = [(shlex.join(["runs-mcp", "install", client.name, *options]), client.title) for client in clients]
    width = max(len(command) for command, _ in lines)
    return "\n".join(f"  {command.ljust(width)}  {title}" for command, title in lines)


def ask(clients: Sequence[Client]) -> list[Client]:
    """Ask in the terminal which of `clients` to connect."""
    click.echo("Installed clients:\n")
    for number, client in enumerate(clients, start=1):
        click.echo(f"  {number:2}  {client.title}")
    click.echo()

    def chosen(answer: str) -> list[Client]:
        return parse(answer, clients)

    clients_chosen: list[Client] = click.prompt(
        "Connect which? Numbers such as 1,3, or all, or none", default="none", value_proc=chosen
    )
    return clients_chosen


def parse(answer: str, clients: Sequence[Client]) -> list[Client]:
    """Return the clients that an answer names.

    Raises:
        click.UsageError: it is neither `all`, `none` nor numbers of `clients`.
    """
    match answer.strip().lower():
        case "all":
            return list(clients)
        case "none" | "":
            return []
    numbers = [int(number) for number in re.findall(r"\d+", answer)] if NUMBERS.fullmatch(answer) else [0]
    if not all(1 <= number <= len(clients) for number in numbers):
        raise click.UsageError(f"give numbers from 1 to {len(clients)} separated by commas, or all, or none")
    return [clients[number - 1] for number in dict.fromkeys(numbers)]
