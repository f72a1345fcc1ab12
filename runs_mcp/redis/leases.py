"""Leases: a replica holds a name for as long as it is alive.

A lease is a key with the id of its holder. The holder is alive while its own key exists, which it renews every second.
A lock (`redis.lock.Lock`) would have to be renewed for each name, and a replica can lead a thousand runs.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from redis.asyncio import Redis

from runs_mcp.redis.connection import skip_if_redis_fails

BEAT_S = 1.0
ALIVE_S = 5
"""Seconds after its last renewal until a replica counts as dead. Several renewals may be lost or late before that."""
LEAVING_S = 2.0
HELD_S = 86_400
"""Seconds after which a lease ends even if its holder is alive, so that no key stays forever."""
# Compare-and-set, since another replica may take the lease between GET and SET. Each script uses a single key, so it
# runs on a Redis Cluster and on Valkey.
REPLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of a name."""

    holder: str
    """The id of the replica that holds it."""
    is_first: bool
    """True if no replica held the name before."""


class Leases:
    """The leases of this replica, and the check whether other replicas are alive."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._alive_prefix = f"{prefix}:lives:"
        self.replica = uuid4().hex
        """The id of this replica."""

    @asynccontextmanager
    async def alive(self, tasks: TaskGroup) -> AsyncIterator[None]:
        """Count as alive for the duration of the block."""
        await self._beat()
        tasks.start_soon(self._keep_beating)
        try:
            yield
        finally:
            # Shielded, since the task is cancelled at this point. Without the deletion others would wait `ALIVE_S`.
            with anyio.move_on_after(LEAVING_S, shield=True), skip_if_redis_fails("leaving"):
                await self._redis.delete(self._alive_prefix + self.replica)

    async def take(self, name: str) -> Lease:
        """Return the lease of `name`. If no living replica holds it, this replica takes it.

        Raises:
            RedisError, OSError, TimeoutError: Redis failed.
        """
        # In a loop, because a lease can end or change hands between two commands.
        while not await self._redis.set(name, self.replica, nx=True, ex=HELD_S):
            holder: Any = await self._redis.get(name)
            if holder == self.replica or (holder and await self._redis.exists(self._alive_prefix + holder)):
                return Lease(str(holder), is_first=False)
            if holder and await self._redis.eval(REPLACE, 1, name, holder, self.replica, HELD_S):
                return Lease(self.replica, is_first=False)
        return Lease(self.replica, is_first=True)

    async def release(self, name: str) -> None:
        """Release `name`. If Redis fails, the lease ends when this replica ends."""
        with anyio.move_on_after(LEAVING_S, shield=True), skip_if_redis_fails("releasing a lease"):
            await self._redis.eval(RELEASE, 1, name, self.replica)

    async def living_holders(self, names: Sequence[str]) -> Sequence[str | None]:
        """Return the living replica that holds each of `names`, or None.

        Raises:
            RedisError, OSError, TimeoutError: Redis failed.
        """
        if not names:
            return []
        holders: Any = await self._redis.mget(names)
        # Once for each replica, not for each name: a few replicas hold a thousand leases.
        alive = {holder for holder in set(holders) if holder and await self._redis.exists(self._alive_prefix + holder)}
        return [holder if holder in alive else None for holder in holders]

    async def _keep_beating(self) -> None:
        while True:
            await anyio.sleep(BEAT_S)
            await self._beat()

    async def _beat(self) -> None:
        with skip_if_redis_fails("renewing the key of this replica"):
            await self._redis.set(self._alive_prefix + self.replica, "1", ex=ALIVE_S)
