"""Going on without Redis."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from redis import RedisError

log = logging.getLogger(__name__)
FAILURES = (RedisError, OSError)


@contextmanager
def without_redis(doing: str) -> Iterator[None]:
    """Leave the block where Redis fails, and log what is done by this replica alone."""
    try:
        yield
    except FAILURES as error:
        log.warning("Redis failed while %s: %s; this replica goes on by itself", doing, type(error).__name__)
