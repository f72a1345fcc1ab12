"""A sandbox in place of the Runs API that a configuration names."""

from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import DEMO_KEY, running

PROJECT = "sandbox"
EXCHANGE = {"composable": "/auth/token", "vertesia": "/token/issue"}
"""Paths at which API keys are exchanged for tokens, by edition."""


async def run_with_sandbox(work: Callable[[Config], Awaitable[None]], config: Config) -> None:
    """Start a sandbox, and call `work` with `config` changed so that it and each of its profiles use the sandbox."""
    async with running() as started:
        profiles = {
            name: profile.model_copy(update={"api": _with_project(started.url, profile.api)})
            for name, profile in config.profiles.items()
        }
        await work(config.model_copy(update={"api": _with_project(started.url, config.api), "profiles": profiles}))


def _with_project(url: str, api: ApiSettings) -> ApiSettings:
    """Return `api` for a sandbox at `url`, with a project whose name shows that answers come from a sandbox."""
    return sandbox_api(url, api).model_copy(update={"project": PROJECT})


def sandbox_api(url: str, api: ApiSettings) -> ApiSettings:
    """Return `api` with the base URL and the demo key of a sandbox at `url`."""
    auth = AuthSettings(kind="api_key", value=SecretStr(DEMO_KEY), token_url=url + EXCHANGE[api.edition])
    return api.model_copy(update={"base_url": f"{url}/api/v1", "auth": auth})
