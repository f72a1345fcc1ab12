"""Names that can be claimed once among all replicas."""

from redis.asyncio import Redis
from typing_extensions import override

from runs_mcp.redis.connection import skip_if_redis_fails
from runs_mcp.server.runs.shared_state import OwnSingleUse


class RedisSingleUse(OwnSingleUse):
    """Names claimed by any replica; without Redis, names claimed by this replica."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        super().__init__()
        self._redis = redis
        self._prefix = prefix

    @override
    async def claim(self, name: str, seconds: float) -> bool:
        """Claim `name`; return False if a replica did so within the last `seconds`."""
        # In this process too, so that a name claimed while Redis failed cannot be claimed again when it answers.
        first = await super().claim(name, seconds)
        with skip_if_redis_fails("claiming a sealed state"):
            key = f"{self._prefix}:used:{name}"
            return bool(await self._redis.set(key, "1", nx=True, ex=int(seconds) + 1)) and first
        return first
