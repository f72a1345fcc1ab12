"""Turns at polling runs: a single poll serves the subscribers of all replicas."""

from collections.abc import Iterable

from redis.asyncio import Redis

from runs_mcp.redis.connection import skip_if_redis_fails
from runs_mcp.server.runs.shared_state import OwnPollTurns
from runs_mcp.server.runs.uris import uris_of

KEPT_S = 3_600
MS_PER_S = 1_000


class RedisPollTurns:
    """Turns at polling a run, and the status that the last poll by any replica returned."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._own = OwnPollTurns()

    async def due(self, run_id: str, seconds: float) -> bool:
        """Return true if no replica has polled the run for `seconds`."""
        with skip_if_redis_fails("polling a run"):
            ms = max(round(seconds * MS_PER_S), 1)
            return bool(await self._redis.set(f"{self._prefix}:poll:{run_id}", "1", px=ms, nx=True))
        return True

    def uris_to_publish(self, run_id: str, subscribed: Iterable[str]) -> Iterable[str]:  # noqa: ARG002 - there are others
        """Return all URIs of the run, because other replicas may have subscribers to others."""
        return uris_of(run_id)

    async def changed(self, run_id: str, status: str) -> bool:
        """Return true if `status` differs from the status that the last poll by any replica returned."""
        # The local state is updated even if Redis answers, so that it is current if Redis fails later.
        changed = await self._own.changed(run_id, status)
        with skip_if_redis_fails("polling a run"):
            before = await self._redis.set(f"{self._prefix}:seen:{run_id}", status, ex=KEPT_S, get=True)
            return before is not None and before != status
        return changed

    def forget(self, run_id: str) -> None:
        """Forget the status of the run in this replica."""
        self._own.forget(run_id)
