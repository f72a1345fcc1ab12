"""Requests to the API: signed, timed, bounded, retried where that is safe, and with typed errors."""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, Literal, Self
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
from runs_mcp.api.requests.instrumentation import InstrumentedTransport, Observe
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
Signature = Literal["header", "query", "none"]
"""Place of the token in a request. `none`: the request exchanges an API key."""
Build = Callable[..., httpx.Request]
"""Builds the request of each attempt, with a `token` and its `signature`."""
Body = httpx.Response | httpx.AsyncByteStream
"""The body of a stream: a response that has to be decompressed, else its bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 2xx, read whole and decompressed."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Requester:
    """Sends requests to one API with one credential. An async context manager."""

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
        self.redactor = Redactor()
        self._filter_message = filter_message
        self.tokens = Tokens(settings.auth, self._exchange, redactor=self.redactor)
        self.tokens.source.check()
        self._token_url = (
            find_token_url(settings, self.edition, self.base_url) if settings.auth.kind == "api_key" else ""
        )
        self._identity = _identity(settings, self.edition)
        self._stream_signature: Signature = "query" if token_in_query else "header"
        transport = transport or DefaultTransport()
        if observers:
            transport = InstrumentedTransport(transport, observers, base_url=self.base_url)
        self._transport = transport
        self._retry = partial(retry, max_retries=settings.max_retries, on_wait=on_wait, sleep=sleep)
        # Parsing a URL takes 45 µs, and each poll of a run uses the same URL.
        self._parse_url = lru_cache(maxsize=256)(httpx.URL)
        self._slots = anyio.Semaphore(settings.max_concurrent, fast_acquire=True)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._closed = True
        await self._transport.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        writes: bool = False,
        read_timeout_s: float | None = None,
    ) -> Any:
        """Return the JSON that the API answers.

        `writes` marks a request that must not be carried out twice. `read_timeout_s` is that of an execution; such
        requests do not count against `max_concurrent`, or they would block the others.

        Raises:
            RunsApiError: the call failed.
        """
        build = partial(
            self._request, method, self._url(path, params), headers=headers, body=body, read_timeout_s=read_timeout_s
        )
        async with self._slots if read_timeout_s is None else nullcontext():
            answer = await self._retry(partial(self._fetch, build, writes=writes))
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
    async def stream(self, path: str) -> AsyncIterator[AsyncIterator[Event]]:
        """Open a stream once and give its events. A request that may have arrived is never repeated.

        Raises:
            RunsApiError: the stream cannot be opened.
            StreamInterruptedError: while iterating, the stream ended before `close`.
        """
        body = await self._open_stream(path)
        try:
            most = self.settings.max_response_bytes
            async with aclosing(read_events(_pieces_of_stream(body), max_event_bytes=most)) as events:
                yield filter_events(events, StreamRedactor(self.redactor))
        finally:
            await _close(body)

    async def _open_stream(self, path: str) -> Body:
        """Return the body of a stream, without its response: that and its request would take 6 KiB for each stream."""
        # `identity`, because a compressing proxy would hold chunks back until its buffer is full.
        headers = {"Accept": EVENT_STREAM, "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        build = partial(
            self._request,
            "GET",
            self._url(path),
            headers=headers,
            read_timeout_s=self.settings.execution_timeout_s,
        )
        response = await self._retry(partial(self._open, build, writes=True, signature=self._stream_signature))
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

    async def _fetch(self, build: Build, *, writes: bool = False, signature: Signature = "header") -> Answer:
        """Return a good answer, read whole."""
        response = await self._open(build, writes=writes, signature=signature)
        return Answer(response.status_code, response.headers, await self._read(response, writes=writes))

    async def _open(self, build: Build, *, writes: bool, signature: Signature) -> httpx.Response:
        """Return a good answer whose body is not read yet."""
        response = await self._send_signed(build, writes=writes, signature=signature)
        if response.is_success:
            return response
        raise await self._failure(response, writes=writes)

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

    async def _send_signed(self, build: Build, *, writes: bool, signature: Signature) -> httpx.Response:
        """Send with the token, and once more with another if it is refused."""
        if signature == "none":
            return await self._send(build, writes=writes)
        token = await self.tokens.current()
        response = await self._send(partial(build, token=token, signature=signature), writes=writes)
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return response
        # The API processes nothing for an unauthenticated caller, so any request, even a create, can be sent again.
        refused = await self._failure(response, writes=writes)
        if refused.run_id or (renewed := await self.tokens.renewed(refused=token)) == token:
            raise refused
        return await self._send(partial(build, token=renewed, signature=signature), writes=writes)

    async def _send(self, build: Build, *, writes: bool) -> httpx.Response:
        """Send a request once."""
        if self._closed:  # transports would open connections again, which nothing closes
            raise SetupError("The client is closed; call it inside of `async with`")
        # The transport is called directly, since `AsyncClient.send` takes 1.5 times the CPU time.
        try:
            request = build()
            response = await self._transport.handle_async_request(request)
        except RunsApiError:
            raise
        except Exception as error:  # noqa: BLE001 - transports raise what they like; its text may hold a URL
            failure = error_of_exception(error, writes=writes)
        else:
            log.debug("%s %s: %s", request.method, request.url.path, response.status_code)
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
            build = partial(self._request, "GET", f"{self._token_url}?{_query({'token': key})}", identity=HEADERS)
        else:
            build = partial(self._request, "POST", self._token_url, token=key)
        answer = await self._fetch(build, signature="none")
        try:
            token = decode_json(answer.content).get("token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise ProtocolError("The API key was exchanged for an answer without a token")
        return token

    def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        identity: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        read_timeout_s: float | None = None,
        token: str | None = None,
        signature: Signature = "header",
    ) -> httpx.Request:
        sent = {**(identity or self._identity), **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        target: str | httpx.URL = url
        if token is not None and signature == "query":
            target = f"{url}{'&' if '?' in url else '?'}{_query({'access_token': token})}"
        elif token is not None:
            sent["Authorization"] = f"Bearer {token}"
            target = self._parse_url(url)
        timeout_s = self.settings.timeout_s
        return httpx.Request(
            method,
            target,
            headers=sent,
            content=None if body is None else to_json(body),
            extensions={"timeout": {"connect": timeout_s, "read": read_timeout_s or timeout_s}},
        )

    def _url(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        return f"{self.base_url}{path}?{_query(params)}" if params else f"{self.base_url}{path}"


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
                f"The answer of the Runs API is above {most:,} bytes (api.max_response_bytes); ask for less",
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
