"""Request keys of a fleet: two replicas that are asked for the same run make one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from redis.asyncio import Redis

from runs_mcp.redis.fallback import without_redis
from runs_mcp.redis.leases import Leases
from runs_mcp.server.runs.shared_state import OwnRequestKeys

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

    async def run_of(self, key: str) -> str | None:
        """The id of the run that was made by `key`, if that was within a day."""
        with without_redis("looking up a request key"):
            run_id = await self._redis.get(f"{self._place}:created:{key}")
            return None if run_id is None else str(run_id)
        return None

    async def keep(self, key: str, run_id: str) -> None:
        """Take note of the run that was made by `key`, for a day."""
        with without_redis("keeping a request key"):
            await self._redis.set(f"{self._place}:created:{key}", run_id, ex=KEPT_S)
