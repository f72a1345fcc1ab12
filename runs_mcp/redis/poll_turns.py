"""Looking at watched runs in turns: one look serves the watchers of all replicas."""

from collections.abc import Iterable

from redis.asyncio import Redis
from typing_extensions import override

from runs_mcp.redis.fallback import without_redis
from runs_mcp.server.runs.shared_state import OwnLooks
from runs_mcp.server.runs.uris import uris_of

KEPT_S = 3_600
MS_PER_S = 1_000


class RedisLooks(OwnLooks):
    """Turns at looking, and what was seen last by whichever replica."""

    def __init__(self, redis: Redis, place: str) -> None:
        super().__init__()
        self._redis = redis
        self._place = place

    @override
    async def due(self, run_id: str, seconds: float) -> bool:
        """Whether no replica has looked for so many `seconds`."""
        with without_redis("watching a run"):
            ms = max(round(seconds * MS_PER_S), 1)
            return bool(await self._redis.set(f"{self._place}:look:{run_id}", "1", px=ms, nx=True))
        return True

    @override
    def told_of(self, run_id: str, watched: Iterable[str]) -> Iterable[str]:
        """All there are: other replicas may watch the run by others."""
        return uris_of(run_id)

    @override
    async def changed(self, run_id: str, status: str) -> bool:
        """Whether `status` is not what whoever looked last saw."""
        here = await super().changed(run_id, status)
        with without_redis("watching a run"):
            before = await self._redis.set(f"{self._place}:seen:{run_id}", status, ex=KEPT_S, get=True)
            return before is not None and before != status
        return here
