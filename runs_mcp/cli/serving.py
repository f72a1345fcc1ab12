"""`serve` and `sandbox`: the server, the sandbox, or the one in front of the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, cast

import click
from pydantic import SecretStr

from runs_mcp.api import connect
from runs_mcp.config import ApiSettings, AuthSettings, Config
from runs_mcp.sandbox import DEMO_KEY, SandboxOptions, running
from runs_mcp.sandbox import serve as serve_sandbox
from runs_mcp.server import build_server, hosting

EXCHANGE = {"composable": "/auth/token", "vertesia": "/token/issue"}


async def stdio(config: Config, *, sandbox: bool) -> None:
    """Serve one MCP client over standard input and output.

    Raises:
        ConfigError, CredentialError: the configuration cannot work.
    """
    async with _fronted(config, sandbox=sandbox) as ready:
        await hosting.serve_stdio(build_server(ready))


async def http(config: Config, *, host: str, port: int, sandbox: bool) -> None:
    """Serve MCP clients over streamable HTTP.

    Raises:
        ConfigError, CredentialError: the configuration cannot work.
    """
    async with _fronted(config, sandbox=sandbox) as ready:
        await hosting.serve_http(build_server(ready), host=host, port=port)


async def sandbox(*, host: str, port: int, data: Path | None, events: str) -> None:
    """Serve the Runs API alone, until stopped."""
    options = SandboxOptions(data=data, events=cast(Literal["message", "chunk"], events))
    click.echo(f"The Runs API is at http://{host}:{port}/api/v1; its API key is {DEMO_KEY}.", err=True)
    await serve_sandbox(options, host=host, port=port)


@asynccontextmanager
async def _fronted(config: Config, *, sandbox: bool) -> AsyncIterator[Config]:
    """The configuration to serve: as it is once its credential can be read, or in front of a sandbox."""
    if not sandbox:
        connect(config.api)
        yield config
        return
    async with running() as started:
        yield config.model_copy(update={"api": sandbox_api(started.url, config.api)})


def sandbox_api(url: str, api: ApiSettings) -> ApiSettings:
    """`api`, but for a sandbox at `url` and its demo key."""
    auth = AuthSettings(kind="api_key", value=SecretStr(DEMO_KEY), token_url=url + EXCHANGE[api.edition])
    return api.model_copy(update={"base_url": f"{url}/api/v1", "auth": auth})
