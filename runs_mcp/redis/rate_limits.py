"""Rate limits shared by replicas: the requests of a caller to all of them count together."""

from redis.asyncio import Redis

from runs_mcp.gcra import MINUTE_S, GcraLimiter
from runs_mcp.redis.connection import skip_if_redis_fails

# The algorithm of `GcraLimiter` as a script, because reading and writing must be atomic. It uses the clock of Redis,
# since those of replicas differ, and a single key, so that it runs on a Redis Cluster and on Valkey.
GCRA = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local cost = ARGV[1] * math.min(ARGV[3], ARGV[2]) / ARGV[2]
local after = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + cost
local wait = after - now - ARGV[1]
if wait > 0 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', after), 'EX', ARGV[1])
return '0'
"""


class RedisRateLimiter:
    """A limiter in Redis, replaced by a limiter of this process while Redis fails."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._own = GcraLimiter()

    async def wait_s(self, caller: str, per_minute: int, cost: int = 1) -> float:
        """Count a request; see `RateLimiter`."""
        with skip_if_redis_fails("counting a request"):
            key = f"runs-mcp:rate:{caller}"
            return float(await self._redis.eval(GCRA, 1, key, MINUTE_S, per_minute, cost))
        return await self._own.wait_s(caller, per_minute, cost)
