"""`serve`: the MCP server over standard input and output, or over HTTP."""

from runs_mcp.api import connect
from runs_mcp.config.settings import Config
from runs_mcp.observability import tracing
from runs_mcp.server import build_server
from runs_mcp.server.observers import NO_OBSERVERS, Observers
from runs_mcp.server.stdio import serve_stdio


async def stdio(config: Config) -> None:
    """Serve one MCP client over standard input and output.

    Raises:
        ConfigError, CredentialError: the configuration cannot work.
    """
    connect(config.api)  # a credential that is not there is better said now than at the first call
    observers = Observers(exchanges=[tracing.traced], spans=True) if tracing.start() else NO_OBSERVERS
    await serve_stdio(build_server(config, observers))


async def http(config: Config, *, host: str, port: int) -> None:
    """Serve MCP clients over streamable HTTP.

    Raises:
        ConfigError, CredentialError: the configuration cannot work.
    """
    from runs_mcp.http import listener as service  # noqa: PLC0415 - stdio need not wait for what only HTTP needs

    await service.serve(config, host=host, port=port)
