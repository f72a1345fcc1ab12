"""`runs-mcp sandbox` and `--sandbox`: a local imitation of the Runs API, alone or behind the server."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Literal, cast

import click
from pydantic import SecretStr

from runs_mcp.cli.process import run
from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.observability import logs
from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions, running
from runs_mcp.sandbox import serve as serve_sandbox

PROJECT = "sandbox"
EXCHANGE = {"composable": "/auth/token", "vertesia": "/token/issue"}


@click.command(short_help="Start a local imitation of the Runs API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="Port to serve on.")
@click.option("--data", type=click.Path(path_type=Path), help="File to keep the runs in. Default: memory only.")
@click.option(
    "--events",
    type=click.Choice(["message", "chunk"]),
    default="message",
    show_default=True,
    help="Name of the chunk events in streams: that of the platform (message) or of its reference document (chunk).",
)
def sandbox(*, host: str, port: int, data: Path | None, events: str) -> None:
    """Start a local imitation of the Runs API with about 200 runs; no model is called, nothing is billed.

    Its base URL is http://HOST:PORT/api/v1, its demo API key sk-sandbox-demo.
    """
    logs.configure("info")
    run(partial(_serve_alone, host=host, port=port, data=data, events=events), addresses=[f"{host}:{port} (--port)"])


async def _serve_alone(*, host: str, port: int, data: Path | None, events: str) -> None:
    options = SandboxOptions(data=data, events=cast(Literal["message", "chunk"], events))

    def announce(started: Sandbox) -> None:
        click.echo(f"The sandbox is at {started.url}/api/v1; its API key is {DEMO_KEY}.", err=True)

    await serve_sandbox(options, host=host, port=port, tell=announce)


async def behind(serve: Callable[[Config], Awaitable[None]], config: Config) -> None:
    """Call `serve` with `config`, changed so that it and each of its profiles use a sandbox."""
    async with running() as started:
        profiles = {
            name: profile.model_copy(update={"api": _with_project(started.url, profile.api)})
            for name, profile in config.profiles.items()
        }
        await serve(config.model_copy(update={"api": _with_project(started.url, config.api), "profiles": profiles}))


def _with_project(url: str, api: ApiSettings) -> ApiSettings:
    """Return `api` for a sandbox at `url`, in the project that marks answers as the sandbox's."""
    return sandbox_api(url, api).model_copy(update={"project": PROJECT})


def sandbox_api(url: str, api: ApiSettings) -> ApiSettings:
    """Return `api` with the base URL and the demo key of a sandbox at `url`."""
    auth = AuthSettings(kind="api_key", value=SecretStr(DEMO_KEY), token_url=url + EXCHANGE[api.edition])
    return api.model_copy(update={"base_url": f"{url}/api/v1", "auth": auth})
