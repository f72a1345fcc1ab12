"""`sandbox`, and `--sandbox`: the Runs API on this machine, alone or behind the server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, cast

import click
from pydantic import SecretStr

from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions, running
from runs_mcp.sandbox import serve as serve_sandbox

PROJECT = "sandbox"
EXCHANGE = {"composable": "/auth/token", "vertesia": "/token/issue"}


async def alone(*, host: str, port: int, data: Path | None, events: str) -> None:
    """Serve the Runs API until stopped."""
    options = SandboxOptions(data=data, events=cast(Literal["message", "chunk"], events))

    def tell(sandbox: Sandbox) -> None:
        click.echo(f"The Runs API is at {sandbox.url}/api/v1; its API key is {DEMO_KEY}.", err=True)

    await serve_sandbox(options, host=host, port=port, tell=tell)


async def behind(serve: Callable[[Config], Awaitable[None]], config: Config) -> None:
    """`serve` in front of a sandbox: with `config`, but for the API, in every profile."""
    async with running() as started:
        profiles = {
            name: one.model_copy(update={"api": _named(started.url, one.api)}) for name, one in config.profiles.items()
        }
        await serve(config.model_copy(update={"api": _named(started.url, config.api), "profiles": profiles}))


def _named(url: str, api: ApiSettings) -> ApiSettings:
    """`api`, but for a sandbox at `url`, and the project by which answers tell it."""
    return sandbox_api(url, api).model_copy(update={"project": PROJECT})


def sandbox_api(url: str, api: ApiSettings) -> ApiSettings:
    """`api`, but for a sandbox at `url` and its demo key."""
    auth = AuthSettings(kind="api_key", value=SecretStr(DEMO_KEY), token_url=url + EXCHANGE[api.edition])
    return api.model_copy(update={"base_url": f"{url}/api/v1", "auth": auth})
