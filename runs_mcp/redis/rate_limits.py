"""Rate limits of a fleet: what a caller asks of all replicas counts together."""

from redis.asyncio import Redis

from runs_mcp.http.limits import MINUTE_S, TokenBuckets
from runs_mcp.redis.fallback import without_redis

# As `TokenBuckets`: when the bucket will be full again is all there is to know of it. By the clock of Redis.
WAIT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + ARGV[1] / ARGV[2]
local wait = full_at - now - ARGV[1]
if wait > 0 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'EX', ARGV[1])
return '0'
"""


class RedisRates:
    """A bucket for each caller, kept in Redis; and one of this replica's for when that fails."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._own = TokenBuckets()

    async def wait_s(self, caller: str, per_minute: int) -> float:
        """Take one of a caller's `per_minute` requests, and answer 0; or the seconds until there is one to take."""
        with without_redis("limiting a caller"):
            return float(await self._redis.eval(WAIT, 1, f"runs-mcp:rate:{caller}", MINUTE_S, per_minute))
        return await self._own.wait_s(caller, per_minute)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()
