"""One stream a run for a whole fleet: the replica that leads writes what it reads to Redis, where the others read it.

An entry says at which character its text begins, so that nothing is taken twice and nothing missing goes unseen. When
the leader dies, what it wrote is still there, and another replica leads; it cannot open the stream of a run that was
started again, and so polls the run, and takes what is missing of the text from its result.
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from redis.asyncio import Redis

from runs_mcp.redis.fallback import without_redis
from runs_mcp.redis.leases import BEAT_S, Leases
from runs_mcp.server.runs.run_stream import MAX_KEPT_CHARS, Follower
from runs_mcp.server.runs.shared_state import Role

START = "0-0"
KEPT_S = 86_400
KEPT_AFTER_THE_END_S = 600
BLOCK_MS = 1_000
MOST_ENTRIES = 1_000
"""Entries of a stream that are read at once."""
AGAIN_S = 1.0


@dataclass(slots=True)
class _Reading:
    """One run that another replica leads."""

    follower: Follower
    leader: str
    position: str = START
    ended: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)

    def take(self, entry: str, fields: dict[str, str]) -> None:
        """Take in an entry of the stream."""
        self.position = entry
        match fields:
            case {"at": at, "text": text}:
                self.follower.join(int(at), text)
            case {"ended": _}:
                self.ended = True
                self.over.set()


class RedisRelay:
    """Has one replica follow a run, and the others read what it reads."""

    def __init__(self, redis: Redis, leases: Leases, place: str) -> None:
        self._redis = redis
        self._leases = leases
        self._place = place
        self._woken = f"{place}:woken:{leases.replica}"
        self._readings: dict[str, _Reading] = {}

    async def read(self, follower: Follower) -> Role:
        """Give `follower` what another replica reads of its run, until that has ended or no other leads."""
        with without_redis("finding out who follows a run"):
            while (leader := await self._leases.holder(self._lead(follower.run_id))) != self._leases.replica:
                if await self._read_from(leader, follower):
                    return "reader"
            return await self._taken_over(follower)
        return "successor"

    @asynccontextmanager
    async def leading(self, follower: Follower) -> AsyncIterator[None]:
        """Write what `follower` reads, to its end, which is inside the block."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, follower, follower.position, follower.length)
                yield
        finally:
            await self._leases.leave(self._lead(follower.run_id))

    async def run(self) -> None:
        """Read what other replicas write, and see which of them live, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_reading)
            tasks.start_soon(self._keep_looking)

    def _lead(self, run_id: str) -> str:
        return f"{self._place}:lead:{run_id}"

    def _text(self, run_id: str) -> str:
        return f"{self._place}:text:{run_id}"

    async def _taken_over(self, follower: Follower) -> Role:
        """Take in what an earlier leader wrote."""
        reading = _Reading(follower, self._leases.replica)
        entries: Any = await self._redis.xrange(self._text(follower.run_id))
        for entry, fields in entries:
            reading.take(entry, fields)
        if reading.ended:
            await self._leases.leave(self._lead(follower.run_id))
            return "reader"
        return "successor" if entries else "leader"

    async def _read_from(self, leader: str, follower: Follower) -> bool:
        """Read what `leader` writes; whether the run has ended. If not, `leader` leads no longer."""
        reading = self._readings[self._text(follower.run_id)] = _Reading(follower, leader)
        try:
            await self._wake()
            await reading.over.wait()
        finally:
            del self._readings[self._text(follower.run_id)]
        return reading.ended

    async def _wake(self) -> None:
        """Have the reader read of all runs there are now."""
        await self._redis.xadd(self._woken, {"woken": "yes"}, maxlen=1, approximate=False)

    async def _keep_reading(self) -> None:
        woken = START
        while True:
            with without_redis("reading of runs"):
                while True:
                    wanted: dict[Any, Any] = {self._woken: woken} | {
                        name: one.position for name, one in self._readings.items()
                    }
                    answer: Any = await self._redis.xread(wanted, count=MOST_ENTRIES, block=BLOCK_MS)
                    for name, entries in answer or []:
                        woken = self._take(name, entries, woken)
            self._leave_all()
            await anyio.sleep(AGAIN_S)

    def _take(self, name: str, entries: list[tuple[str, dict[str, str]]], woken: str) -> str:
        """Take in what was read of a stream; up to where this replica has been woken by now."""
        if name == self._woken:
            return entries[-1][0]
        if reading := self._readings.get(name):
            for entry, fields in entries:
                reading.take(entry, fields)
        return woken

    def _leave_all(self) -> None:
        """Have every follower see who leads."""
        for reading in self._readings.values():
            reading.over.set()

    async def _keep_looking(self) -> None:
        """Leave leaders that have died, or left."""
        while True:
            await anyio.sleep(BEAT_S)
            with without_redis("looking who leads"):
                await self._redis.expire(self._woken, KEPT_AFTER_THE_END_S)
                readings = list(self._readings.values())
                lead = await self._leases.holding([self._lead(one.follower.run_id) for one in readings])
                for reading, leader in zip(readings, lead, strict=True):
                    if reading.leader != leader:
                        reading.over.set()

    async def _write(self, follower: Follower, position: int, length: int) -> None:
        """Write what `follower` reads from `position` on, which is at character `length`, and how it ended."""
        name, written = self._text(follower.run_id), deque[tuple[str, int]]()
        kept = 0
        with without_redis("writing of a run"):
            while not (follower.ended.is_set() and follower.position == position):
                await follower.wait_beyond(position)
                at, (text, position) = length, follower.take(position)
                if text:
                    length += len(text)
                    entry = await self._append(name, KEPT_S, {"at": str(at), "text": text})
                    written.append((entry, len(text)))
                    kept += len(text)
                while kept > MAX_KEPT_CHARS and len(written) > 1:
                    kept -= written.popleft()[1]
                    await self._redis.xtrim(name, minid=written[0][0], approximate=False)
            if follower.run:
                await self._append(name, KEPT_AFTER_THE_END_S, {"ended": "yes"})

    async def _append(self, name: str, kept_s: int, fields: Mapping[Any, Any]) -> str:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(name, {**fields})
            pipe.expire(name, kept_s)
            entry, _ = await pipe.execute()
        return str(entry)
