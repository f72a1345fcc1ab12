"""The key that seals the state of questions, shared so that any replica can receive the answer."""

import secrets

import anyio
from mcp.server.request_state import AESGCMRequestStateCodec
from redis.asyncio import Redis

from runs_mcp.redis.connection import skip_if_redis_fails

RETRY_S = 1.0


class SharedKeyCodec:
    """A codec that seals state with the key in Redis, or with a key of this replica until the former is fetched."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._own = secrets.token_hex(32)
        self._codec = AESGCMRequestStateCodec([self._own])

    def seal(self, payload: bytes) -> str:
        """Return `payload` sealed."""
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        """Return the payload that was sealed with the shared key, or with the key of this replica.

        Raises:
            InvalidRequestState: the payload was sealed with neither key.
        """
        return self._codec.unseal(token)

    async def fetch(self) -> None:
        """Fetch the shared key as soon as Redis answers; the first replica creates it."""
        while True:
            with skip_if_redis_fails("fetching the key of request states"):
                # Replicas that start at the same time agree on one key: SET with NX lets only the first succeed.
                await self._redis.set(self._name, self._own, nx=True)
                shared = str(await self._redis.get(self._name))
                # The first key seals, all of them unseal: state sealed before the exchange stays valid.
                ring = [shared] if shared == self._own else [shared, self._own]
                self._codec = AESGCMRequestStateCodec(ring)
                return
            await anyio.sleep(RETRY_S)
