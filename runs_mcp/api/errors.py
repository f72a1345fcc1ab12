"""What can go wrong between a caller and the Runs API.

RunsApiError
├─ InvalidArgumentError      refused here; nothing was sent
├─ CredentialError           the secret cannot be had; nothing was sent
├─ AuthenticationError       401
├─ PermissionDeniedError     403
├─ NotFoundError             404
├─ InvalidRequestError       any other 4xx
├─ RateLimitedError          429
├─ UnavailableError          5xx, or no connection
│  └─ UntrustedError         its certificate is not trusted; nothing was sent
├─ ApiTimeoutError           408, or no answer in time
├─ ProtocolError             an answer that is not as documented
└─ StreamInterruptedError    a stream that ended without `close`
"""

from typing import Literal


class RunsApiError(Exception):
    """A call of the Runs API failed. Its text never holds a URL or a credential."""

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
        """The HTTP status, if there was an answer."""
        self.api_message = api_message
        """What the API says of it, on one line, shortened."""
        self.details = details
        """What else the API says, e.g. which field it refused."""
        self.retry_safe = retry_safe
        """Whether the same request may be repeated without harm, and with some hope."""
        self.outcome_unknown = outcome_unknown
        """Whether a request that changes something may have been carried out."""
        self.retry_after_s = retry_after_s
        """Seconds the API asks to wait."""
        self.run_id: str | None = None
        """The run that a failed create made all the same."""


class InvalidArgumentError(RunsApiError):
    """An argument cannot be sent to this edition of the API; nothing was sent."""


class CredentialError(RunsApiError):
    """The secret cannot be read, or there is no saying where to exchange it; nothing was sent."""


class AuthenticationError(RunsApiError):
    """The credential was not accepted."""


class PermissionDeniedError(RunsApiError):
    """The credential may not do this."""


class NotFoundError(RunsApiError):
    """There is no such run, interaction or operation."""


class InvalidRequestError(RunsApiError):
    """The API refused the request as it is."""


class RateLimitedError(RunsApiError):
    """Too many requests; `reason` is the API's."""

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
        # Pacing is decided before anything runs; without a reason it is the model provider, after something did.
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
    """The API cannot be reached, or failed."""


class UntrustedError(UnavailableError):
    """Whoever answers for the API has no certificate that is trusted."""


class ApiTimeoutError(RunsApiError):
    """No answer came in time."""


class ProtocolError(RunsApiError):
    """The answer is not JSON, or of no shape the API is known for."""


class StreamInterruptedError(RunsApiError):
    """A stream ended without `close`: the run may go on, or may have ended."""
