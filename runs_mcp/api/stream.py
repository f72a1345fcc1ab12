"""What a run's stream says: pieces of text, then `close`."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from runs_mcp.api.decoding import decoded
from runs_mcp.api.errors import StreamInterruptedError
from runs_mcp.api.sse import Decoder, ServerSentEvent

CHUNK_EVENTS = frozenset({"message", "chunk"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of what the run writes: its text, and the data as it was sent."""

    text: str
    data: Any


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a stream, with what the API says of it."""

    data: Any


Event = Chunk | Closed


async def events(body: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events of a stream, up to and including `Closed`.

    Raises:
        StreamInterruptedError: the body ends without `close`.
    """
    decoder = Decoder()
    async for piece in body:
        for sent in decoder.feed(piece):
            if event := _event(sent):
                yield event
            if isinstance(event, Closed):
                return
    raise StreamInterruptedError("The stream ended before it was closed", retry_safe=False)


def _event(sent: ServerSentEvent) -> Event | None:
    """What an event of the API says; nothing, where it is of another kind or empty."""
    if sent.name == "close":
        return Closed(_decoded(sent.data))
    if sent.name in CHUNK_EVENTS and sent.data and (data := _decoded(sent.data)) not in (None, ""):
        return Chunk(data if isinstance(data, str) else _text(sent.data, data), data)
    return None


def _decoded(data: str) -> Any:
    try:
        return decoded(data)
    except ValueError:
        return data


def _text(sent: str, data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) if isinstance(data, dict | list) else sent
