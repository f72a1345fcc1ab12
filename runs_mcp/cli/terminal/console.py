"""Consoles: colours and moving parts in a terminal, plain text elsewhere."""

import os
import shutil
import sys
from collections.abc import Iterable

import click
from rich.console import Console, RenderableType
from typing_extensions import override

HEIGHT = 25
DUMB = ("dumb", "unknown")
UNLIMITED = 100_000
"""Columns where nothing limits a line: a pipe or a file."""


class PipeConsole(Console):
    """A console that writes nothing more once the reader of a pipe has closed it, as `| head` does."""

    @override
    def on_broken_pipe(self) -> None:
        # Rich exits here, which inside a task group becomes a group of exceptions with a traceback.
        self.quiet = True
        discard_output()


def discard_output() -> None:
    """Discard standard output, or the interpreter reports the closed pipe when it flushes the rest at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Return a console for standard output or standard error.

    Rich detects a terminal and its colours. With `NO_COLOR` (https://no-color.org) nothing is bold either; Rich alone
    would only drop the colours.
    """
    if width is None and os.environ.get("TERM", "").lower() in DUMB:
        width = shutil.get_terminal_size().columns  # Rich takes 80 without asking the terminal
    return PipeConsole(
        stderr=stderr,
        width=width,
        height=HEIGHT if width else None,  # Rich ignores a width without a height
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        highlight=False,
        emoji=False,
    )


def is_live(console: Console) -> bool:
    """Return whether lines on `console` can be drawn again."""
    return console.is_terminal and not console.is_dumb_terminal


class Output:
    """Standard output: written at the width of a terminal, or unlimited, until its reader closes it."""

    def __init__(self) -> None:
        self.closed = False
        """True once the reader has closed the pipe, as `| head` does."""
        terminal = terminal_console()
        self._console = terminal if terminal.is_terminal else terminal_console(width=UNLIMITED)

    @property
    def is_terminal(self) -> bool:
        """True if a person reads the output as it is written."""
        return self._console.is_terminal

    @property
    def width(self) -> int:
        """The columns of a line."""
        return self._console.width

    def draw(self, parts: Iterable[RenderableType]) -> None:
        """Write what `parts` look like, without blanks at the ends of lines."""
        with self._console.capture() as captured:
            for part in parts:
                self._console.print(part, soft_wrap=not self.is_terminal)
        self.write("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def write(self, text: str) -> None:
        """Write `text` and a line break; nothing once the output is closed."""
        if self.closed:
            return
        try:
            click.echo(text)
        except BrokenPipeError:
            self.closed = True
            discard_output()
