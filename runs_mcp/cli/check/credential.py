"""Checks of the credential: its source, its exchange for a token, and its expiry."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from runs_mcp.api import AuthenticationError, RunsApiError, connect
from runs_mcp.api.requests.auth import find_token_url
from runs_mcp.api.requests.secret_source import SecretSource, open_to_others
from runs_mcp.cli.check.examination import Examination, RecordingTransport
from runs_mcp.cli.check.explanations import describe
from runs_mcp.cli.check.findings import STEP_S, Finding, check, failed, ok, skipped, warning
from runs_mcp.config.api_settings import KEY_PREFIXES, AuthSettings
from runs_mcp.config.load import file_in_use
from runs_mcp.config.settings import ENV_PREFIX

COMMAND_S = 20.0
"""Seconds for `api.auth.command`, which may ask a person to unlock a password manager."""
EXPIRES_SOON = timedelta(hours=24)
"""Remaining validity below which an unrenewed token causes a warning."""
VALUE_VARIABLE = f"{ENV_PREFIX}API__AUTH__VALUE"
NAMES = {"token": "a token", "api_key": "an API key"}


@check("secret", after=("configuration",), within_s=COMMAND_S)
async def secret(state: Examination) -> Finding:
    """Read the secret, and check its kind and who else can read it."""
    auth = state.config.api.auth
    source = SecretSource(auth)
    state.source = source.name
    value = await source.read()
    state.secrets.add(value)  # before anything can fail: every later finding is masked
    facts = {"kind": auth.kind, "source": source.name}
    if (kind := _kind(value)) not in (None, auth.kind):
        return failed(f"{source.name} holds {NAMES[kind]}", f'Set api.auth.kind to "{kind}".', **facts)
    await _connect(state, value)
    text = f"{NAMES[auth.kind]} from {source.name}"
    if risk := _source_risk(auth, state.config_file):
        reason, fix = risk
        return warning(f"{text}; {reason}", fix, **facts)
    return ok(text, **facts)


@check("credential", after=("secret", "tls"))
async def credential(state: Examination) -> Finding:
    """Get a token to send; an API key is exchanged for one."""
    api = state.config.api
    try:
        state.credential = await state.client.check_credential()
    except RunsApiError as error:
        return _exchange_failure(error, state)
    claims = state.credential
    # Only editions with a project header let the configuration choose; elsewhere the token determines the project.
    project = api.project if state.edition.project_header and api.project else claims.project
    facts = {"account": claims.account, "project": project}
    identity = [f"{name} {value}" for name, value in facts.items() if value]
    use = "sent unchanged" if api.auth.kind == "token" else "exchanged for a token"
    return ok(", ".join([use, *identity]), **facts, permissions=claims.permissions)


@check("expiry", after=("credential",))
async def expiry(state: Examination) -> Finding:
    """Check the expiry of the token."""
    expires, exchanged = state.credential.expires_at, state.config.api.auth.kind == "api_key"
    if expires is None:
        return skipped("the token does not say when it expires")
    left = expires - datetime.now(UTC)
    facts = {"expires_at": expires.isoformat(), "renewed_by_itself": exchanged}
    when = f"{expires:%Y-%m-%d %H:%M} UTC"
    renew = f"Put a new token into {state.source}, or use an API key, which is renewed automatically."
    if left < timedelta(0):
        # A token that was exchanged a moment ago cannot have expired, unless the clocks differ.
        fix = "Set the clock of this machine: the token was issued just now." if exchanged else renew
        return failed(f"the token expired {_duration(-left)} ago ({when})", fix, **facts)
    if exchanged:
        return ok(f"{when}, renewed automatically before", **facts)
    return warning(f"the token expires soon: {when}", renew, **facts) if left < EXPIRES_SOON else ok(when, **facts)


def _duration(time: timedelta) -> str:
    """Return `time` in its largest unit."""
    if time >= timedelta(days=2):
        return f"{time.days} days"
    return f"{time // timedelta(hours=1)} h" if time >= timedelta(hours=1) else f"{time // timedelta(minutes=1)} min"


async def _connect(state: Examination, secret: str) -> None:
    """Open a client with the secret, a short timeout and no retries."""
    api = state.config.api
    # By value, so that a command that asks a person runs only once.
    auth = AuthSettings(kind=api.auth.kind, value=SecretStr(secret), token_url=api.auth.token_url)
    settings = api.model_copy(update={"auth": auth, "max_retries": 0, "timeout_s": min(api.timeout_s, STEP_S)})
    state.transport = RecordingTransport(state.secrets)
    client = connect(settings, token_in_query=state.config.streaming.token_in_query, transport=state.transport)
    state.client = await state.resources.enter_async_context(client)


def _kind(secret: str) -> Literal["token", "api_key"] | None:
    """Return the kind of a secret by its prefix; None if it has no known prefix."""
    if secret.startswith(KEY_PREFIXES):
        return "api_key"
    return "token" if secret.startswith("eyJ") else None  # base64url of `{"`, with which the header of a JWT begins


def _source_risk(auth: AuthSettings, config_file: Path | None) -> tuple[str, str] | None:
    """Return the risk of the source of the secret and its remedy; None if the source is safe."""
    # pydantic-settings ignores the case of variables, so this comparison does too.
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


def _exchange_failure(error: RunsApiError, state: Examination) -> Finding:
    where = find_token_url(state.config.api, state.edition, state.base_url)
    fix = f"Check {state.source}, api.auth.token_url and api.edition: keys are exchanged at {where}."
    if isinstance(error, AuthenticationError):
        fix = f"Put a key into {state.source} that is valid for {state.host}."
    return failed(f"the key was not exchanged for a token. {describe(error)}", fix)
