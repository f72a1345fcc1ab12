"""Answers and exceptions of the HTTP client, as errors of ours."""

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from runs_mcp.api.decoding import decoded
from runs_mcp.api.errors import (
    ApiTimeoutError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RunsApiError,
    UnavailableError,
)
from runs_mcp.masking import mask, one_line

LONGEST_MESSAGE_CHARS = 500
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
MILLISECOND_HEADERS = ("x-ratelimit-retry-ms", "x-retry-after-ms", "retry-after-ms")
PASSING = frozenset({500, 502, 503, 504})


def of_exception(error: httpx.HTTPError | httpx.InvalidURL, *, writes: bool) -> RunsApiError:
    """What an exception of httpx means. Its own text is left out: it may hold a URL, and a URL may hold a token."""
    what = type(error).__name__
    unknown = writes and not isinstance(error, NOT_SENT)
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return ApiTimeoutError(f"The Runs API could not be reached in time ({what})", retry_safe=True)
        case httpx.TimeoutException():
            return ApiTimeoutError(
                f"The Runs API did not answer in time ({what})", retry_safe=not writes, outcome_unknown=unknown
            )
        case httpx.DecodingError() | httpx.TooManyRedirects() | httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return ProtocolError(f"The Runs API cannot be understood ({what})", outcome_unknown=unknown)
        case httpx.ConnectError() if _distrusts(error):
            return UnavailableError("The certificate of the Runs API is not trusted, so nothing was sent to it")
        case httpx.ConnectError() | httpx.ProxyError():
            return UnavailableError(f"The Runs API cannot be reached ({what})", retry_safe=True)
        case _:
            return UnavailableError(
                f"The connection to the Runs API broke ({what})", retry_safe=not writes, outcome_unknown=unknown
            )


def of_response(response: httpx.Response, *, writes: bool) -> RunsApiError:
    """What an answer other than 2xx means; its body has been read."""
    status = response.status_code
    body = _json(response)
    told: dict[str, Any] = {"status": status, "api_message": _message(body), "details": _details(body)}
    wait = retry_after(response.headers)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return AuthenticationError("The Runs API did not accept the credential", **told)
        case HTTPStatus.FORBIDDEN:
            return PermissionDeniedError("The credential may not do this", **told)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError("The Runs API found nothing there", **told)
        case HTTPStatus.TOO_MANY_REQUESTS:
            reason = response.headers.get("x-ratelimit-reason")
            return RateLimitedError(
                "The Runs API limits the rate",
                reason=reason if reason in ("pacing", "quota") else None,
                retry_after_s=wait,
                **told,
            )
        case HTTPStatus.REQUEST_TIMEOUT:
            return ApiTimeoutError(
                "The Runs API gave up waiting", retry_safe=not writes, outcome_unknown=writes, **told
            )
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # 503 with Retry-After is said by what stands before the API, so nothing was carried out.
            turned_away = status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None
            return UnavailableError(
                "The Runs API failed",
                retry_safe=turned_away or (status in PASSING and not writes),
                outcome_unknown=writes and not turned_away,
                retry_after_s=wait,
                **told,
            )
        case _ if status >= HTTPStatus.BAD_REQUEST:
            return InvalidRequestError("The Runs API refused the request", **told)
        case _:
            return ProtocolError(f"The Runs API answered with status {status}", status=status, outcome_unknown=writes)


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds the API asks to wait, said in milliseconds, in seconds, or as a date."""
    for name in MILLISECOND_HEADERS:
        if (value := headers.get(name, "")).isdigit():
            return int(value) / 1_000
    value = headers.get("retry-after", "")
    if value.isdigit():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def run_id_in(response: httpx.Response) -> str | None:
    """The id of the run that a failed create made all the same, if its answer names one."""
    body = _json(response)
    run_id = body.get("id")
    return run_id if isinstance(run_id, str) and run_id and "status" in body else None


def _distrusts(error: BaseException | None) -> bool:
    while error and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = decoded(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _message(body: Mapping[str, Any]) -> str | None:
    error = body.get("error")
    nested = error.get("message") if isinstance(error, Mapping) else None
    for candidate in (body.get("message"), error, nested):
        if isinstance(candidate, str) and candidate.strip():
            return _one_line(candidate)
    return None


def _details(body: Mapping[str, Any]) -> str | None:
    details = body.get("details")
    if details in (None, "", [], {}):
        return None
    return _one_line(details if isinstance(details, str) else httpx.Response(200, json=details).text)


def _one_line(text: str) -> str:
    plain = mask(one_line(re.sub(r"<[^>]{0,200}>", " ", text)))
    return plain if len(plain) <= LONGEST_MESSAGE_CHARS else f"{plain[:LONGEST_MESSAGE_CHARS]}…"
