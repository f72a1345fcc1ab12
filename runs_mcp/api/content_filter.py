"""The interface of a filter for the content of runs, which a client applies to everything that it returns."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from runs_mcp.api.models import Run
from runs_mcp.api.stream import Chunk, Closed, Event, TextFilter, filter_events


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
        yield _without_data(filter_events(events, text))


async def _without_data(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield Chunk(event.text, event.text) if isinstance(event, Chunk) else Closed({})
