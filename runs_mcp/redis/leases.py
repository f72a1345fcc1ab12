"""Leases: what one replica at a time holds, for as long as it lives."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from redis.asyncio import Redis

from runs_mcp.redis.fallback import without_redis

BEAT_S = 1.0
ALIVE_S = 5
"""Seconds after its last beat that a replica is taken for dead."""
LEAVING_S = 2.0
HELD_S = 86_400
"""Seconds after which a lease is free whoever holds it."""
TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('EXISTS', ARGV[2] .. holder) == 1 then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
return ARGV[1]
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class Leases:
    """What this replica holds, and who else lives."""

    def __init__(self, redis: Redis, place: str) -> None:
        self._redis = redis
        self._lives = f"{place}:lives:"
        self.replica = uuid4().hex
        """Who this replica is."""

    @asynccontextmanager
    async def alive(self, tasks: TaskGroup) -> AsyncIterator[None]:
        """Be seen to live while the block lasts."""
        await self._beat()
        tasks.start_soon(self._keep_beating)
        try:
            yield
        finally:
            with anyio.move_on_after(LEAVING_S, shield=True), without_redis("leaving"):
                await self._redis.delete(self._lives + self.replica)

    async def take(self, name: str) -> bool:
        """Whether this replica holds `name` now.

        Raises:
            RedisError: nobody can tell.
        """
        return await self.holder(name) == self.replica

    async def holder(self, name: str) -> str:
        """Who holds `name`: this replica, where no other that lives does.

        Raises:
            RedisError: nobody can tell.
        """
        return str(await self._redis.eval(TAKE, 1, name, self.replica, self._lives, HELD_S))

    async def leave(self, name: str) -> None:
        """Hold `name` no longer; where Redis fails, no longer than this replica lives."""
        with anyio.move_on_after(LEAVING_S, shield=True), without_redis("leaving a lease"):
            await self._redis.eval(RELEASE, 1, name, self.replica)

    async def holding(self, names: Sequence[str]) -> Sequence[str | None]:
        """Who holds each of `names`, if that replica lives.

        Raises:
            RedisError: nobody can tell.
        """
        if not names:
            return []
        holders: Any = await self._redis.mget(names)
        alive = {one for one in set(holders) if one and await self._redis.exists(self._lives + one)}
        return [one if one in alive else None for one in holders]

    async def _keep_beating(self) -> None:
        while True:
            await anyio.sleep(BEAT_S)
            await self._beat()

    async def _beat(self) -> None:
        with without_redis("saying that it lives"):
            await self._redis.set(self._lives + self.replica, "1", ex=ALIVE_S)
