"""Every failure in words: what is wrong, and what to set or run."""

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
    "Check the host in api.base_url. Where a proxy or a private authority signs certificates, put its own certificate "
    "into a file and set SSL_CERT_FILE to that file."
)
REDIRECTION = 3
NETWORK = "Check api.base_url, and the network: VPN, firewall, HTTPS_PROXY and NO_PROXY."


def explain(error: Exception, about: Examination) -> Finding:
    """What `error` means to whoever runs the check, and what to do."""
    match error:
        case ConfigError():
            return failed(str(error), "Correct that setting; `runs-mcp config-schema` describes them all.")
        case CredentialError():
            return failed(
                str(error), "Set it, or name another source in api.auth: exactly one of value, env, file, command."
            )
        case RunsApiError():
            return failed(happened(error), _what_to_do(error, about))
        case MCPError():
            return failed(f"the server did not answer: {error}", "Run `runs-mcp serve` and read what it says.")
        case _:
            kind = type(error).__name__
            return failed(f"could not be looked at ({kind})", "That is a defect of runs-mcp; please report it.")


def happened(error: RunsApiError) -> str:
    """What a request came to, with what the API says of it."""
    status = f" ({error.status})" if error.status and str(error.status) not in str(error) else ""
    said = _whole_words(error.api_message or "")
    return f"{error}{status}: {said}" if said else f"{error}{status}"


def _whole_words(message: str) -> str:
    """A message that was shortened, without its last word: half a secret would not be known for one."""
    return message.rpartition(" ")[0] if message.endswith("…") else message


def _what_to_do(error: RunsApiError, about: Examination) -> str:
    where = f"api.base_url ({about.base_url})"
    match error:
        case AuthenticationError():
            return f"Renew {about.source}, and see that {where} and api.edition are those it was made for."
        case PermissionDeniedError():
            return f"Have {about.source} given the permission, or use another credential."
        case NotFoundError():
            return f"Check {where}: it ends in /api/v1; this edition's own is {about.edition.base_url}."
        case RateLimitedError():
            return "Wait a minute, then check again."
        case UntrustedError():
            return TRUST
        case ProtocolError(status=int(status)) if status // 100 == REDIRECTION:
            return _redirected(about)
        case ProtocolError():
            return f"Check {where}: something else answers there, such as a web page or the login of a proxy."
        case UnavailableError(status=int()):
            return "Try again later; if it stays, ask whoever runs the API."
        case UnavailableError() | ApiTimeoutError():
            return NETWORK
        case _:
            return f"Check {where} and api.edition ({about.edition.name})."


def _redirected(about: Examination) -> str:
    location = about.wire.answer.headers.get("location", "") if about.wire.answer else ""
    there = urlsplit(urljoin(about.base_url, location))
    where = f"{there.scheme}://{there.netloc.rpartition('@')[2]}{there.path}"
    return f"Set api.base_url to where the API is; it points to {where}, and a credential does not follow."
