"""Checks of the credential: its source, its exchange for a token, and its expiry."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from runs_mcp.api import AuthenticationError, RunsApiError, connect
from runs_mcp.api.requests.auth import SecretSource, find_token_url, open_to_others
from runs_mcp.cli.check.examination import Examination, Wire
from runs_mcp.cli.check.explanations import happened
from runs_mcp.cli.check.findings import STEP_S, Finding, check, failed, ok, skipped, warning
from runs_mcp.config.api_settings import AuthSettings
from runs_mcp.config.load import file_in_use
from runs_mcp.config.settings import ENV_PREFIX

COMMAND_S = 20.0
"""Seconds for `api.auth.command`, which may ask a person to unlock a password manager."""
SOON = timedelta(hours=24)
VALUE_VARIABLE = f"{ENV_PREFIX}API__AUTH__VALUE"
NAMES = {"token": "a token", "api_key": "an API key"}


@check("secret", after=("configuration",), within_s=COMMAND_S)
async def secret(about: Examination) -> Finding:
    """Read the secret, and check its kind and who else can read it."""
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
    """Get a token to send; an API key is exchanged for one."""
    api = about.config.api
    try:
        about.credential = await about.client.check_credential()
    except RunsApiError as error:
        return _not_exchanged(error, about)
    known = about.credential
    project = api.project if about.edition.project_header and api.project else known.project
    facts = {"account": known.account, "project": project}
    told = [f"{name} {value}" for name, value in facts.items() if value]
    how = "sent unchanged" if api.auth.kind == "token" else "exchanged for a token"
    return ok(", ".join([how, *told]), **facts, permissions=known.permissions)


@check("expiry", after=("credential",))
async def expiry(about: Examination) -> Finding:
    """Check the expiry of the token."""
    expires, exchanged = about.credential.expires_at, about.config.api.auth.kind == "api_key"
    if expires is None:
        return skipped("the token does not say when it expires")
    left = expires - datetime.now(UTC)
    facts = {"expires_at": expires.isoformat(), "renewed_by_itself": exchanged}
    when = f"{expires:%Y-%m-%d %H:%M} UTC"
    renew = f"Put a new token into {about.source}, or use an API key, which is renewed automatically."
    if left < timedelta(0):
        fix = "Set the clock of this machine: the token was issued just now." if exchanged else renew
        return failed(f"the token expired {_ago(-left)} ago ({when})", fix, **facts)
    if exchanged:
        return ok(f"{when}, renewed automatically before", **facts)
    return warning(f"the token expires soon: {when}", renew, **facts) if left < SOON else ok(when, **facts)


def _ago(time: timedelta) -> str:
    """Return `time` in its largest unit."""
    if time >= timedelta(days=2):
        return f"{time.days} days"
    return f"{time // timedelta(hours=1)} h" if time >= timedelta(hours=1) else f"{time // timedelta(minutes=1)} min"


async def _connect(about: Examination, found: str) -> None:
    """Open a client with the secret, a short timeout and no retries."""
    api = about.config.api
    auth = AuthSettings(kind=api.auth.kind, value=SecretStr(found), token_url=api.auth.token_url)
    impatient = api.model_copy(update={"auth": auth, "max_retries": 0, "timeout_s": min(api.timeout_s, STEP_S)})
    about.wire = Wire(about.secrets)
    client = connect(impatient, token_in_query=about.config.streaming.token_in_query, transport=about.wire)
    about.client = await about.opened.enter_async_context(client)


def _kind(found: str) -> Literal["token", "api_key"] | None:
    """Return the kind of a secret by its prefix; None if it has no known prefix."""
    if found.startswith(("sk-", "pk-")):
        return "api_key"
    return "token" if found.startswith("eyJ") else None


def _doubt(auth: AuthSettings, config_file: Path | None) -> tuple[str, str] | None:
    """Return the risk of the source of the secret and its remedy; None if the source is safe."""
    variable = auth.env or next((name for name in os.environ if name.upper() == VALUE_VARIABLE), None)
    if variable:
        fix = f"Set {variable} in the client's own configuration, or use api.auth.file or api.auth.command."
        return "clients started from a desktop do not see this variable", fix
    file = file_in_use(config_file) if auth.value else auth.file
    if file and open_to_others(file):
        return f"other users of this machine can read {file}", f"chmod 600 {file}"
    if auth.file and not auth.file.is_absolute():
        return "clients start the server in another folder", f"Set api.auth.file to {auth.file.absolute()}."
    return None


def _not_exchanged(error: RunsApiError, about: Examination) -> Finding:
    where = find_token_url(about.config.api, about.edition, about.base_url)
    fix = f"Check {about.source}, api.auth.token_url and api.edition: keys are exchanged at {where}."
    if isinstance(error, AuthenticationError):
        fix = f"Put a key into {about.source} that is valid for {about.host}."
    return failed(f"the key was not exchanged for a token. {happened(error)}", fix)
