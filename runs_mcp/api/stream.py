"""What a run's stream says: pieces of text, then `close`."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from httpx_sse import ServerSentEvent

from runs_mcp.api.decoding import decoded
from runs_mcp.api.errors import StreamInterruptedError

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


async def events(source: AsyncIterator[ServerSentEvent]) -> AsyncIterator[Event]:
    """The events of a stream, up to and including `Closed`.

    Raises:
        StreamInterruptedError: the source ends without `close`.
    """
    async for event in source:
        if event.event == "close":
            yield Closed(_decoded(event.data))
            return
        # After any `id:` line, httpx-sse makes an empty message of every keep-alive.
        if event.event in CHUNK_EVENTS and event.data and (data := _decoded(event.data)) not in (None, ""):
            yield Chunk(data if isinstance(data, str) else _text(event.data, data), data)
    raise StreamInterruptedError("The stream ended before it was closed", retry_safe=False)


def _decoded(data: str) -> Any:
    try:
        return decoded(data)
    except ValueError:
        return data


def _text(sent: str, data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) if isinstance(data, dict | list) else sent
