"""The optional state that replicas share in Redis."""

from typing import TYPE_CHECKING

from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config

if TYPE_CHECKING:
    from runs_mcp.redis import Replicas  # needs the extra `redis`, which most installations lack


def connect_replicas(config: Config) -> "Replicas | None":
    """Return the replicas that share the Redis of `server.redis_url`; None if it is not set.

    Raises:
        ConfigError: the extra `redis` is not installed.
    """
    if config.server.redis_url is None:
        return None
    try:
        from runs_mcp.redis import Replicas  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError:
        raise ConfigError("server.redis_url: install runs-mcp[redis] to share state in Redis.") from None
    return Replicas(config.server.redis_url.get_secret_value())
