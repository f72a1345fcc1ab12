"""`check`: whether configuration, credential and API work, one finding at a time, and what to do if not."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from runs_mcp.api import AuthenticationError, CredentialError, RunsApiError, RunsClient, connect
from runs_mcp.config import CONFIG_VARIABLE, DEFAULT_FILE, Config, ConfigError
from runs_mcp.server.app import selected


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    ok: bool
    subject: str
    text: str

    def __str__(self) -> str:
        """As a line for a terminal."""
        return f"{'✓' if self.ok else '✗'} {self.subject}: {self.text}"


async def findings(config: Config, config_file: Path | None) -> AsyncIterator[Finding]:
    """Look at one thing after the other; what depends on one that failed is not looked at."""
    yield Finding(ok=True, subject="configuration", text=_source(config_file))
    yield (tools := _tools(config))
    if not tools.ok:
        return
    try:
        client = connect(config.api, token_in_query=config.streaming.token_in_query)
    except CredentialError as error:
        yield _no_credential(error)
        return
    async with client as runs:
        try:
            yield await _credential(runs)
            yield await _api(runs)
        except CredentialError as error:
            yield _no_credential(error)
        except RunsApiError as error:
            yield _api_failure(runs, error)


def _source(config_file: Path | None) -> str:
    if config_file:
        return f"{config_file} is valid"
    if named := os.environ.get(CONFIG_VARIABLE):
        return f"{named} (from ${CONFIG_VARIABLE}) is valid"
    return f"{DEFAULT_FILE} is valid" if DEFAULT_FILE.is_file() else "no file; defaults and environment are valid"


def _tools(config: Config) -> Finding:
    try:
        names = [operation.name for operation in selected(config)]
    except ConfigError as error:
        return Finding(ok=False, subject="tools", text=str(error))
    mode = " (read only)" if config.server.read_only else ""
    mode += " (create_run asks a person first)" if config.server.confirm_create and "create_run" in names else ""
    return Finding(ok=True, subject="tools", text=f"{len(names)} offered{mode}: {', '.join(names)}")


async def _credential(runs: RunsClient) -> Finding:
    found = await runs.check_credential()
    return Finding(ok=True, subject="credential", text=found.description)


async def _api(runs: RunsClient) -> Finding:
    started = time.perf_counter()
    newest = await runs.list_runs(limit=1)
    milliseconds = (time.perf_counter() - started) * 1_000
    seen = f"newest run {newest[0].id}" if newest else "there are no runs yet"
    return Finding(
        ok=True, subject="API", text=f"{runs.base_url} ({runs.edition.name}) answered in {milliseconds:.0f} ms; {seen}"
    )


def _no_credential(error: CredentialError) -> Finding:
    advice = "Set it, or name another source in api.auth: value, env, file or command."
    return Finding(ok=False, subject="credential", text=f"{error}. {advice}")


def _api_failure(runs: RunsClient, error: RunsApiError) -> Finding:
    said = f" ({error.api_message})" if error.api_message else ""
    if isinstance(error, AuthenticationError):
        advice = "Renew it, and see that api.base_url and api.edition are those it was made for."
        return Finding(ok=False, subject="credential", text=f"not accepted{said}. {advice}")
    advice = f"Check api.base_url ({runs.base_url}), api.edition ({runs.edition.name}) and the network."
    return Finding(ok=False, subject="API", text=f"{error}{said}. {advice}")
