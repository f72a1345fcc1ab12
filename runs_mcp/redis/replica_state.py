"""Connecting to Redis, and what is shared there by the callers of each profile."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.mcpserver import RequestStateSecurity
from redis import Redis as BlockingRedis
from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from typing_extensions import override

from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.redis.leases import Leases
from runs_mcp.redis.poll_turns import RedisLooks
from runs_mcp.redis.rate_limits import RedisRates
from runs_mcp.redis.request_keys import RedisRequestKeys
from runs_mcp.redis.single_use import RedisSingleUse
from runs_mcp.redis.stream_relay import RedisRelay
from runs_mcp.redis.subscription_bus import RedisBus
from runs_mcp.server.runs.shared_state import Sharing

_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 2.0, "socket_timeout": 5.0}
AGAIN = ConstantBackoff(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared(Sharing):
    """What the replicas share for the callers of one profile."""

    leases: Leases
    bus: RedisBus
    relay: RedisRelay
    redis: Redis

    @override
    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be alive, hear and read while the block lasts."""
        async with self.redis, anyio.create_task_group() as tasks, self.leases.alive(tasks):
            await tasks.start(self.bus.listen)
            tasks.start_soon(self.relay.run)
            yield
            tasks.cancel_scope.cancel()


class Fleet:
    """The replicas that share a Redis."""

    def __init__(self, url: str) -> None:
        self._url = url

    def sharing(self, config: Config, profile: str | None) -> Sharing:
        """What this replica shares with the others for callers of `profile`, whose settings `config` holds.

        Raises:
            ConfigError: Redis cannot be reached.
        """
        with _usable():
            return self._sharing(_place(config, profile))

    async def version(self) -> str:
        """Which Redis it is.

        Raises:
            ConfigError: it cannot be reached.
        """
        with _usable():
            async with self._redis() as redis:
                about = await redis.info("server")
        return str(about.get("redis_version"))

    def _sharing(self, place: str) -> Sharing:
        redis = self._redis()
        leases = Leases(redis, place)
        return _Shared(
            redis=redis,
            leases=leases,
            bus=RedisBus(redis, f"{place}:changes"),
            relay=RedisRelay(redis, leases, place),
            looks=RedisLooks(redis, place),
            request_keys=RedisRequestKeys(redis, leases, place),
            single_use=RedisSingleUse(redis, place),
            request_state=RequestStateSecurity(keys=[self._key(f"{place}:request-state-key")]),
        )

    def rates(self) -> RedisRates:
        """Counts what callers ask for, of all replicas together."""
        return RedisRates(self._redis())

    def _redis(self) -> Redis:
        return Redis.from_url(self._url, decode_responses=True, protocol=2, retry=Retry(AGAIN, 1), **_TIMEOUTS)

    def _key(self, name: str) -> str:
        """The key that all replicas seal by, which the first of them makes."""
        with BlockingRedis.from_url(self._url, decode_responses=True, **_TIMEOUTS) as redis:
            redis.set(name, secrets.token_hex(32), nx=True)
            return str(redis.get(name))


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, ValueError) as error:
        raise ConfigError(f"server.redis_url: Redis cannot be used: {type(error).__name__}: {error}") from None


def _place(config: Config, profile: str | None) -> str:
    """Where in Redis the callers of a profile meet: they share nothing with those of others, or of another API."""
    api = config.api
    said = "\n".join([profile or "", api.edition, api.base_url or "", api.project or ""])
    return f"runs-mcp:{profile or ''}:{hashlib.sha256(said.encode()).hexdigest()[:12]}"
