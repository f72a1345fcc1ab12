"""The key that seals the state of questions: one for all replicas, so that any of them can take the answer."""

import secrets

import anyio
from mcp.server.request_state import AESGCMRequestStateCodec
from redis.asyncio import Redis

from runs_mcp.redis.connection import without_redis

AGAIN_S = 1.0


class SharedKeyCodec:
    """Seals by the key in Redis; before that is fetched, by a key that this replica alone has."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._own = secrets.token_hex(32)
        self._codec = AESGCMRequestStateCodec([self._own])

    def seal(self, payload: bytes) -> str:
        """Return `payload` sealed."""
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        """Return what was sealed, by this key or by this replica before it had the key.

        Raises:
            InvalidRequestState: it was not sealed by either.
        """
        return self._codec.unseal(token)

    async def fetch(self) -> None:
        """Fetch the shared key, which the first replica makes, as soon as Redis answers."""
        while True:
            with without_redis("fetching the key of request states"):
                await self._redis.set(self._name, self._own, nx=True)
                shared = str(await self._redis.get(self._name))
                ring = [shared] if shared == self._own else [shared, self._own]
                self._codec = AESGCMRequestStateCodec(ring)
                return
            await anyio.sleep(AGAIN_S)
