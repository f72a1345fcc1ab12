"""Request keys of a fleet: two replicas that are asked for the same run make one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from redis.asyncio import Redis

from runs_mcp.redis.fallback import without_redis
from runs_mcp.redis.leases import Leases
from runs_mcp.server.runs.shared_state import KeyedRun, OwnRequestKeys

KEPT_S = 86_400
FIRST_TRY_S = 0.02
LONGEST_TRY_S = 0.5


class RedisRequestKeys(OwnRequestKeys):
    """Keys that one replica at a time holds, and the runs that were made by them within a day."""

    def __init__(self, redis: Redis, leases: Leases, place: str) -> None:
        super().__init__()
        self._redis = redis
        self._leases = leases
        self._place = place

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold `key` while the block lasts, once nobody else in any replica that lives does."""
        name = f"{self._place}:creating:{key}"
        async with super().held(key):
            with without_redis("holding a request key"):
                await self._take(name)
            try:
                yield
            finally:
                await self._leases.leave(name)

    async def _take(self, name: str) -> None:
        pause = FIRST_TRY_S
        while not await self._leases.take(name):
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_TRY_S)

    async def find(self, key: str) -> KeyedRun | None:
        """Return the run that `key` created, if that was within a day."""
        with without_redis("looking up a request key"):
            kept = await self._redis.get(f"{self._place}:created:{key}")
            request, _, run_id = str(kept or "").partition(" ")
            return KeyedRun(run_id, request) if run_id else None
        return await super().find(key)

    async def keep(self, key: str, run: KeyedRun) -> None:
        """Remember the run that `key` created for a day."""
        await super().keep(key, run)
        with without_redis("keeping a request key"):
            await self._redis.set(f"{self._place}:created:{key}", f"{run.request} {run.run_id}", ex=KEPT_S)
