"""State shared with other replicas, if the configuration names a Redis."""

from typing import TYPE_CHECKING

from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config

if TYPE_CHECKING:
    from runs_mcp.redis import Fleet


def fleet(config: Config) -> "Fleet | None":
    """The replicas that meet in the Redis of `server.redis_url`; None where it is not set.

    Raises:
        ConfigError: what that needs is not installed.
    """
    if config.server.redis_url is None:
        return None
    try:
        from runs_mcp.redis import Fleet  # noqa: PLC0415 - an extra, that others need not install
    except ModuleNotFoundError:
        raise ConfigError("server.redis_url: install runs-mcp[redis] to share by Redis.") from None
    return Fleet(config.server.redis_url.get_secret_value())
