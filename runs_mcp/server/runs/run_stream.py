"""The text of a followed run and its end."""

from collections.abc import Mapping
from time import monotonic

import anyio

from runs_mcp.api import Closed, Run, RunsApiError

MAX_KEPT_CHARS = 2_000_000


class RunStream:
    """A followed run: its text so far, and its end."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.length = 0
        """Characters written so far."""
        self.run: Run | None = None
        """The final run, once it has ended."""
        self.error: RunsApiError | None = None
        """The reason why the end of the run cannot be observed."""
        self.started = False
        """True if this process has started the run."""
        self.closed: Closed | None = None
        """The end of the stream, once the API has closed it."""
        self.waiting = 0
        """Number of callers that wait for its end."""
        self.ended = anyio.Event()
        self._chunks: list[str] = []
        self._forgotten_chunks = 0
        self._kept_chars = 0
        self._grew: anyio.Event | None = None
        self._heard_at = monotonic()

    def heard(self) -> None:
        """Record that an event arrived."""
        self._heard_at = monotonic()

    def silent_s(self) -> float:
        """Return the seconds since the last event."""
        return monotonic() - self._heard_at

    def append(self, text: str) -> None:
        """Append `text`; beyond a limit the oldest text is dropped."""
        self._chunks.append(text)
        self.length += len(text)
        self._kept_chars += len(text)
        if self._kept_chars > MAX_KEPT_CHARS:
            self._forget_half()
        self.heard()
        self._wake()

    def join(self, at: int, text: str) -> None:
        """Add `text`, which begins at character `at` of the run's text.

        Known characters are skipped; a gap before `text` is treated as dropped text.
        """
        self.length = max(self.length, at)
        if fresh := text[self.length - at :]:
            self.append(fresh)

    def complete(self, text: str) -> None:
        """Add the rest of the run's whole `text`, if it begins with the text that was read."""
        kept = self.text()
        if text.startswith(kept, self.length - len(kept)):
            self.join(0, text)

    def streamed_run(self, note: str) -> Run | None:
        """Return the run that a closed stream describes, with a `note`; None if the stream was not closed."""
        if self.closed is None:
            return None
        data = self.closed.data
        status = {"status": data["status"]} if isinstance(data, Mapping) and "status" in data else {}
        return Run({"id": self.run_id, **status, "note": note, "result": self.text()})

    def end(self, run: Run | None = None, error: RunsApiError | None = None) -> None:
        """Record how the run ended, and wake all waiting readers."""
        self.run, self.error = run, error
        self.ended.set()
        self._wake()

    @property
    def position(self) -> int:
        """The position of the next chunk, counted from 0."""
        return self._forgotten_chunks + len(self._chunks)

    def take(self, position: int) -> tuple[str, int]:
        """Return the text from chunk `position` on, and the position after it."""
        first = max(position - self._forgotten_chunks, 0)
        return "".join(self._chunks[first:]), self.position

    async def wait_beyond(self, position: int) -> None:
        """Wait until a chunk at `position` arrives or the run has ended."""
        while not self.ended.is_set() and self.position <= position:
            self._grew = self._grew or anyio.Event()
            await self._grew.wait()

    def text(self, offset: int = 0) -> str:
        """Return the text from character `offset` on, without text that was dropped."""
        kept = "".join(self._chunks)
        return kept[max(offset - (self.length - len(kept)), 0) :]

    def _wake(self) -> None:
        if self._grew:
            self._grew.set()
            self._grew = None

    def _forget_half(self) -> None:
        # Half at once, so that `pop(0)`, which moves all later chunks, does not run for every chunk.
        while self._kept_chars > MAX_KEPT_CHARS // 2 and len(self._chunks) > 1:
            self._kept_chars -= len(self._chunks.pop(0))
            self._forgotten_chunks += 1
