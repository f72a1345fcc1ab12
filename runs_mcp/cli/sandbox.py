"""The `sandbox` command and the `--sandbox` option: a local imitation of the Runs API, alone or behind the server."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, cast

import click
from pydantic import SecretStr

from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions, closed_operations, running
from runs_mcp.sandbox import serve as serve_sandbox

PROJECT = "sandbox"
EXCHANGE = {"composable": "/auth/token", "vertesia": "/token/issue"}


def options(
    *, data: Path | None, events: str, runs: int, seed: int, odd_interactions: bool, closed: Sequence[str]
) -> SandboxOptions:
    """Return the options of a sandbox from those of the command line.

    Raises:
        ValueError: An element of `closed` is not an operation, optionally followed by `=` and a status.
    """
    return SandboxOptions(
        data=data,
        seed_runs=runs,
        seed=seed,
        events=cast(Literal["message", "chunk"], events),
        odd_interactions=odd_interactions,
        answers=closed_operations(closed),
    )


async def alone(options: SandboxOptions, *, host: str, port: int) -> None:
    """Serve a sandbox until the process is told to stop."""

    def tell(sandbox: Sandbox) -> None:
        click.echo(f"The Runs API is at {sandbox.url}/api/v1; its API key is {DEMO_KEY}.", err=True)

    await serve_sandbox(options, host=host, port=port, tell=tell)


async def behind(serve: Callable[[Config], Awaitable[None]], config: Config) -> None:
    """Call `serve` with a running sandbox in place of the API of `config` and of each of its profiles."""
    async with running() as started:
        profiles = {
            name: one.model_copy(update={"api": _named(started.url, one.api)}) for name, one in config.profiles.items()
        }
        await serve(config.model_copy(update={"api": _named(started.url, config.api), "profiles": profiles}))


def _named(url: str, api: ApiSettings) -> ApiSettings:
    """Return `api` for a sandbox at `url`, with a project that names it in answers."""
    return sandbox_api(url, api).model_copy(update={"project": PROJECT})


def sandbox_api(url: str, api: ApiSettings) -> ApiSettings:
    """Return `api` for a sandbox at `url`, with its demo key."""
    auth = AuthSettings(kind="api_key", value=SecretStr(DEMO_KEY), token_url=url + EXCHANGE[api.edition])
    return api.model_copy(update={"base_url": f"{url}/api/v1", "auth": auth})
