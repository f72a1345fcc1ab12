"""Answers of the API and exceptions of aiohttp, as errors of ours."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

from pydantic_core import to_json

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
    UntrustedError,
)
from runs_mcp.observability.masking import mask, one_line

LONGEST_MESSAGE_CHARS = 500
MILLISECOND_HEADERS = ("x-ratelimit-retry-ms", "x-retry-after-ms", "retry-after-ms")
PASSING = frozenset({500, 502, 503, 504})
REASONS: Mapping[str, Literal["pacing", "quota"]] = {"pacing": "pacing", "quota": "quota"}


def of_exception(error: Exception, *, writes: bool) -> RunsApiError:
    """What an exception of aiohttp or the system means. Its own text is left out: it may hold a URL with a token."""
    import aiohttp  # noqa: PLC0415 - slow to import, and loaded before it can raise anything

    what = type(error).__name__
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ApiTimeoutError(f"The Runs API could not be reached in time ({what})", retry_safe=True)
        case TimeoutError():
            return ApiTimeoutError(
                f"The Runs API did not answer in time ({what})", retry_safe=not writes, outcome_unknown=writes
            )
        case aiohttp.ClientConnectorCertificateError():
            return UntrustedError("The certificate of the Runs API is not trusted, so nothing was sent to it")
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return UnavailableError(f"The Runs API cannot be reached ({what})", retry_safe=True)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return ProtocolError(f"The Runs API cannot be understood ({what})")
        case _:
            return UnavailableError(
                f"The connection to the Runs API broke ({what})", retry_safe=not writes, outcome_unknown=writes
            )


def of_answer(status: int, headers: Mapping[str, str], content: bytes, *, writes: bool) -> RunsApiError:
    """What an answer other than 2xx means."""
    body = _json(content)
    told: dict[str, Any] = {"status": status, "api_message": _message(body), "details": _details(body)}
    wait = retry_after(headers)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return AuthenticationError("The Runs API did not accept the credential", **told)
        case HTTPStatus.FORBIDDEN:
            return PermissionDeniedError("The credential may not do this", **told)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError("The Runs API found nothing there", **told)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimitedError(
                "The Runs API limits the rate",
                reason=REASONS.get(headers.get("x-ratelimit-reason", "")),
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


def retry_after(headers: Mapping[str, str]) -> float | None:
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


def run_id_in(content: bytes) -> str | None:
    """The id of the run that a failed create made all the same, if its answer names one."""
    body = _json(content)
    run_id = body.get("id")
    return run_id if isinstance(run_id, str) and run_id and "status" in body else None


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        body = decoded(content)
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
    return _one_line(details if isinstance(details, str) else to_json(details).decode())


def _one_line(text: str) -> str:
    plain = mask(one_line(re.sub(r"<[^>]{0,200}>", " ", text)))
    return plain if len(plain) <= LONGEST_MESSAGE_CHARS else f"{plain[:LONGEST_MESSAGE_CHARS]}…"
