"""The progress of a call in a terminal: the text of a run as it arrives, and a line that shows that time passes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

import click
from mcp.client import Client
from mcp_types import TextContent
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from runs_mcp.cli.process import UsageProblem
from runs_mcp.cli.terminal.console import is_live
from runs_mcp.observability.mask import show_hidden
from runs_mcp.server.render.error_messages import NOTHING_SENT

SHOWN_LINES = 12
"""Lines of the text that stay visible while it grows."""
REFRESHES_PER_S = 8


class LiveText:
    """The progress notifications of one call, drawn as they arrive: a progress callback of the MCP SDK."""

    def __init__(self, console: Console, label: str, *, is_text: bool) -> None:
        self._console = console
        self._label = label
        self._is_text = is_text
        self._message = ""
        self._started = monotonic()
        self._spinner = Spinner("dots", style="cyan")
        self.text = ""
        """The text so far; empty if the messages are not text of a run."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """Take a notification."""
        del progress, total
        if self._is_text:
            self.text += message or ""
        elif message:
            self._message = message.strip()

    @property
    def facts(self) -> str:
        """The elapsed time, and how much text has arrived how fast.

        Tokens are unknown until a run has ended, since chunks are not tokens.
        """
        seconds = monotonic() - self._started
        elapsed = f"{seconds:.1f} s"
        if not self._is_text:
            return " · ".join(filter(None, [self._label, elapsed, self._message]))
        if not self.text:
            return f"{self._label} · {elapsed} · no text yet"
        characters = len(self.text)
        return f"{elapsed} · {characters:,} characters · {characters / seconds:,.0f} characters/s"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the progress for the duration of the block, if the console is a terminal."""
        if not is_live(self._console):
            yield
            return
        with Live(
            get_renderable=self._picture, console=self._console, refresh_per_second=REFRESHES_PER_S, transient=True
        ):
            yield

    def _picture(self) -> RenderableType:
        self._spinner.update(text=Text(self.facts, "dim", no_wrap=True, overflow="ellipsis"))
        if not self.text:
            return self._spinner
        lines = Text(show_hidden(self.text)).wrap(self._console, self._console.width)
        return Group(*lines[-SHOWN_LINES:], self._spinner)


async def call_tool(client: Client, tool: str, arguments: Mapping[str, Any], progress: LiveText) -> dict[str, Any]:
    """Return the structured result of a call, and draw its progress meanwhile.

    Raises:
        UsageProblem: the arguments or the configuration do not allow the call.
        click.ClickException: the call failed.
    """
    with progress.shown():
        result = await client.call_tool(tool, dict(arguments), progress_callback=progress)
    if result.is_error:
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        # A result carries no exit code. Only refusals of arguments and settings end with this sentence.
        raise UsageProblem(text) if text.endswith(NOTHING_SENT) else click.ClickException(text)
    return dict(result.structured_content or {})
