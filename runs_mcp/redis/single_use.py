"""Names that can be claimed once among all replicas."""

from redis.asyncio import Redis

from runs_mcp.redis.connection import skip_if_redis_fails
from runs_mcp.server.runs.shared_state import OwnSingleUse


class RedisSingleUse:
    """Names claimed by any replica; without Redis, names claimed by this replica."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._own = OwnSingleUse()

    async def claim(self, name: str, seconds: float) -> bool:
        """Claim `name`; return False if a replica did so within the last `seconds`."""
        # In this process too, so that a name claimed while Redis failed cannot be claimed again when it answers.
        first = await self._own.claim(name, seconds)
        with skip_if_redis_fails("claiming a sealed state"):
            key = f"{self._prefix}:used:{name}"
            return bool(await self._redis.set(key, "1", nx=True, ex=int(seconds) + 1)) and first
        return first
