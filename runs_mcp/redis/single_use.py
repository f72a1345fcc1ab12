"""Names that can be claimed once among all replicas."""

from redis.asyncio import Redis
from typing_extensions import override

from runs_mcp.redis.connection import without_redis
from runs_mcp.server.runs.shared_state import OwnSingleUse


class RedisSingleUse(OwnSingleUse):
    """Names claimed by any replica; without Redis, names claimed by this replica."""

    def __init__(self, redis: Redis, place: str) -> None:
        super().__init__()
        self._redis = redis
        self._place = place

    @override
    async def claim(self, name: str, seconds: float) -> bool:
        """Claim `name`; return False if a replica did so within the last `seconds`."""
        first = await super().claim(name, seconds)
        with without_redis("claiming a sealed state"):
            key = f"{self._place}:used:{name}"
            return bool(await self._redis.set(key, "1", nx=True, ex=int(seconds) + 1)) and first
        return first
