"""Errors turned into findings: the cause, and the setting or command that fixes it."""

from urllib.parse import urljoin, urlsplit

from mcp.shared.exceptions import MCPError

from runs_mcp.api import (
    ApiTimeoutError,
    AuthenticationError,
    CredentialError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RunsApiError,
    UnavailableError,
    UntrustedError,
)
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Finding, failed
from runs_mcp.config.problems import ConfigError

TRUST = (
    "Check the host in api.base_url. If a proxy or a private authority signs certificates, save its own certificate "
    "to a file and set SSL_CERT_FILE to that file."
)
REDIRECTION = 3
NETWORK = "Check api.base_url, and the network: VPN, firewall, HTTPS_PROXY and NO_PROXY."


def explain(error: Exception, state: Examination) -> Finding:
    """Return a failure for `error`, with the setting or command that fixes its cause."""
    match error:
        case ConfigError():
            return failed(str(error), "Correct that setting; `runs-mcp config-schema` describes them all.")
        case CredentialError():
            sources = "exactly one of value, env, file, command"
            return failed(str(error), f"Set or correct it, or use another source in api.auth: {sources}.")
        case RunsApiError():
            return failed(describe(error), _remedy(error, state))
        case MCPError():
            return failed(f"the server did not answer: {error}", "Run `runs-mcp serve` and read its output.")
        case _:
            kind = type(error).__name__
            return failed(f"the check itself failed ({kind})", "This is a bug in runs-mcp; please report it.")


def describe(error: RunsApiError) -> str:
    """Return the error of a request with its status and the message of the API."""
    status = f" ({error.status})" if error.status and str(error.status) not in str(error) else ""
    message = _whole_words(error.api_message or "")
    return f"{error}{status}: {message}" if message else f"{error}{status}"


def _whole_words(message: str) -> str:
    """Return a shortened message without its last word: half a secret could not be recognised and masked."""
    return message.rpartition(" ")[0] if message.endswith("…") else message


def _remedy(error: RunsApiError, state: Examination) -> str:
    where = f"api.base_url ({state.base_url})"
    match error:
        case AuthenticationError():
            return f"Renew {state.source}, and check that {where} and api.edition belong to it."
        case PermissionDeniedError():
            return f"Grant the permission to {state.source}, or use another credential."
        case NotFoundError():
            return f"Check {where}: it ends in /api/v1; the default of this edition is {state.edition.base_url}."
        case RateLimitedError():
            return "Wait a minute and run the check again."
        case UntrustedError():
            return TRUST
        case ProtocolError(status=int(status)) if status // 100 == REDIRECTION:
            return _redirect_remedy(state)
        case ProtocolError():
            return f"Check {where}: the answer is not from the API; it may be a web page or the login page of a proxy."
        case UnavailableError(status=int()):
            return "Try again later; if it persists, ask the operator of the API."
        case UnavailableError() | ApiTimeoutError():
            return NETWORK
        case _:
            return f"Check {where} and api.edition ({state.edition.name})."


def _redirect_remedy(state: Examination) -> str:
    location = state.transport.response.headers.get("location", "") if state.transport.response else ""
    target = urlsplit(urljoin(state.base_url, location))
    # Without user, password and query: a login page puts tokens there, and findings are shared in bug reports.
    where = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"
    return f"Set api.base_url to the API itself: it redirects to {where}, and credentials never follow redirects."
