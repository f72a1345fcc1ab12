"""Request keys shared by replicas: two replicas that receive the same request create a single run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from typing_extensions import override

from runs_mcp.redis.connection import without_redis
from runs_mcp.server.runs.shared_state import KeyedRun, OwnRequestKeys

KEPT_S = 86_400
LOCK_S = 6.0
"""Seconds after which the lock of a dead replica is released."""
RENEW_S = 2.0
TRY_S = 0.05
"""Seconds between two attempts to take a lock."""
LEAVING_S = 2.0


class RedisRequestKeys(OwnRequestKeys):
    """A lock for each key, and the runs that keys created within the last day."""

    def __init__(self, redis: Redis, place: str) -> None:
        super().__init__()
        self._redis = redis
        self._place = place

    @override
    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold `key` for the duration of the block, after all other calls in all replicas have released it."""
        lock = self._redis.lock(f"{self._place}:creating:{key}", timeout=LOCK_S, sleep=TRY_S, thread_local=False)
        async with super().held(key), anyio.create_task_group() as tasks:
            # If Redis fails, the block runs with the lock of this process alone; the tag of the run still prevents a
            # second run in most cases.
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
    async def find(self, key: str) -> KeyedRun | None:
        """Return the run that `key` created within the last day."""
        with without_redis("looking up a request key"):
            kept = await self._redis.get(f"{self._place}:created:{key}")
            request, _, run_id = str(kept or "").partition(" ")
            return KeyedRun(run_id, request) if run_id else None
        return await super().find(key)

    @override
    async def keep(self, key: str, run: KeyedRun) -> None:
        """Remember the run that `key` created for a day."""
        await super().keep(key, run)
        with without_redis("keeping a request key"):
            await self._redis.set(f"{self._place}:created:{key}", f"{run.request} {run.run_id}", ex=KEPT_S)


async def _keep(lock: Lock) -> None:
    """Renew the lock until cancelled, since a create can take longer than `LOCK_S`."""
    while True:
        await anyio.sleep(RENEW_S)
        with without_redis("renewing the lock of a request key"):
            await lock.reacquire()
