"""Events of a run's stream: chunks of text, then `close`."""

import json
from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx
from httpx_sse import EventSource, ServerSentEvent
from typing_extensions import override

from runs_mcp.api.errors import ResponseTooLargeError, StreamInterruptedError
from runs_mcp.api.payloads import decode_json

CHUNK_EVENTS = frozenset({"", "message", "chunk"})
EVENT_STREAM = "text/event-stream"
_HIGH_SURROGATES = ("\ud800", "\udbff")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of what a run writes: its text, and the data as the API sent it."""

    text: str
    data: Any


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a stream, with the data that the API sends with it."""

    data: Any


Event = Chunk | Closed


async def read_events(body: AsyncIterator[bytes], *, max_event_bytes: int) -> AsyncGenerator[Event]:
    """Yield the events of a decompressed body, up to and including `Closed`.

    Raises:
        StreamInterruptedError: the body ends without `close`.
        ResponseTooLargeError: an event takes more than `max_event_bytes`.
    """
    text = _EventText(body, max_event_bytes)
    halves = _Surrogates()
    async with aclosing(EventSource(text).aiter_sse()) as received:
        async for sent in received:
            text.taken = 0
            if sent.event == "close":
                if rest := halves.flush():
                    yield Chunk(rest, rest)
                yield Closed(_decode(sent.data))
                return
            if chunk := _chunk(sent, halves):
                yield chunk
    raise StreamInterruptedError("The stream ended before it was closed")


class TextFilter(Protocol):
    """A filter for one text that arrives in pieces."""

    def feed(self, piece: str) -> str:
        """Return the filtered text that is certain after `piece`; the rest is returned later."""

    def end(self) -> str:
        """Return the filtered rest, after the last piece."""


async def filter_events(events: AsyncIterator[Event], text: TextFilter) -> AsyncGenerator[Event]:
    """Yield `events` with filtered texts, also where a match is spread over several events.

    Text that the filter withholds is yielded with a later event. It is not yielded if the stream breaks off.
    """
    async for event in events:
        if isinstance(event, Closed):
            if rest := text.end():
                yield Chunk(rest, rest)
            yield event
        elif shown := text.feed(event.text):
            yield event if shown == event.text else replace(event, text=shown)


class _EventText(httpx.Response):
    """The text of a stream, which ends in an error when an event becomes too large to be kept.

    `EventSource` cannot read the response of the API: it compares the Content-Type case-sensitively and takes the
    encoding from it.
    """

    def __init__(self, body: AsyncIterator[bytes], most: int) -> None:
        super().__init__(200, headers={"Content-Type": EVENT_STREAM})
        self.taken = 0
        """Bytes read since the last event."""
        self._body = body
        self._most = most

    @override
    async def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        # The HTML standard ("Parsing an event stream"): always UTF-8, without a BOM.
        decoder = getincrementaldecoder("utf-8-sig")("replace")
        async for piece in self._body:
            self.taken += len(piece)
            if self.taken > self._most:
                raise ResponseTooLargeError(
                    f"The stream sent an event above {self._most:,} bytes (api.max_response_bytes)"
                )
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


class _Surrogates:
    """Joins the surrogate pairs that JavaScript splits across two chunks: each half is valid JSON, but no text."""

    def __init__(self) -> None:
        self._held = ""

    def join(self, text: str) -> str:
        """Return `text` after the half that was held, and hold a half at its end."""
        if not self._held and text.isascii():
            return text
        text, self._held = self._held + text, ""
        if text and _HIGH_SURROGATES[0] <= text[-1] <= _HIGH_SURROGATES[1]:
            text, self._held = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def flush(self) -> str:
        """Return U+FFFD for a half whose other half never came."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""


def _chunk(sent: ServerSentEvent, halves: _Surrogates) -> Chunk | None:
    """Return the chunk in a server-sent event; None if it is empty or of an unknown kind."""
    # EventSource yields an empty event for each keep-alive after an `id:` line.
    if sent.event not in CHUNK_EVENTS or not sent.data:
        return None
    data = _decode(sent.data)
    if isinstance(data, str):
        text = halves.join(data)
        return Chunk(text, text) if text else None
    return None if data is None else Chunk(_text(sent.data, data), data)


def _decode(data: str) -> Any:
    try:
        # json keeps halves of surrogate pairs, which are joined later
        return json.loads(data) if "\\u" in data and data.startswith('"') else decode_json(data)
    except ValueError:
        return data


def _text(sent: str, data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) if isinstance(data, dict | list) else sent
