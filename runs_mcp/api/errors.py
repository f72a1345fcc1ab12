"""Errors of the client. None holds a URL with a query, a credential, or an exception of the HTTP library.

RunsApiError
├─ InvalidArgumentError      an argument cannot be sent; nothing was sent
├─ SetupError                the client cannot work with these settings; nothing was sent
│  ├─ CredentialError        the secret is missing or malformed
│  └─ ProxySettingsError     the environment names an unsupported proxy
├─ AuthenticationError       401
├─ PermissionDeniedError     403
│  └─ FindClosedError        the credential may not use `find`, and no search replaces it
├─ NotFoundError             404
├─ InvalidRequestError       any other 4xx
├─ RateLimitedError          429
├─ UnavailableError          5xx, or no connection
│  └─ UntrustedError         the certificate is not trusted; nothing was sent
├─ ApiTimeoutError           408, or no answer in time
├─ ProtocolError             an answer that is not as documented
├─ ResponseTooLargeError     an answer above `max_response_bytes`
└─ StreamInterruptedError    a stream that ended without `close`
"""

from collections.abc import Mapping
from typing import Any, Literal


class RunsApiError(Exception):
    """A failed call of the Runs API."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        api_message: str | None = None,
        details: str | None = None,
        retry_safe: bool = False,
        outcome_unknown: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; None if there was no answer."""
        self.api_message = api_message
        """The API's own message on one line, with secrets replaced; None if it sent none."""
        self.details = details
        """Further text of the API on one line, such as the field it rejected; None if it sent none."""
        self.retry_safe = retry_safe
        """True if the same request may be repeated without harm, and may succeed then."""
        self.outcome_unknown = outcome_unknown
        """True if a request that changes something may have been carried out."""
        self.retry_after_s = retry_after_s
        """Seconds the API asks to wait, at most a day; None if it names no time."""
        self.during_exchange = False
        """True if the exchange of an API key for a token failed, so that the call itself was not sent."""
        self.run_id: str | None = None
        """Id of the run that a failed create made, or that a failed stream executed; None if the answer names none."""
        if said := " ".join(filter(None, (api_message, details))):
            self.add_note(f"The API says: {said}")  # for tracebacks, which show nothing else but the message


class InvalidArgumentError(RunsApiError):
    """An argument that cannot be sent to this edition of the API. Nothing was sent."""


class SetupError(RunsApiError):
    """Settings or an environment with which the client cannot work. Nothing was sent."""


class CredentialError(SetupError):
    """A secret that is missing or malformed, or that cannot be exchanged because the address is unknown."""


class ProxySettingsError(SetupError):
    """A proxy of an unsupported kind, such as SOCKS, or a malformed URL of a proxy."""


class AuthenticationError(RunsApiError):
    """A credential that the API did not accept."""


class PermissionDeniedError(RunsApiError):
    """An operation that the credential may not use."""


class FindClosedError(PermissionDeniedError):
    """A MongoDB filter that the credential may not use, and that no search replaces."""

    def __init__(self, *, status: int | None, api_message: str | None, search: Mapping[str, Any] | None = None) -> None:
        reason = ", and no search has the same meaning" if search is None else ""
        super().__init__(f"The credential may not use `find`{reason}", status=status, api_message=api_message)
        self.search = search
        """The filters of the search that has the same meaning; None if no search has it."""


class NotFoundError(RunsApiError):
    """A run, interaction or operation that does not exist."""


class InvalidRequestError(RunsApiError):
    """A request that the API rejected."""


class RateLimitedError(RunsApiError):
    """A request above the rate limit. `reason` is the API's: `pacing`, `quota`, or None for the model provider."""

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["pacing", "quota"] | None = None,
        status: int = 429,
        api_message: str | None = None,
        details: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        # Pacing is decided before a run starts; without a reason, the model provider refused.
        super().__init__(
            message,
            status=status,
            api_message=api_message,
            details=details,
            retry_safe=reason != "quota",
            retry_after_s=retry_after_s,
        )
        self.reason = reason


class UnavailableError(RunsApiError):
    """An API that cannot be reached, or that failed."""


class UntrustedError(UnavailableError):
    """A server whose certificate is not trusted. Nothing was sent."""


class ApiTimeoutError(RunsApiError):
    """An answer that did not come in time."""


class ProtocolError(RunsApiError):
    """An answer that is not JSON, or not of a documented shape."""


class ResponseTooLargeError(RunsApiError):
    """An answer above `max_response_bytes`, counted after decompression. The rest was not read."""


class StreamInterruptedError(RunsApiError):
    """A stream that ended without `close`. The run may continue, or may have ended."""


REFUSALS = (PermissionDeniedError, NotFoundError)
"""Refusals by which the API closes an operation to a credential."""
