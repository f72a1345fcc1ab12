"""The key that seals the state of questions, shared so that any replica can receive the answer."""

import secrets
from typing import Any

import anyio
from mcp.server.request_state import AESGCMRequestStateCodec
from redis.asyncio import Redis

from runs_mcp.redis.connection import skip_if_redis_fails

RETRY_S = 1.0
REFRESH_S = 30.0
"""Seconds after which the key is fetched again: a Redis that has lost its data has another one, or none."""
MOST_KEYS = 5
"""Keys that are kept, the newest first. A question is answered within minutes, so older keys are of no use."""


class SharedKeyCodec:
    """A codec that seals state with the key in Redis, or with a key of this replica until that key is fetched."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._keys = [secrets.token_hex(32)]
        self._codec = AESGCMRequestStateCodec(self._keys)

    def seal(self, payload: bytes) -> str:
        """Return `payload` sealed."""
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        """Return the payload that was sealed with the shared key, or with an earlier key of this replica.

        Raises:
            InvalidRequestState: the payload was sealed with none of these keys.
        """
        return self._codec.unseal(token)

    async def keep_fetching(self) -> None:
        """Fetch the shared key again and again, until cancelled."""
        while True:
            pause = RETRY_S
            with skip_if_redis_fails("fetching the key of request states"):
                await self.fetch()
                pause = REFRESH_S
            await anyio.sleep(pause)

    async def fetch(self) -> None:
        """Fetch the shared key. If Redis has none, its key is that of the first replica that asks.

        Raises:
            RedisError, OSError, TimeoutError: Redis failed.
        """
        # Replicas that ask at the same time agree on one key: SET with NX lets only the first succeed.
        await self._redis.set(self._name, self._keys[0], nx=True)
        shared: Any = await self._redis.get(self._name)
        if shared and shared != self._keys[0]:
            # The first key seals, all of them unseal: state sealed before the exchange stays valid.
            self._keys = [shared, *(key for key in self._keys if key != shared)][:MOST_KEYS]
            self._codec = AESGCMRequestStateCodec(self._keys)
