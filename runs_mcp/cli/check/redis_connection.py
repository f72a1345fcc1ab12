"""The check of the Redis that replicas of `serve --http` share."""

from urllib.parse import unquote, urlsplit

from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Finding, check, ok
from runs_mcp.http.replicas import connect_replicas


@check("redis", after=("configuration",))
async def redis(state: Examination) -> Finding:
    """Connect to the Redis of `server.redis_url`, if that is set."""
    url = state.config.server.redis_url
    if url is None:
        return ok("not used: server.redis_url is not set", used=False)
    if password := urlsplit(url.get_secret_value()).password:
        state.secrets.add(unquote(password))
    replicas = connect_replicas(state.config)
    version = await replicas.version() if replicas else None
    return ok(f"Redis {version} answers", used=True, version=version)
