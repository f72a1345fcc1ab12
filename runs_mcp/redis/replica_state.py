"""The state that replicas share in Redis for the callers of each profile."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio
from mcp.server.mcpserver import RequestStateSecurity
from redis import RedisError
from typing_extensions import override

from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.redis.connection import GuardedRedis
from runs_mcp.redis.leases import Leases
from runs_mcp.redis.poll_turns import RedisPollTurns
from runs_mcp.redis.rate_limits import RedisRateLimiter
from runs_mcp.redis.request_keys import RedisRequestKeys
from runs_mcp.redis.request_state import SharedKeyCodec
from runs_mcp.redis.single_use import RedisSingleUse
from runs_mcp.redis.start_counts import RedisStartCounts
from runs_mcp.redis.stream_relay import RedisRelay
from runs_mcp.redis.subscription_bus import RedisBus
from runs_mcp.server.runs.shared_state import SharedState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared(SharedState):
    """The state shared for the callers of one profile."""

    leases: Leases
    bus: RedisBus
    relay: RedisRelay
    codec: SharedKeyCodec

    @override
    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Count as alive and receive changes of other replicas for the duration of the block."""
        async with anyio.create_task_group() as tasks, self.leases.alive(tasks):
            for work in (self.bus.listen, self.relay.run, self.codec.keep_fetching):
                tasks.start_soon(work)
            await self.bus.listening.wait()
            yield
            tasks.cancel_scope.cancel()


class Replicas:
    """The replicas that share a Redis."""

    def __init__(self, url: str) -> None:
        """Raises: ConfigError: `url` is malformed."""
        with _usable():
            self._redis = GuardedRedis.connect(url)
        self._url = url

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reconnect to Redis whenever it fails, for the duration of the block; then close the connections."""
        async with self._redis, anyio.create_task_group() as tasks:
            tasks.start_soon(self._redis.keep_probing)
            yield
            tasks.cancel_scope.cancel()

    def shared_state(self, config: Config, profile: str | None) -> SharedState:
        """Return the state shared for callers of `profile`, whose settings are `config`."""
        redis, prefix = self._redis, _prefix(config, profile)
        leases = Leases(redis, prefix)
        codec = SharedKeyCodec(redis, f"{prefix}:request-state-key")
        return _Shared(
            leases=leases,
            bus=RedisBus(redis, f"{prefix}:changes"),
            relay=RedisRelay(redis, leases, prefix),
            poll_turns=RedisPollTurns(redis, prefix),
            request_keys=RedisRequestKeys(redis, prefix),
            single_use=RedisSingleUse(redis, prefix),
            start_counts=RedisStartCounts(redis, prefix),
            request_state=RequestStateSecurity(codec=codec),
            codec=codec,
        )

    def rate_limiter(self) -> RedisRateLimiter:
        """Return the limiter that counts the requests of a caller to all replicas together."""
        return RedisRateLimiter(self._redis)

    async def version(self) -> str:
        """Return the version of Redis.

        Raises:
            ConfigError: Redis cannot be reached.
        """
        with _usable():
            async with GuardedRedis.connect(self._url) as redis:
                about = await redis.info("server")
        return str(about.get("redis_version"))


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise ConfigError(f"server.redis_url: Redis cannot be used: {type(error).__name__}: {error}") from None


def _prefix(config: Config, profile: str | None) -> str:
    """Return the prefix of all keys of a profile. Profiles, and services for different APIs, share no keys."""
    # The braces are a hash tag: on a Redis Cluster all keys of a profile are in the same slot, which commands with
    # several keys require (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
    api = config.api
    identity = "\n".join([profile or "", api.edition, api.base_url or "", api.project or ""])
    return f"runs-mcp:{{{profile or ''}:{hashlib.sha256(identity.encode()).hexdigest()[:12]}}}"
