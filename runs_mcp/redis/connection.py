"""The connection to Redis: each command has a deadline, and a circuit breaker stops commands while Redis fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import anyio
from redis import ConnectionError as RedisConnectionError
from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from typing_extensions import override

log = logging.getLogger(__name__)

DEADLINE_S = 2.0
"""Maximum seconds for a command, including connecting: long enough that the delays of a busy process do not count."""
BLOCK_MS = 1_000
"""Milliseconds for which a read of streams waits for entries. Its deadline is extended by the same time."""
MOST_AT_ONCE = 16
"""Commands in progress; others wait. Without this limit, a burst of commands would open a connection for each."""
MOST_CONNECTIONS = 10_000
"""Those of a Redis by default. Each profile keeps two connections that do not count as commands in progress."""
PROBE_S = 1.0
"""Seconds between two attempts to reach a Redis that does not answer."""
FAILURES = (RedisError, OSError, TimeoutError)


class CircuitOpenError(RedisConnectionError):
    """The command was not sent, because Redis did not answer a moment ago."""


class CircuitBreaker:
    """A circuit breaker, open while Redis does not answer: commands then fail at once instead of after their deadline.

    https://learn.microsoft.com/en-us/azure/architecture/patterns/circuit-breaker
    """

    def __init__(self) -> None:
        self.open = False
        self._closed = 0
        """Number of times that the circuit was closed."""

    def close(self) -> None:
        """Close the circuit: Redis answers again."""
        self.open = False
        self._closed += 1

    @contextmanager
    def guard(self, deadline_s: float) -> Iterator[None]:
        """Run the block within `deadline_s` seconds, and open the circuit if Redis fails to answer.

        Raises:
            CircuitOpenError: the circuit is open.
            TimeoutError: Redis did not answer in time.
        """
        if self.open:
            raise CircuitOpenError("Redis did not answer")
        closed = self._closed
        try:
            with anyio.fail_after(deadline_s):
                yield
        except (RedisConnectionError, OSError, TimeoutError):
            # An attempt from before the circuit was closed says nothing about the Redis that answers now.
            if closed == self._closed:
                self.open = True
            raise


class GuardedRedis(Redis):
    """A Redis client behind a circuit breaker, which `keep_probing` closes again."""

    circuit: CircuitBreaker
    slots: anyio.Semaphore

    @classmethod
    def connect(cls, url: str) -> "GuardedRedis":
        """Return a client of the Redis at `url`; it connects when it is used.

        Raises:
            ValueError: `url` is malformed.
        """
        # A single retry, for a pooled connection that Redis has closed. A command that timed out is not retried, since
        # that would double the deadline.
        retry = Retry(ConstantBackoff(0), 1, supported_errors=(RedisConnectionError,))
        client = cast(
            "GuardedRedis",
            # With RESP3, XREAD returns a dictionary instead of pairs.
            cls.from_url(
                url,
                decode_responses=True,
                protocol=2,
                retry=retry,
                socket_keepalive=True,
                max_connections=MOST_CONNECTIONS,
            ),
        )
        client.circuit = CircuitBreaker()
        client.slots = anyio.Semaphore(MOST_AT_ONCE, fast_acquire=True)
        return client

    @override
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return the response.

        Raises:
            RedisError, OSError, TimeoutError: the command failed.
        """
        if args[0] == "XREAD":
            with self.circuit.guard(DEADLINE_S + BLOCK_MS / 1_000):
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        # The deadline begins after the wait: a wait is no failure of Redis.
        async with self.slots:
            with self.circuit.guard(DEADLINE_S):
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    async def send(self, pipe: Pipeline) -> list[Any]:
        """Send the commands of a pipeline, and return the responses.

        Raises:
            RedisError, OSError, TimeoutError: the commands failed.
        """
        async with self.slots:
            with self.circuit.guard(DEADLINE_S):
                return await pipe.execute()

    async def keep_probing(self) -> None:
        """Try to reach a Redis that does not answer, until cancelled, and close the circuit when it does."""
        while True:
            await anyio.sleep(PROBE_S)
            if self.circuit.open:
                try:
                    with anyio.fail_after(DEADLINE_S):
                        await super().execute_command("PING")  # type: ignore[no-untyped-call]
                except FAILURES:
                    continue
                self.circuit.close()
                log.info("Redis answers again")


@contextmanager
def skip_if_redis_fails(activity: str) -> Iterator[None]:
    """Leave the block if Redis fails, and log the interrupted `activity`; the code after the block is the fallback."""
    try:
        yield
    except CircuitOpenError:
        pass  # logged when the circuit opened
    except FAILURES as error:
        log.warning("Redis failed while %s: %s; this replica continues alone", activity, type(error).__name__)
