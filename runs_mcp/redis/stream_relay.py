"""A single upstream stream for each run, however many replicas follow it.

The replica that leads a run reads its stream from the API and writes it to a Redis stream, which the others read::

    Runs API ──SSE──▶ leader ──XADD──▶ text:RUN  1-0  at=0  text="one "
                        │                        2-0  at=4  text="two "     ──XREAD──▶ readers
                        │                        3-0  ended=yes
                        └─ lead:RUN = id of the leader       woken:REPLICA ──XREAD──┘

1. A replica that follows RUN takes the lease `lead:RUN` (see `leases`). The replica that gets it leads.
2. The leader appends each piece of text to `text:RUN` with its position in characters (`at`), so that a reader adds
   nothing twice and notices gaps; then `ended`.
3. A reader has one blocking XREAD for all its runs. An entry in its own stream `woken:REPLICA` interrupts the XREAD
   when the replica starts to read another run.
4. Every second a reader checks that the leaders of its runs hold their leases and are alive. Otherwise the reader takes
   the lease and the text in `text:RUN`, and becomes the successor, also if the leader has written no text yet. A
   successor must not open the stream of a started run, because that could execute the run again: it polls the run, and
   takes the missing text from the result.
5. If Redis fails, each replica follows its runs alone in the same way.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from runs_mcp.redis.connection import BLOCK_MS, GuardedRedis, skip_if_redis_fails
from runs_mcp.redis.leases import BEAT_S, Leases
from runs_mcp.redis.stream_appender import Entry, StreamAppender
from runs_mcp.server.runs.run_stream import MAX_KEPT_CHARS, RunStream
from runs_mcp.server.runs.shared_state import Role

START = "0-0"
KEPT_S = 86_400
KEPT_AFTER_END_S = 600
MAX_ENTRIES = 1_000
"""Maximum number of entries that a read of a stream returns."""
RETRY_S = 1.0


@dataclass(slots=True)
class _Reading:
    """A run that another replica leads."""

    follower: RunStream
    leader: str
    position: str = START
    ended: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)

    def apply(self, entry: str, fields: dict[str, str]) -> None:
        """Add an entry of the stream to the follower."""
        self.position = entry
        match fields:
            case {"at": at, "text": text}:
                self.follower.join(int(at), text)
            case {"ended": _}:
                self.ended = True
                self.done.set()


class RedisRelay:
    """The relay between replicas: one replica leads each run, and all others read its text from Redis."""

    def __init__(self, redis: GuardedRedis, leases: Leases, prefix: str) -> None:
        self._redis = redis
        self._leases = leases
        self._appender = StreamAppender(redis)
        self._prefix = prefix
        self._woken = f"{prefix}:woken:{leases.replica}"
        self._woken_at = START
        """The last entry that was read of the stream `_woken`."""
        self._readings: dict[str, _Reading] = {}

    async def read(self, follower: RunStream) -> Role:
        """Add the text that another replica reads to `follower`, until the run ends or no other replica leads it."""
        led = False
        with skip_if_redis_fails("finding the leader of a run"):
            while (lease := await self._leases.take(self._lead(follower.run_id))).holder != self._leases.replica:
                led = True
                if await self._read_from(lease.holder, follower):
                    return "reader"
            return await self._take_over(follower, led=led or not lease.is_first)
        # Redis failed: another replica may have opened the stream, so it must not be opened again.
        return "successor"

    @asynccontextmanager
    async def leading(self, follower: RunStream) -> AsyncIterator[None]:
        """Write the text of `follower` to Redis for the duration of the block, in which it must end."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, follower, follower.position, follower.length)
                yield
        finally:
            await self._leases.release(self._lead(follower.run_id))

    async def run(self) -> None:
        """Exchange text with other replicas, and check that they are alive, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._appender.run)
            tasks.start_soon(self._keep_reading)
            tasks.start_soon(self._check_leaders)

    def _lead(self, run_id: str) -> str:
        return f"{self._prefix}:lead:{run_id}"

    def _text(self, run_id: str) -> str:
        return f"{self._prefix}:text:{run_id}"

    async def _take_over(self, follower: RunStream, *, led: bool) -> Role:
        """Add the text of an earlier leader to `follower`, and return the role of this replica.

        `led`: another replica is known to have led the run, even if it has written no text.
        """
        reading = _Reading(follower, self._leases.replica)
        entries: Any = await self._redis.xrange(self._text(follower.run_id))
        for entry, fields in entries:
            reading.apply(entry, fields)
        if reading.ended:
            await self._leases.release(self._lead(follower.run_id))
            return "reader"
        return "successor" if led or entries else "leader"

    async def _read_from(self, leader: str, follower: RunStream) -> bool:
        """Read the text that `leader` writes. Return true if the run has ended, false if `leader` no longer leads."""
        reading = self._readings[self._text(follower.run_id)] = _Reading(follower, leader)
        try:
            await self._wake()
            await reading.done.wait()
        finally:
            del self._readings[self._text(follower.run_id)]
        return reading.ended

    async def _wake(self) -> None:
        """Interrupt the blocking read, so that the next read covers all runs."""
        await self._redis.xadd(self._woken, {"woken": "yes"}, maxlen=1, approximate=False)

    async def _keep_reading(self) -> None:
        while True:
            with skip_if_redis_fails("reading runs"):
                while True:
                    await self._read_entries()
            # Every follower looks up the leader of its run again.
            for reading in self._readings.values():
                reading.done.set()
            await anyio.sleep(RETRY_S)

    async def _read_entries(self) -> None:
        """Wait for entries of the streams, and add them to the followers."""
        positions: dict[Any, Any] = {name: reading.position for name, reading in self._readings.items()}
        positions[self._woken] = self._woken_at
        streams: Any = await self._redis.xread(positions, count=MAX_ENTRIES, block=BLOCK_MS)
        for name, entries in streams or []:
            if name == self._woken:
                self._woken_at = entries[-1][0]
            elif reading := self._readings.get(name):
                for entry, fields in entries:
                    reading.apply(entry, fields)

    async def _check_leaders(self) -> None:
        """Stop reading from leaders that have died or released their leases."""
        while True:
            await anyio.sleep(BEAT_S)
            with skip_if_redis_fails("checking the leaders of runs"):
                await self._redis.expire(self._woken, KEPT_AFTER_END_S)  # the id of a replica is never used again
                readings = list(self._readings.values())
                lead = await self._leases.living_holders([self._lead(reading.follower.run_id) for reading in readings])
                for reading, leader in zip(readings, lead, strict=True):
                    if reading.leader != leader:
                        reading.done.set()

    async def _write(self, follower: RunStream, position: int, length: int) -> None:
        """Write the text of `follower` from chunk `position`, which is at character `length`, to its end."""
        name, written = self._text(follower.run_id), deque[tuple[str, int]]()
        kept = 0
        kept_s: int | None = KEPT_S
        while not (follower.ended.is_set() and follower.position == position):
            await follower.wait_beyond(position)
            at, (text, position) = length, follower.take(position)
            if not text:
                continue
            length += len(text)
            entry = await self._appender.append(Entry(name, {"at": str(at), "text": text}, kept_s))
            if entry is None:
                return
            written.append((entry, len(text)))
            kept, kept_s = kept + len(text), None
            # The stream is trimmed by characters, like `RunStream`: entries differ too much in size for MAXLEN.
            while kept > MAX_KEPT_CHARS and len(written) > 1:
                kept -= written.popleft()[1]
                await self._trim(name, before=written[0][0])
        # Without a final state the leader gave up or died, and a successor must continue the run.
        if follower.run:
            await self._appender.append(Entry(name, {"ended": "yes"}, KEPT_AFTER_END_S))

    async def _trim(self, name: str, *, before: str) -> None:
        with skip_if_redis_fails("trimming a run"):
            await self._redis.xtrim(name, minid=before, approximate=False)
