"""Request keys shared by replicas: two that are asked for the same run create one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from typing_extensions import override

from runs_mcp.redis.connection import without_redis
from runs_mcp.server.runs.shared_state import OwnRequestKeys

KEPT_S = 86_400
LOCK_S = 6.0
"""Seconds after which the lock of a replica that died is free."""
RENEW_S = 2.0
TRY_S = 0.05
"""Seconds between two attempts to take a lock."""
LEAVING_S = 2.0


class RedisRequestKeys(OwnRequestKeys):
    """A lock for each key, and the runs that were created by keys within a day."""

    def __init__(self, redis: Redis, place: str) -> None:
        super().__init__()
        self._redis = redis
        self._place = place

    @override
    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold `key` while the block lasts, once no other call in any replica does."""
        lock = self._redis.lock(f"{self._place}:creating:{key}", timeout=LOCK_S, sleep=TRY_S, thread_local=False)
        async with super().held(key), anyio.create_task_group() as tasks:
            with without_redis("locking a request key"):
                await lock.acquire()
                tasks.start_soon(_keep, lock)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                with anyio.move_on_after(LEAVING_S, shield=True), without_redis("unlocking a request key"):
                    if lock.local.token:
                        await lock.release()

    @override
    async def run_of(self, key: str) -> str | None:
        """Return the id of the run that `key` created, if that was within a day."""
        with without_redis("looking up a request key"):
            run_id = await self._redis.get(f"{self._place}:created:{key}")
            return None if run_id is None else str(run_id)
        return None

    @override
    async def keep(self, key: str, run_id: str) -> None:
        """Keep the id of the run that `key` created for a day."""
        with without_redis("keeping a request key"):
            await self._redis.set(f"{self._place}:created:{key}", run_id, ex=KEPT_S)


async def _keep(lock: Lock) -> None:
    """Renew the lock until cancelled, since a create can take longer than `LOCK_S`."""
    while True:
        await anyio.sleep(RENEW_S)
        with without_redis("renewing the lock of a request key"):
            await lock.reacquire()
