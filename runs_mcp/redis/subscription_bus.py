"""The subscription bus of a fleet: what one replica sees change, the clients of all are told."""

import anyio
from anyio.abc import TaskStatus
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent
from redis.asyncio import Redis
from typing_extensions import override

from runs_mcp.redis.fallback import without_redis

AGAIN_S = 1.0


class RedisBus(InMemorySubscriptionBus):
    """Tells the listeners of every replica."""

    def __init__(self, redis: Redis, channel: str) -> None:
        super().__init__()
        self._redis = redis
        self._channel = channel

    @override
    async def publish(self, event: ServerEvent) -> None:
        """Tell all listeners, as the SDK says; only those of this replica where Redis fails."""
        if isinstance(event, ResourceUpdated):
            with without_redis("telling of a change"):
                await self._redis.publish(self._channel, event.uri)
                return
        await super().publish(event)

    async def listen(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Hear what the replicas tell, this one included, until cancelled."""
        begun = False
        while True:
            with without_redis("hearing of changes"):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(self._channel)
                    if not begun:
                        task_status.started()
                        begun = True
                    async for message in heard.listen():
                        await super().publish(ResourceUpdated(uri=message["data"]))
            await anyio.sleep(AGAIN_S)
