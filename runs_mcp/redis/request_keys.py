"""Request keys shared by replicas: two replicas that receive the same request create a single run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from runs_mcp.redis.connection import skip_if_redis_fails
from runs_mcp.server.runs.shared_state import KeyedRun, OwnRequestKeys

KEPT_S = 86_400
LOCK_S = 6.0
"""Seconds after which the lock of a dead replica is released."""
RENEW_S = 2.0
TRY_S = 0.05
"""Seconds between two attempts to take a lock."""
LEAVING_S = 2.0


class RedisRequestKeys:
    """A lock for each key, and the runs that keys created within the last day."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._own = OwnRequestKeys()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold `key` for the duration of the block, after all other calls in all replicas have released it."""
        lock = self._redis.lock(f"{self._prefix}:creating:{key}", timeout=LOCK_S, sleep=TRY_S, thread_local=False)
        async with self._own.held(key), _locked(lock):
            yield

    async def find(self, key: str) -> KeyedRun | None:
        """Return the run that `key` created within the last day, or that this process remembers."""
        with skip_if_redis_fails("looking up a request key"):
            kept = await self._redis.get(f"{self._prefix}:created:{key}")
            request, _, run_id = str(kept or "").partition(" ")
            if run_id:
                return KeyedRun(run_id, request)
        # Redis fails, failed when the run was created, or has lost its data since.
        return await self._own.find(key)

    async def keep(self, key: str, run: KeyedRun) -> None:
        """Remember for a day the run that `key` created."""
        await self._own.keep(key, run)  # in this process too, in case Redis fails before the next `find`
        with skip_if_redis_fails("keeping a request key"):
            await self._redis.set(f"{self._prefix}:created:{key}", f"{run.request} {run.run_id}", ex=KEPT_S)


@asynccontextmanager
async def _locked(lock: Lock) -> AsyncIterator[None]:
    """Hold `lock` for the duration of the block.

    If Redis fails, the block runs without it: the tag of the run still prevents a second run in most cases.
    """
    failure = None
    async with anyio.create_task_group() as tasks:
        with skip_if_redis_fails("locking a request key"):
            await lock.acquire()
            tasks.start_soon(_renew, lock)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, outside of the task group's ExceptionGroup
            failure = error
        finally:
            tasks.cancel_scope.cancel()
            await _release(lock)
    if failure:
        raise failure


async def _release(lock: Lock) -> None:
    with anyio.move_on_after(LEAVING_S, shield=True), skip_if_redis_fails("unlocking a request key"):
        if lock.local.token:  # None if Redis failed before the lock was acquired
            await lock.release()


async def _renew(lock: Lock) -> None:
    """Renew the lock until cancelled, since a create can take longer than `LOCK_S`."""
    # A longer `LOCK_S` instead would block a request key for that long after a replica has died.
    while True:
        await anyio.sleep(RENEW_S)
        with skip_if_redis_fails("renewing the lock of a request key"):
            await lock.reacquire()
