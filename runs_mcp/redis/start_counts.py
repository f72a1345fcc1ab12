"""Counts of started runs shared by replicas: the runs that all of them start count together."""

from redis.asyncio import Redis

from runs_mcp.config.settings import CreateLimitSettings
from runs_mcp.redis.connection import skip_if_redis_fails
from runs_mcp.server.create.create_limit import LONGEST, MINUTE_S, Counts, OwnStartCounts, windows

# The algorithm of `OwnStartCounts`, by the clock of Redis. One key, so that it runs on a Redis Cluster and on Valkey.
TAKE = """
local minute = math.floor(redis.call('TIME')[1] / 60)
local counts = redis.call('HGETALL', KEYS[1])
for window = 2, #ARGV, 2 do
  local left = tonumber(ARGV[window + 1])
  for i = 1, #counts, 2 do
    if minute - counts[i] <= tonumber(ARGV[window]) then left = left - counts[i + 1] end
  end
  if left < 1 then return false end
end
for i = 1, #counts, 2 do
  if minute - counts[i] > tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], counts[i]) end
end
redis.call('HINCRBY', KEYS[1], minute, 1)
redis.call('EXPIRE', KEYS[1], (ARGV[1] + 2) * 60)
return minute
"""


class RedisStartCounts:
    """Counts in Redis; while Redis fails, those of this replica alone."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._key = f"{prefix}:started"
        self._own = OwnStartCounts()

    async def take(self, limit: CreateLimitSettings) -> int | None:
        """Count a run in Redis, and in this replica too, in case Redis fails later."""
        with skip_if_redis_fails("counting a started run"):
            limits = [number for window in windows(limit) for number in (window.minutes, window.most)]
            taken = await self._redis.eval(TAKE, 1, self._key, LONGEST, *limits)
            if taken is None:
                return None
            minute = int(taken)
            # If Redis has lost its data, this replica still knows the runs that it started.
            if self._own.count(limit, minute):
                return minute
            await self._redis.hincrby(self._key, str(minute), -1)
            return None
        return await self._own.take(limit)

    async def give_back(self, minute: int) -> None:
        """Take back a count of `minute`."""
        await self._own.give_back(minute)
        with skip_if_redis_fails("giving back the count of a run"):
            await self._redis.hincrby(self._key, str(minute), -1)

    async def read(self) -> tuple[int, Counts]:
        """Return the current minute, and the counts of all replicas; or of this replica, where they are higher."""
        own_minute, own = await self._own.read()
        with skip_if_redis_fails("reading the counts of started runs"):
            seconds, _ = await self._redis.time()
            shared = await self._redis.hgetall(self._key)
            counts = {int(at): max(int(count), own.get(int(at), 0)) for at, count in shared.items()}
            return int(seconds) // MINUTE_S, {**own, **counts}
        return own_minute, own
