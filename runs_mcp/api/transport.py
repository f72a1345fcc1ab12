"""One exchange with the API: signed, timed, retried where that is safe, its failures typed."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import anyio
from pydantic_core import to_json

from runs_mcp import __version__
from runs_mcp.api import failures, stream
from runs_mcp.api.credentials import Tokens
from runs_mcp.api.decoding import decoded
from runs_mcp.api.editions import EDITIONS, Edition
from runs_mcp.api.errors import CredentialError, ProtocolError, RunsApiError, StreamInterruptedError
from runs_mcp.api.network import Connections, Network, Request, Response
from runs_mcp.api.observing import Observe, Observed
from runs_mcp.config.api_settings import ApiSettings

if TYPE_CHECKING:
    import tenacity

log = logging.getLogger(__name__)

RETRY_DEADLINE_S = 30.0
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 8.0
GOOD = range(200, 300)
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": f"runs-mcp/{__version__}"}

OnWait = Callable[[float, RunsApiError], Awaitable[None]]
"""Told the seconds before each repetition of a request, and why it is repeated."""
Signature = Literal["header", "query", "none"]
"""Where a request carries the token. None: where a credential is exchanged, which must see no other one."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 2xx, read whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Transport:
    """Requests to one API with one credential, over pooled connections. An async context manager."""

    def __init__(
        self,
        settings: ApiSettings,
        *,
        token_in_query: bool,
        network: Network | None,
        on_wait: OnWait | None,
        observers: Sequence[Observe] = (),
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.settings = settings
        self.edition = EDITIONS[settings.edition]
        self.base_url = settings.base_url or self.edition.base_url
        self.tokens = Tokens(settings.auth, self._exchange)
        self.tokens.source.check()
        self._token_url = token_url(settings, self.edition, self.base_url) if settings.auth.kind == "api_key" else ""
        self._streams_signature: Signature = "query" if token_in_query else "header"
        network = network or Connections()
        self._network = Observed(network, observers, base_url=self.base_url) if observers else network
        self._on_wait = on_wait
        self._sleep = sleep
        self._turns = anyio.Semaphore(settings.max_concurrent, fast_acquire=True)

    async def __aenter__(self) -> Self:
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
            self._url(path, params),
            headers={**self._identity, **(headers or {})},
            body=body,
            read_timeout_s=timeout_s,
            writes=writes,
        )
        # A request that lasts as long as an execution must not keep others from their turn.
        async with self._turns if timeout_s is None else nullcontext():
            answer = await self._retried(partial(self._ask, request))
        try:
            return decoded(answer.content)
        except ValueError:
            kind = answer.headers.get("content-type", "no content type").split(";")[0]
        raise ProtocolError(
            f"The Runs API answered something that is not JSON ({kind})", status=answer.status, outcome_unknown=writes
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
            headers={**self._identity, "Accept": "text/event-stream", "Cache-Control": "no-cache"},
            read_timeout_s=self.settings.execution_timeout_s,
            writes=True,
        )
        response = await self._retried(partial(self._open, request, self._streams_signature))
        try:
            kind = response.headers.get("content-type", "").split(";")[0]
            if kind != "text/event-stream":
                raise ProtocolError(f"The stream is not server-sent events ({kind or 'no content type'})")
            async with aclosing(_read(response)) as events:
                yield events
        finally:
            response.close()

    async def _ask(self, request: Request, signature: Signature = "header") -> Answer:
        response = await self._open(request, signature)
        return Answer(response.status, response.headers, await response.read())

    async def _open(self, request: Request, signature: Signature) -> Response:
        """A good answer, its body yet to be read."""
        response = await self._signed(request, signature)
        log.debug("%s: %s", request, response.status)
        if response.status in GOOD:
            return response
        content = await response.read()
        failure = failures.of_answer(response.status, response.headers, content, writes=request.writes)
        failure.run_id = failures.run_id_in(content) if request.writes else None
        raise failure

    async def _signed(self, request: Request, signature: Signature) -> Response:
        """Send with the token; once more with another when it is refused."""
        if signature == "none":
            return await self._network.send(request)
        token = await self.tokens.current()
        response = await self._network.send(_with(token, request, signature))
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        # Nothing is carried out for a request that was not let in, so any of them may be sent again.
        renewed = await self.tokens.renewed(refused=token)
        if renewed == token:
            return response
        response.close()
        return await self._network.send(_with(renewed, request, signature))

    async def _retried(self, send: Callable[[], Awaitable[T]]) -> T:
        try:
            return await send()
        except RunsApiError as error:
            if not error.retry_safe:
                raise
            failed = [error]
        import tenacity  # noqa: PLC0415 - slow to import, and most processes never need it

        async def attempt() -> T:
            if failed:
                raise failed.pop()
            return await send()

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

    async def _announce(self, state: "tenacity.RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        if self._on_wait and isinstance(error, RunsApiError):
            await self._on_wait(state.upcoming_sleep, error)

    async def _exchange(self, key: str) -> str:
        if self.edition.exchange == "get_with_query":
            request = self._request("GET", f"{self._token_url}?{_query({'token': key})}")
        else:
            headers = {**self._identity, "Authorization": f"Bearer {key}"}
            request = self._request("POST", self._token_url, headers=headers)
        answer = await self._retried(partial(self._ask, request, "none"))
        try:
            token = decoded(answer.content).get("token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise ProtocolError("The API key was exchanged for something that holds no token")
        return token

    @cached_property
    def _identity(self) -> Mapping[str, str]:
        version = self.settings.api_version or self.edition.api_version
        project = self.settings.project if self.edition.project_header else None
        return {
            **HEADERS,
            **({"x-api-version": version} if version else {}),
            **({"x-project-id": project} if project else {}),
        }

    def _url(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        url = f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"
        return f"{url}?{_query(params)}" if params else url

    def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = HEADERS,
        body: Mapping[str, Any] | None = None,
        read_timeout_s: float | None = None,
        writes: bool = False,
    ) -> Request:
        timeout_s = self.settings.timeout_s
        return Request(
            method,
            url,
            headers if body is None else {**headers, "Content-Type": "application/json"},
            None if body is None else to_json(body),
            connect_timeout_s=timeout_s,
            read_timeout_s=read_timeout_s or timeout_s,
            writes=writes,
        )


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


async def _read(response: Response) -> AsyncGenerator[stream.Event]:
    try:
        async for event in stream.events(response.pieces()):
            yield event
    except StreamInterruptedError:
        raise
    except RunsApiError as error:
        what = str(error)
    else:
        return
    raise StreamInterruptedError(f"The stream broke before it was closed: {what}")


def _with(token: str, request: Request, signature: Signature) -> Request:
    if signature == "query":
        joint = "&" if "?" in request.url else "?"
        return replace(request, url=f"{request.url}{joint}{_query({'access_token': token})}")
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})


def _query(params: Mapping[str, Any]) -> str:
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
    return urlencode(texts, quote_via=quote, safe="")


def _pause(state: "tenacity.RetryCallState") -> float:
    """What the API asks for, else exponential backoff with full jitter, in seconds."""
    import tenacity  # noqa: PLC0415 - loaded by whom it is called

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RunsApiError) and error.retry_after_s is not None:
        return error.retry_after_s
    return tenacity.wait_random_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S)(state)
