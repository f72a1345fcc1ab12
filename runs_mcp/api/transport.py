"""One exchange with the API: signed, timed, retried where that is safe, its failures typed."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, nullcontext
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx
import tenacity
from httpx_sse import EventSource

from runs_mcp import __version__
from runs_mcp.api import failures, stream
from runs_mcp.api.credentials import Tokens
from runs_mcp.api.decoding import decoded
from runs_mcp.api.editions import EDITIONS, Edition
from runs_mcp.api.errors import CredentialError, ProtocolError, RunsApiError, StreamInterruptedError
from runs_mcp.api.network import Network
from runs_mcp.config import ApiSettings

log = logging.getLogger(__name__)

RETRY_DEADLINE_S = 30.0
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 8.0
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": f"runs-mcp/{__version__}"}

OnWait = Callable[[float, RunsApiError], Awaitable[None]]
"""Told the seconds before each repetition of a request, and why it is repeated."""
Signature = Literal["header", "query", "none"]
"""Where a request carries the token. None: where a credential is exchanged, which must see no other one."""


class Transport:
    """Requests to one API with one credential, over pooled connections. An async context manager."""

    def __init__(
        self,
        settings: ApiSettings,
        *,
        token_in_query: bool,
        transport: httpx.AsyncBaseTransport | None,
        on_wait: OnWait | None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.settings = settings
        self.edition = EDITIONS[settings.edition]
        self.base_url = settings.base_url or self.edition.base_url
        self.tokens = Tokens(settings.auth, self._exchange)
        self.tokens.source.check()
        self._token_url = token_url(settings, self.edition, self.base_url) if settings.auth.kind == "api_key" else ""
        self._streams_signature: Signature = "query" if token_in_query else "header"
        self._network = transport or Network()
        self._on_wait = on_wait
        self._sleep = sleep
        self._turns = anyio.Semaphore(settings.max_concurrent, fast_acquire=True)

    async def __aenter__(self) -> Self:
        await self._network.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._network.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        writes: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        """The JSON the API answers; `writes` marks a request that must never be carried out twice.

        Raises:
            RunsApiError: of the kind that says what failed.
        """
        request = self._request(
            method,
            self._url(path),
            params=params or None,
            json=body,
            headers={**self._identity(), **(headers or {})},
            read_timeout_s=timeout_s,
        )
        # A request that lasts as long as an execution must not keep others from their turn.
        async with self._turns if timeout_s is None else nullcontext():
            response = await self._retried(request, writes=writes)
        try:
            return decoded(response.content)
        except ValueError:
            kind = response.headers.get("content-type", "no content type").split(";")[0]
        raise ProtocolError(
            f"The Runs API answered something that is not JSON ({kind})",
            status=response.status_code,
            outcome_unknown=writes,
        )

    @asynccontextmanager
    async def events(self, path: str) -> AsyncIterator[AsyncIterator[stream.Event]]:
        """The events of a stream. It is opened once: it is never repeated after it may have arrived.

        Raises:
            RunsApiError: it cannot be opened.
            StreamInterruptedError: while iterating, when it ends before `close`.
        """
        request = self._request(
            "GET",
            self._url(path),
            headers={**self._identity(), "Accept": "text/event-stream", "Cache-Control": "no-cache"},
            read_timeout_s=self.settings.execution_timeout_s,
        )
        response = await self._retried(request, writes=True, streamed=True, signature=self._streams_signature)
        try:
            kind = response.headers.get("content-type", "").split(";")[0]
            if kind != "text/event-stream":
                raise ProtocolError(f"The stream is not server-sent events ({kind or 'no content type'})")
            async with aclosing(_read(response)) as events:
                yield events
        finally:
            await response.aclose()

    async def _send(
        self, request: httpx.Request, *, writes: bool, streamed: bool = False, signature: Signature = "header"
    ) -> httpx.Response:
        try:
            response = await self._signed(request, signature)
            log.debug("%s %s: %s", request.method, request.url.path, response.status_code)
            if not streamed or not response.is_success:
                await _read_whole(response)
            if response.is_success:
                return response
            failure = failures.of_response(response, writes=writes)
            failure.run_id = failures.run_id_in(response) if writes else None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = failures.of_exception(error, writes=writes)
        # Raised out here, so that the exception of httpx, which holds the URL, is not its context.
        raise failure

    async def _signed(self, request: httpx.Request, signature: Signature) -> httpx.Response:
        """Send with the token; once more with another when it is refused."""
        if signature == "none":
            return await self._network.handle_async_request(request)
        token = await self.tokens.current()
        response = await self._network.handle_async_request(_with(token, request, signature))
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return response
        await _read_whole(response)
        # Nothing is carried out for a request that was not let in, so any of them may be sent again.
        renewed = await self.tokens.renewed(refused=token)
        if renewed == token:
            return response
        return await self._network.handle_async_request(_with(renewed, request, signature))

    async def _retried(
        self, request: httpx.Request, *, writes: bool, streamed: bool = False, signature: Signature = "header"
    ) -> httpx.Response:
        send = partial(self._send, request, writes=writes, streamed=streamed, signature=signature)
        try:
            return await send()
        except RunsApiError as error:
            if not error.retry_safe:
                raise
            failed = [error]

        async def attempt() -> httpx.Response:
            if failed:
                raise failed.pop()
            return await send()

        # Only now: its machinery takes a tenth of the time of a call that needs no repetition.
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, RunsApiError) and error.retry_safe),
            stop=tenacity.stop_after_attempt(self.settings.max_retries + 1)
            | tenacity.stop_before_delay(RETRY_DEADLINE_S),
            wait=_pause,
            before_sleep=self._announce,
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(attempt)

    async def _announce(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if self._on_wait and isinstance(error, RunsApiError):
            await self._on_wait(state.upcoming_sleep, error)

    async def _exchange(self, key: str) -> str:
        if self.edition.exchange == "get_with_query":
            request = self._request("GET", self._token_url, params={"token": key})
        else:
            headers = {"Authorization": f"Bearer {key}", **self._identity()}
            request = self._request("POST", self._token_url, headers=headers)
        response = await self._retried(request, writes=False, signature="none")
        try:
            token = decoded(response.content).get("token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise ProtocolError("The API key was exchanged for something that holds no token")
        return token

    def _identity(self) -> dict[str, str]:
        version = self.settings.api_version or self.edition.api_version
        project = self.settings.project if self.edition.project_header else None
        return {
            **({"x-api-version": version} if version else {}),
            **({"x-project-id": project} if project else {}),
        }

    def _url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

    def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_timeout_s: float | None = None,
        **content: Any,
    ) -> httpx.Request:
        timeout_s = self.settings.timeout_s
        timeout = httpx.Timeout(timeout_s, read=read_timeout_s or timeout_s)
        extensions = {"timeout": timeout.as_dict()}
        return httpx.Request(method, url, headers={**HEADERS, **(headers or {})}, extensions=extensions, **content)


def token_url(settings: ApiSettings, edition: Edition, base_url: str) -> str:
    """Where an API key is exchanged: as set, else where the edition's own clients send it.

    Raises:
        CredentialError: it cannot be known; a key is never sent to a guess.
    """
    if settings.auth.token_url:
        return settings.auth.token_url
    parts = urlsplit(base_url)
    if edition.exchange == "get_with_query":
        root = parts.path.removesuffix("/api/v1")
        return urlunsplit((parts.scheme, parts.netloc, f"{root}/auth/token", "", ""))
    host = parts.hostname or ""
    if host.startswith("api") and host.endswith(".vertesia.io"):
        return f"https://sts{host.removeprefix('api')}/token/issue"
    raise CredentialError(f"api.auth.token_url: set it; where {host} exchanges API keys is not known")


async def _read(response: httpx.Response) -> AsyncGenerator[stream.Event]:
    try:
        async for event in stream.events(EventSource(response).aiter_sse()):
            yield event
    except httpx.HTTPError as error:
        what = type(error).__name__
    else:
        return
    raise StreamInterruptedError(f"The stream broke before it was closed ({what})")


async def _read_whole(response: httpx.Response) -> None:
    try:
        await response.aread()
    finally:
        await response.aclose()


def _with(token: str, request: httpx.Request, signature: Signature) -> httpx.Request:
    if signature == "query":
        request.url = request.url.copy_set_param("access_token", token)
    else:
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _pause(state: tenacity.RetryCallState) -> float:
    """What the API asks for, else exponential backoff with full jitter, in seconds."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RunsApiError) and error.retry_after_s is not None:
        return error.retry_after_s
    return tenacity.wait_random_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S)(state)
