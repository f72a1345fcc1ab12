"""Error answers and exceptions of the transport, translated to errors of the client."""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

import httpx

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
from runs_mcp.api.payloads import decode_json
from runs_mcp.observability.mask import one_line

LONGEST_MESSAGE_CHARS = 4_000
LONGEST_RETRY_AFTER_S = 86_400.0
"""Upper bound, in seconds, of the waits that are reported; a longer wait is a mistake of the server."""
MILLISECOND_HEADERS = ("x-ratelimit-retry-ms", "x-retry-after-ms", "retry-after-ms")
TEMPORARY = frozenset({500, 502, 503, 504})
REASONS: Mapping[str, Literal["pacing", "quota"]] = {"pacing": "pacing", "quota": "quota"}
MESSAGE_FIELDS = ("message", "error", "title", "detail", "description", "msg", "errors")
DETAIL_FIELDS = ("details", "error_description", "reason", "hint", "issues")
PHRASES = frozenset({status.phrase for status in HTTPStatus} | {"Unprocessable Entity", "Payload Too Large"})
"""Names of statuses, which some APIs repeat beside their message. Python renames some of them between versions."""
_NUMBER = re.compile(r"\d+(\.\d*)?", re.ASCII)
_PLATFORM_ID = re.compile(r"[0-9a-fA-F]{24}")
_HTML = re.compile(r"\s*<(!--|(!doctype|html|head|body|title|center|div|h1|\?xml)\b)", re.IGNORECASE)


def error_of_exception(error: Exception, *, writes: bool) -> RunsApiError:
    """Return the error for an exception that a transport raised before it had an answer.

    Its text is left out: it may hold a URL with a token. `writes` marks requests that must not be carried out twice.
    """
    name = type(error).__name__
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return UntrustedError("The certificate of the Runs API is not trusted, so nothing was sent to it")
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return ApiTimeoutError(f"The Runs API could not be reached in time ({name})", retry_safe=True)
        case httpx.ConnectError() | httpx.ProxyError():
            return UnavailableError(f"The Runs API cannot be reached ({name})", retry_safe=True)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | httpx.LocalProtocolError():
            return ProtocolError(f"The request cannot be sent ({name})")
        case _:
            return error_of_body(error, writes=writes)


def error_of_body(error: Exception, *, writes: bool) -> RunsApiError:
    """Return the error for an exception that interrupted an exchange after the request was sent."""
    name = type(error).__name__
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | TimeoutError):
        return ApiTimeoutError(
            f"The Runs API did not answer in time ({name})", retry_safe=not writes, outcome_unknown=writes
        )
    return UnavailableError(
        f"The connection to the Runs API broke ({name})", retry_safe=not writes, outcome_unknown=writes
    )


def error_of_response(
    response: httpx.Response, content: bytes, *, writes: bool, redact: Callable[[str], str]
) -> RunsApiError:
    """Return the error for an answer other than 2xx. `redact` replaces secrets in the API's own words."""
    status = response.status_code
    message, details = _explanation(content, redact)
    told: dict[str, Any] = {"status": status, "api_message": message, "details": details}
    wait = parse_retry_after(response.headers)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return AuthenticationError("The Runs API did not accept the credential", **told)
        case HTTPStatus.FORBIDDEN:
            return PermissionDeniedError("The credential may not do this", **told)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError("The Runs API found nothing there", **told)
        case HTTPStatus.TOO_MANY_REQUESTS:
            reason = REASONS.get(response.headers.get("x-ratelimit-reason", ""))
            return RateLimitedError("The Runs API limits the rate", reason=reason, retry_after_s=wait, **told)
        case HTTPStatus.REQUEST_TIMEOUT:
            return ApiTimeoutError(
                "The Runs API gave up waiting", retry_safe=not writes, outcome_unknown=writes, **told
            )
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _unavailable(status, wait, writes=writes, told=told)
        case _ if status >= HTTPStatus.BAD_REQUEST:
            return InvalidRequestError("The Runs API rejected the request", **told)
        case _:
            return ProtocolError(f"The Runs API answered with status {status}", status=status, outcome_unknown=writes)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds the API asks to wait, from 0 to a day; None if it names no time.

    The time comes in milliseconds, in seconds, or as a date.
    """
    # Retry-After is a number of seconds or an HTTP date (RFC 9110, section 10.2.3). The header in milliseconds is more
    # precise, so it comes first.
    seconds = next((float(headers[name]) / 1_000 for name in MILLISECOND_HEADERS if _is_number(headers, name)), None)
    if seconds is None and _is_number(headers, "retry-after"):
        seconds = float(headers["retry-after"])
    if seconds is None:
        try:
            date = parsedate_to_datetime(headers.get("retry-after", ""))
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def created_run_id(content: bytes) -> str | None:
    """Return the id of the run that a failed create made, if its answer names one."""
    body = _parse(content)
    run_id = body.get("id") if isinstance(body, Mapping) else None
    if not isinstance(run_id, str) or not run_id:
        return None
    # Gateways give their errors an `id` as well, but neither one of the platform's form nor a status beside it.
    return run_id if "status" in body or _PLATFORM_ID.fullmatch(run_id) else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unavailable(status: int, wait: float | None, *, writes: bool, told: dict[str, Any]) -> UnavailableError:
    # A 503 with Retry-After (RFC 9110, section 10.2.3) comes from a gateway in front of the API, so nothing was
    # processed. Any other 5xx may come after the run was created (docs/decisions/create-once.md).
    turned_away = status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None
    return UnavailableError(
        "The Runs API failed",
        retry_safe=turned_away or (status in TEMPORARY and not writes),
        outcome_unknown=writes and not turned_away,
        retry_after_s=wait,
        **told,
    )


def _is_number(headers: Mapping[str, str], name: str) -> bool:
    return _NUMBER.fullmatch(headers.get(name, "").strip()) is not None


def _parse(content: bytes) -> Any:
    """Return the JSON value of an error body, else its text; None for a page of HTML."""
    try:
        return decode_json(content)
    except ValueError:
        text = content.decode(errors="replace")
        return None if _HTML.match(text) else text


def _explanation(content: bytes, redact: Callable[[str], str]) -> tuple[str | None, str | None]:
    """Return the API's message and details as they may be shown."""
    body = _parse(content)
    if not isinstance(body, Mapping):
        return _shown(_text(body), redact), None
    error = body.get("error")
    levels = [body, error] if isinstance(error, Mapping) else [body]
    said = [_text(level.get(name)) for level in levels for name in (*MESSAGE_FIELDS, *DETAIL_FIELDS)]
    message, *details = dict.fromkeys(filter(None, said)) or [_text({**body, "status": None})]
    return _shown(message, redact), _shown("; ".join(text for text in details if text not in PHRASES), redact)


def _text(value: Any, name: str = "") -> str:
    """Return the text of an error, whatever its shape: a text, a list, or an object as several frameworks write it."""
    match value:
        case Mapping():
            return _object_text(value, name)
        case list():
            return "; ".join(filter(None, (_text(item, name) for item in value)))
        case None | "" | bool():
            return ""
        case _:
            return f"{name}: {value}" if name else str(value)


def _object_text(value: Mapping[str, Any], name: str) -> str:
    place = value.get("loc") or value.get("path") or value.get("field") or value.get("instancePath") or name
    place = ".".join(map(str, place)) if isinstance(place, list) else str(place)
    message = next((value[field] for field in MESSAGE_FIELDS if value.get(field)), None)
    if message is not None:
        return _text(message, place)
    return "; ".join(filter(None, (_text(item, str(field)) for field, item in value.items())))


def _shown(text: str, redact: Callable[[str], str]) -> str | None:
    """Return `text` on one line, without secrets, cut to its bound; None for no text."""
    shown = redact(one_line(redact(text)))
    if len(shown) > LONGEST_MESSAGE_CHARS:
        shown = f"{shown[:LONGEST_MESSAGE_CHARS]}…"
    return shown or None
