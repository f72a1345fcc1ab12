"""Requests to the API: signed, timed, bounded, retried where that is safe, and with typed errors."""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import anyio
import httpx
from pydantic_core import to_json

from runs_mcp import __version__
from runs_mcp.api.editions import EDITIONS, Edition
from runs_mcp.api.errors import (
    InvalidArgumentError,
    ProtocolError,
    ResponseTooLargeError,
    RunsApiError,
    SetupError,
    StreamInterruptedError,
)
from runs_mcp.api.payloads import decode_json
from runs_mcp.api.requests.auth import Tokens, find_token_url
from runs_mcp.api.requests.error_responses import created_run_id, error_of_body, error_of_exception, error_of_response
from runs_mcp.api.requests.instrumentation import OPERATION, TOKEN_EXCHANGE, InstrumentedTransport, Observe
from runs_mcp.api.requests.redaction import Redactor, StreamRedactor
from runs_mcp.api.requests.retry import OnWait, Sleep, retry
from runs_mcp.api.requests.transport import DefaultTransport
from runs_mcp.api.stream import EVENT_STREAM, Event, filter_events, read_events
from runs_mcp.config.api_settings import ApiSettings

log = logging.getLogger(__name__)

UNCOMPRESSED = frozenset({"", "identity"})
ENCODINGS = UNCOMPRESSED | {"gzip", "x-gzip", "deflate"}
"""Accepted content codings: those of Accept-Encoding, one per response. Nested codings can expand without bound."""
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": f"runs-mcp/{__version__}"}
JSON = {"Content-Type": "application/json"}
Body = httpx.Response | httpx.AsyncByteStream
"""The body of a stream: a response that has to be decompressed, else its bytes."""


@dataclass(frozen=True, slots=True)
class UnsignedRequest:
    """A request before it gets a token."""

    method: str
    url: str
    operation: str
    """Path of the operation with its parameters named, e.g. `/runs/{run_id}`."""
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None = None
    writes: bool = False
    """True if it must not be carried out twice."""
    read_timeout_s: float | None = None
    """Seconds to wait for the answer; None: `timeout_s`."""
    token_in_query: bool = False
    """True if its token is a parameter of the URL, false if it is a header."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 2xx, read whole and decompressed."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Requester:
    """Sends requests to one API with one credential."""

    def __init__(
        self,
        settings: ApiSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        token_in_query: bool = False,
        on_wait: OnWait | None = None,
        observers: Sequence[Observe] = (),
        sleep: Sleep = anyio.sleep,
        filter_message: Callable[[str], str] = str,
    ) -> None:
        """Raises: SetupError: the settings or the environment cannot work."""
        self.settings = settings
        self.edition = EDITIONS[settings.edition]
        self.base_url = (settings.base_url or self.edition.base_url).rstrip("/")
        transport = transport or DefaultTransport()
        self.redactor = Redactor(transport.secrets if isinstance(transport, DefaultTransport) else ())
        self._filter_message = filter_message
        self.tokens = Tokens(settings.auth, self._exchange, redactor=self.redactor)
        self.tokens.source.check()
        self._token_url = (
            find_token_url(settings, self.edition, self.base_url) if settings.auth.kind == "api_key" else ""
        )
        self._identity = _identity(settings, self.edition)
        self._token_in_query = token_in_query
        if observers:
            transport = InstrumentedTransport(transport, observers)
        self._transport = transport
        self._retry = partial(retry, max_retries=settings.max_retries, on_wait=on_wait, sleep=sleep)
        # Parsing a URL takes 45 µs, and each poll of a run uses the same URL.
        self._parse_url = lru_cache(maxsize=256)(httpx.URL)
        self._slots = anyio.Semaphore(settings.max_concurrent, fast_acquire=True)
        self._closed = False

    async def aclose(self) -> None:
        """Close the connections; further calls are refused."""
        self._closed = True
        await self._transport.aclose()

    async def call(
        self,
        method: str,
        operation: str,
        *,
        segments: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        writes: bool = False,
        read_timeout_s: float | None = None,
    ) -> Any:
        """Return the JSON that the API answers.

        `operation` is a path whose parameters, as in `/runs/{run_id}`, are replaced by `segments`. `writes` marks a
        request that must not be carried out twice. `read_timeout_s` is that of an execution; such requests do not count
        against `max_concurrent`, or they would block the others.

        Raises:
            InvalidArgumentError: a segment cannot be part of a path; nothing was sent.
            RunsApiError: the call failed.
        """
        request = UnsignedRequest(
            method,
            self._url(operation, segments or {}, params),
            operation,
            {**self._identity, **(headers or {}), **({} if body is None else JSON)},
            body,
            writes=writes,
            read_timeout_s=read_timeout_s,
        )
        async with self._slots if read_timeout_s is None else nullcontext():
            answer = await self._retry(partial(self._fetch, request))
        try:
            return decode_json(self.redactor.redact_json(answer.content))
        except ValueError:
            kind = answer.headers.get("content-type", "no content type").partition(";")[0]
        raise ProtocolError(
            self.redactor.redact_error(f"The Runs API answered something that is not JSON ({kind})"),
            status=answer.status,
            outcome_unknown=writes,
        )

    @asynccontextmanager
    async def stream(self, operation: str, segments: Mapping[str, str]) -> AsyncIterator[AsyncIterator[Event]]:
        """Open a stream once and give its events. A request that may have arrived is never repeated.

        Raises:
            InvalidArgumentError: a segment cannot be part of a path; nothing was sent.
            RunsApiError: the stream cannot be opened.
            StreamInterruptedError: while iterating, the stream ended before `close`.
        """
        body = await self._open_stream(operation, segments)
        try:
            most = self.settings.max_response_bytes
            async with aclosing(read_events(_pieces_of_stream(body), max_event_bytes=most)) as events:
                yield filter_events(events, StreamRedactor(self.redactor))
        finally:
            await _close(body)

    async def _open_stream(self, operation: str, segments: Mapping[str, str]) -> Body:
        """Return the body of a stream, without its response: that and its request would take 6 KiB for each stream."""
        # `identity`, because a compressing proxy would hold chunks back until its buffer is full.
        headers = {"Accept": EVENT_STREAM, "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        request = UnsignedRequest(
            "GET",
            self._url(operation, segments),
            operation,
            {**self._identity, **headers},
            writes=True,
            read_timeout_s=self.settings.execution_timeout_s,
            token_in_query=self._token_in_query,
        )
        response = await self._retry(partial(self._open, request))
        try:
            return self._events_of(response)
        except ProtocolError:
            await _close(response)
            raise

    def _events_of(self, response: httpx.Response) -> Body:
        # Media types are case-insensitive and can have parameters (RFC 9110, section 8.3.1).
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != EVENT_STREAM:
            message = f"The stream is not server-sent events ({kind or 'no content type'})"
            raise ProtocolError(self.redactor.redact_error(message))
        return _body_of(response)

    async def _fetch(self, request: UnsignedRequest) -> Answer:
        """Return a good answer, read whole."""
        response = await self._open(request)
        return Answer(response.status_code, response.headers, await self._read(response, writes=request.writes))

    async def _open(self, request: UnsignedRequest) -> httpx.Response:
        """Return a good answer whose body is not read yet."""
        response = await self._send_signed(request)
        if response.is_success:
            return response
        raise await self._failure(response, writes=request.writes)

    async def _failure(self, response: httpx.Response, *, writes: bool) -> RunsApiError:
        """Return the error for an answer other than 2xx, which is read whole."""
        content = await self._read(response, writes=writes)
        failure = error_of_response(response, content, writes=writes, redact=self._redact)
        if writes and (run_id := created_run_id(content)):
            # The model provider refused, after the API made the run: a repetition would make or execute a second one.
            failure.run_id, failure.retry_safe, failure.outcome_unknown = run_id, False, True
        return failure

    def _redact(self, message: str) -> str:
        return self._filter_message(self.redactor.redact_error(message))

    async def _send_signed(self, request: UnsignedRequest) -> httpx.Response:
        """Send with the token, and once more with another if it is refused."""
        token = await self.tokens.current()
        response = await self._send(request, token)
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return response
        # The API processes nothing for an unauthenticated caller, so any request, even a create, can be sent again.
        refused = await self._failure(response, writes=request.writes)
        if refused.run_id or (renewed := await self.tokens.renewed(refused=token)) == token:
            raise refused
        return await self._send(request, renewed)

    async def _send(self, request: UnsignedRequest, token: str | None) -> httpx.Response:
        """Send a request once."""
        if self._closed:  # transports would open connections again, which nothing closes
            raise SetupError("The client is closed; call it inside of `async with`")
        # The transport is called directly, since `AsyncClient.send` takes 1.5 times the CPU time.
        try:
            signed = self._signed(request, token)
            response = await self._transport.handle_async_request(signed)
        except RunsApiError:
            raise
        except Exception as error:  # noqa: BLE001 - transports raise what they like; its text may hold a URL
            failure = error_of_exception(error, writes=request.writes)
        else:
            log.debug("%s %s: %s", signed.method, signed.url.path, response.status_code)
            return response
        # Raised outside of `except`, because the original exception would be its context, and its text can contain a
        # URL with a token.
        raise failure

    async def _read(self, response: httpx.Response, *, writes: bool) -> bytes:
        """Read a body whole, up to `max_response_bytes` after decompression."""
        try:
            return await _read_bounded(response, self.settings.max_response_bytes, writes=writes)
        except RunsApiError:
            raise
        except Exception as error:  # noqa: BLE001 - as in _send
            failure = error_of_body(error, writes=writes)
        finally:
            await _close(response)
        raise failure

    async def _exchange(self, key: str) -> str:
        if self.edition.key_exchange == "get_with_query":
            request = UnsignedRequest("GET", f"{self._token_url}?{_query({'token': key})}", TOKEN_EXCHANGE, HEADERS)
            response = await self._send(request, None)
        else:
            request = UnsignedRequest("POST", self._token_url, TOKEN_EXCHANGE, self._identity)
            response = await self._send(request, key)
        if not response.is_success:
            raise await self._failure(response, writes=False)
        content = await self._read(response, writes=False)
        try:
            token = decode_json(content).get("token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise ProtocolError("The API key was exchanged for an answer without a token")
        return token

    def _signed(self, request: UnsignedRequest, token: str | None) -> httpx.Request:
        """Return `request` with a token, or without one if it exchanges an API key in its URL."""
        url: str | httpx.URL = request.url
        headers, timeout_s = {**request.headers}, self.settings.timeout_s
        if token is not None and request.token_in_query:
            url = f"{url}?{_query({'access_token': token})}"
        elif token is not None:
            headers["Authorization"] = f"Bearer {token}"
            url = self._parse_url(request.url)
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            content=None if request.body is None else to_json(request.body),
            extensions={
                "timeout": {"connect": timeout_s, "read": request.read_timeout_s or timeout_s},
                OPERATION: request.operation,
            },
        )

    def _url(self, operation: str, segments: Mapping[str, str], params: Mapping[str, Any] | None = None) -> str:
        path = operation.format_map({name: _quoted_segment(segment) for name, segment in segments.items()})
        return f"{self.base_url}{path}?{_query(params)}" if params else f"{self.base_url}{path}"


def _quoted_segment(text: str) -> str:
    """Return `text` percent-encoded as one segment of a path.

    Raises:
        InvalidArgumentError: `text` is empty, `.` or `..`, which servers do not keep as a segment.
    """
    if text in ("", ".", ".."):
        raise InvalidArgumentError(f"{text!r} cannot be part of a path")
    return quote(text, safe="")


def check_header(name: str, value: str, kind: type[RunsApiError] = InvalidArgumentError) -> str:
    """Return `value` if a header can hold it.

    Raises:
        InvalidArgumentError: or the error of this `kind`; the header cannot be sent, and nothing was sent.
    """
    if value and value.isascii() and value.isprintable() and value == value.strip():
        return value
    raise kind(f"{name}: {value!r} cannot be sent as a header; use printable ASCII characters")


def _identity(settings: ApiSettings, edition: Edition) -> Mapping[str, str]:
    """Return the headers of every request to the API."""
    version = settings.api_version or edition.api_version
    project = settings.project if edition.project_header else None
    return {
        **HEADERS,
        **({"x-api-version": check_header("api.api_version", version, SetupError)} if version else {}),
        **({"x-project-id": check_header("api.project", project, SetupError)} if project else {}),
    }


async def _read_bounded(response: httpx.Response, most: int, *, writes: bool) -> bytes:
    content = bytearray()
    async for piece in _pieces(_body_of(response, writes=writes)):
        content += piece
        if len(content) > most:
            raise ResponseTooLargeError(
                f"The answer of the Runs API is above {most:,} bytes (api.max_response_bytes)",
                status=response.status_code,
                outcome_unknown=writes,
            )
    return bytes(content)


def _body_of(response: httpx.Response, *, writes: bool = False) -> Body:
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ENCODINGS:
        raise ProtocolError("The Runs API used a content coding that was not requested", outcome_unknown=writes)
    # A response takes fifteen times as long as its stream to yield bytes, even if it has nothing to decompress.
    if coding in UNCOMPRESSED and isinstance(response.stream, httpx.AsyncByteStream):
        return response.stream
    return response


def _pieces(body: Body) -> AsyncIterable[bytes]:
    """Return the decompressed body in pieces."""
    return body.aiter_bytes() if isinstance(body, httpx.Response) else body


async def _pieces_of_stream(body: Body) -> AsyncGenerator[bytes]:
    """Yield the decompressed body of a stream.

    Raises:
        StreamInterruptedError: the body could not be read to its end.
    """
    try:
        async for piece in _pieces(body):
            yield piece
    except Exception as error:  # noqa: BLE001 - transports raise what they like; its text may hold a URL
        reason = str(error_of_body(error, writes=False))
    else:
        return
    raise StreamInterruptedError(f"The stream broke before it was closed: {reason}")


async def _close(body: Body) -> None:
    with suppress(Exception):  # the answer is complete or given up; an error in closing changes neither
        await body.aclose()


def _query(params: Mapping[str, Any]) -> str:
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
    return urlencode(texts, doseq=True, quote_via=quote, safe="")
