"""Elicitation in a terminal: the question of a call, and the answer that a person types."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from runs_mcp.observability.mask import show_hidden


def can_ask() -> bool:
    """Return whether a person sees questions and can answer them."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def ask(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Answer a form with a single choice, as the server sends it; a closed question counts as cancelled."""
    del context
    [(name, choice)] = params.requested_schema["properties"].items() if params.mode == "form" else [("", {})]
    answers = dict(zip(choice.get("enum", ()), choice.get("enumNames", ()), strict=True))
    click.echo(f"\n{show_hidden(params.message)}", err=True)
    for number, label in enumerate(answers.values(), start=1):
        click.echo(f"  {number}  {show_hidden(label)}", err=True)
    try:
        with _interruptible():
            number = click.prompt("Number", type=click.IntRange(1, len(answers)), err=True)
    except click.Abort:
        return ElicitResult(action="cancel")
    return ElicitResult(action="accept", content={name: list(answers)[number - 1]})


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make Ctrl+C end the prompt: the handler of the event loop only takes effect once the prompt has returned."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
