"""The subscription bus shared by replicas: a change that any replica detects reaches the clients of all replicas."""

import anyio
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent
from redis.asyncio.client import PubSub
from typing_extensions import override

from runs_mcp.redis.connection import DEADLINE_S, GuardedRedis, skip_if_redis_fails

RETRY_S = 1.0


class RedisBus(InMemorySubscriptionBus):
    """A bus that publishes to the listeners of every replica."""

    def __init__(self, redis: GuardedRedis, channel: str) -> None:
        super().__init__()
        self.listening = anyio.Event()
        """Set after the first attempt to subscribe, even if it failed."""
        self._redis = redis
        self._channel = channel

    @override
    async def publish(self, event: ServerEvent) -> None:
        """Publish to all listeners; if Redis fails, to those of this replica."""
        if isinstance(event, ResourceUpdated):
            with skip_if_redis_fails("publishing a change"):
                await self._redis.publish(self._channel, event.uri)
                return  # `listen` delivers it to the listeners of this replica as well
        await super().publish(event)

    async def listen(self) -> None:
        """Publish the changes of all replicas, including this replica, until cancelled."""
        while True:
            with skip_if_redis_fails("listening for changes"):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await self._subscribe(subscription)
                    self.listening.set()
                    async for message in subscription.listen():
                        await super().publish(ResourceUpdated(uri=message["data"]))
            self.listening.set()
            await anyio.sleep(RETRY_S)

    async def _subscribe(self, subscription: PubSub) -> None:
        with self._redis.circuit.guard(DEADLINE_S):  # PubSub does not use the client's `execute_command`
            await subscription.subscribe(self._channel)
