"""Checks of the credential: that it can be had, what it says of itself, and how long it lasts."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from runs_mcp.api import AuthenticationError, RunsApiError, connect
from runs_mcp.api.auth import SecretSource, find_token_url, open_to_others
from runs_mcp.cli.check.examination import Examination, Wire
from runs_mcp.cli.check.explanations import happened
from runs_mcp.cli.check.findings import STEP_S, Finding, check, failed, ok, skipped, warning
from runs_mcp.config.api_settings import AuthSettings
from runs_mcp.config.load import file_in_use
from runs_mcp.config.settings import ENV_PREFIX

COMMAND_S = 20.0
"""Seconds for a command that may ask a person to unlock something."""
SOON = timedelta(hours=24)
VALUE_VARIABLE = f"{ENV_PREFIX}API__AUTH__VALUE"
NAMES = {"token": "a token", "api_key": "an API key"}


@check("secret", after=("configuration",), within_s=COMMAND_S)
async def secret(about: Examination) -> Finding:
    """Whether the secret is where the configuration says, of the kind it says, and kept well."""
    auth = about.config.api.auth
    source = SecretSource(auth)
    about.source = source.name
    found = await source.read()
    about.secrets.add(found)
    facts = {"kind": auth.kind, "source": source.name}
    if (kind := _kind(found)) not in (None, auth.kind):
        return failed(f"{source.name} holds {NAMES[kind]}", f'Set api.auth.kind to "{kind}".', **facts)
    await _connect(about, found)
    text = f"{NAMES[auth.kind]} from {source.name}"
    if doubt := _doubt(auth, about.config_file):
        why, fix = doubt
        return warning(f"{text}; {why}", fix, **facts)
    return ok(text, **facts)


@check("credential", after=("secret", "tls"))
async def credential(about: Examination) -> Finding:
    """Whether there is a token to send: an API key has to be exchanged for one."""
    api = about.config.api
    try:
        about.credential = await about.client.check_credential()
    except RunsApiError as error:
        return _not_exchanged(error, about)
    known = about.credential
    project = api.project if about.edition.project_header and api.project else known.project
    facts = {"account": known.account, "project": project}
    told = [f"{name} {value}" for name, value in facts.items() if value]
    how = "sent as it is" if api.auth.kind == "token" else "exchanged for a token"
    return ok(", ".join([how, *told]), **facts, permissions=known.permissions)


@check("expiry", after=("credential",))
async def expiry(about: Examination) -> Finding:
    """How long the token lasts."""
    expires, exchanged = about.credential.expires_at, about.config.api.auth.kind == "api_key"
    if expires is None:
        return skipped("the token does not say when it expires")
    left = expires - datetime.now(UTC)
    facts = {"expires_at": expires.isoformat(), "renewed_by_itself": exchanged}
    when = f"{expires:%Y-%m-%d %H:%M} UTC"
    renew = f"Put a new token into {about.source}, or use an API key, which is exchanged for tokens in time."
    if left < timedelta(0):
        fix = "Set this machine's clock: the token was issued just now." if exchanged else renew
        return failed(f"expired since {when}", fix, **facts)
    if exchanged:
        return ok(f"{when}, and renewed before", **facts)
    return warning(f"soon: {when}", renew, **facts) if left < SOON else ok(when, **facts)


async def _connect(about: Examination, found: str) -> None:
    """Open the client, which has the secret at hand, and neither waits long nor tries again."""
    api = about.config.api
    auth = AuthSettings(kind=api.auth.kind, value=SecretStr(found), token_url=api.auth.token_url)
    impatient = api.model_copy(update={"auth": auth, "max_retries": 0, "timeout_s": min(api.timeout_s, STEP_S)})
    about.wire = Wire(about.secrets)
    client = connect(impatient, token_in_query=about.config.streaming.token_in_query, transport=about.wire)
    about.client = await about.opened.enter_async_context(client)


def _kind(found: str) -> Literal["token", "api_key"] | None:
    """What a secret looks like."""
    if found.startswith(("sk-", "pk-")):
        return "api_key"
    return "token" if found.startswith("eyJ") else None


def _doubt(auth: AuthSettings, config_file: Path | None) -> tuple[str, str] | None:
    """Why the secret may be seen by others, or not found by a chat that starts the server, and what to do."""
    variable = auth.env or next((name for name in os.environ if name.upper() == VALUE_VARIABLE), None)
    if variable:
        fix = f"Set {variable} in the chat's own configuration, or use api.auth.file or api.auth.command."
        return "a chat started from a desktop does not see it", fix
    file = file_in_use(config_file) if auth.value else auth.file
    if file and open_to_others(file):
        return f"other users of this machine can read {file}", f"chmod 600 {file}"
    if auth.file and not auth.file.is_absolute():
        return "a chat starts the server in another folder", f"Set api.auth.file to {auth.file.absolute()}."
    return None


def _not_exchanged(error: RunsApiError, about: Examination) -> Finding:
    where = find_token_url(about.config.api, about.edition, about.base_url)
    fix = f"Check {about.source}, api.auth.token_url and api.edition: keys are exchanged at {where}."
    if isinstance(error, AuthenticationError):
        fix = f"Put a key into {about.source} that is valid for {about.host}."
    return failed(f"the key was not exchanged for a token. {happened(error)}", fix)
