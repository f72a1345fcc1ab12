"""The interface of a filter for the content of runs, which a client applies to everything that it returns."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from runs_mcp.api.models import Run
from runs_mcp.api.stream import Chunk, Closed, Event


class TextFilter(Protocol):
    """A filter for one text that arrives in pieces."""

    def feed(self, piece: str) -> str:
        """Return the filtered text that is certain after `piece`; the rest is returned later."""

    def end(self) -> str:
        """Return the filtered rest, after the last piece."""


class ContentFilter(Protocol):
    """A filter for the content of runs."""

    def filter_run(self, run: Run) -> Run:
        """Return `run` with filtered content."""

    def filter_message(self, message: str) -> str:
        """Return an error message of the API, which may quote the input of a run, with filtered content."""

    def filter_text(self) -> TextFilter:
        """Return a filter for the text of one stream."""


@asynccontextmanager
async def filter_stream(
    stream: AbstractAsyncContextManager[AsyncIterator[Event]], text: TextFilter
) -> AsyncIterator[AsyncIterator[Event]]:
    """Yield the events of `stream` with filtered text only: the raw data of an event is replaced."""
    async with stream as events:
        yield _filter_events(events, text)


async def _filter_events(events: AsyncIterator[Event], text: TextFilter) -> AsyncIterator[Event]:
    async for event in events:
        shown = text.feed(event.text) if isinstance(event, Chunk) else text.end()
        if shown:
            yield Chunk(shown, shown)
        if isinstance(event, Closed):
            yield Closed({})
