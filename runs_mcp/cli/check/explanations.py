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


def explain(error: Exception, about: Examination) -> Finding:
    """Return the finding for `error`."""
    match error:
        case ConfigError():
            return failed(str(error), "Correct that setting; `runs-mcp config-schema` describes them all.")
        case CredentialError():
            return failed(
                str(error), "Correct it, or use another source in api.auth: exactly one of value, env, file, command."
            )
        case RunsApiError():
            return failed(happened(error), _what_to_do(error, about))
        case MCPError():
            return failed(f"the server did not answer: {error}", "Run `runs-mcp serve` and read what it says.")
        case _:
            kind = type(error).__name__
            return failed(f"the check itself failed ({kind})", "This is a bug in runs-mcp; please report it.")


def happened(error: RunsApiError) -> str:
    """Return the error of a request with its status and the message of the API."""
    status = f" ({error.status})" if error.status and str(error.status) not in str(error) else ""
    said = _whole_words(error.api_message or "")
    return f"{error}{status}: {said}" if said else f"{error}{status}"


def _whole_words(message: str) -> str:
    """Return a shortened message without its last word: half a secret could not be recognised and masked."""
    return message.rpartition(" ")[0] if message.endswith("…") else message


def _what_to_do(error: RunsApiError, about: Examination) -> str:
    where = f"api.base_url ({about.base_url})"
    match error:
        case AuthenticationError():
            return f"Renew {about.source}, and check that {where} and api.edition belong to it."
        case PermissionDeniedError():
            return f"Grant the permission to {about.source}, or use another credential."
        case NotFoundError():
            return f"Check {where}: it ends in /api/v1; the default of this edition is {about.edition.base_url}."
        case RateLimitedError():
            return "Wait a minute and run the check again."
        case UntrustedError():
            return TRUST
        case ProtocolError(status=int(status)) if status // 100 == REDIRECTION:
            return _redirected(about)
        case ProtocolError():
            return f"Check {where}: the answer is not from the API; it may be a web page or the login page of a proxy."
        case UnavailableError(status=int()):
            return "Try again later; if it persists, ask the operator of the API."
        case UnavailableError() | ApiTimeoutError():
            return NETWORK
        case _:
            return f"Check {where} and api.edition ({about.edition.name})."


def _redirected(about: Examination) -> str:
    location = about.wire.answer.headers.get("location", "") if about.wire.answer else ""
    there = urlsplit(urljoin(about.base_url, location))
    where = f"{there.scheme}://{there.netloc.rpartition('@')[2]}{there.path}"
    return f"Set api.base_url to the API itself: it redirects to {where}, and credentials never follow redirects."
