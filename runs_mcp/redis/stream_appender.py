"""The appender of Redis streams: entries of many streams share a round trip, which takes longer than the entries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from runs_mcp.redis.connection import GuardedRedis, skip_if_redis_fails


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stream, and the seconds after which the stream ends; None: as set before."""

    stream: str
    fields: Mapping[Any, Any]
    """Texts by name. The types of `redis` accept no narrower mapping."""
    kept_s: int | None = None


@dataclass(slots=True)
class _Batch:
    """Entries that are sent together, and their ids; none if Redis failed."""

    entries: list[Entry] = field(default_factory=list)
    ids: Sequence[str] = ()
    filled: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)


class StreamAppender:
    """Appends entries while `run` runs: those that arrive during a round trip are sent with the next."""

    def __init__(self, redis: GuardedRedis) -> None:
        self._redis = redis
        self._next = _Batch()

    async def append(self, entry: Entry) -> str | None:
        """Append an entry, and return its id; None if Redis failed."""
        batch, position = self._next, len(self._next.entries)
        batch.entries.append(entry)
        batch.filled.set()
        await batch.done.wait()
        return batch.ids[position] if batch.ids else None

    async def run(self) -> None:
        """Send batches, one at a time, until cancelled."""
        while True:
            await self._next.filled.wait()
            batch, self._next = self._next, _Batch()
            try:
                with skip_if_redis_fails("writing runs"):
                    batch.ids = await self._send(batch.entries)
            finally:
                batch.done.set()

    async def _send(self, entries: Sequence[Entry]) -> Sequence[str]:
        pipe = self._redis.pipeline(transaction=False)
        for entry in entries:
            pipe.xadd(entry.stream, {**entry.fields})
        for entry in entries:
            if entry.kept_s is not None:
                pipe.expire(entry.stream, entry.kept_s)
        return (await self._redis.send(pipe))[: len(entries)]
