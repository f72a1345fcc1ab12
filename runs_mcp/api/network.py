"""The network: requests carried by aiohttp, each once, over pooled connections."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from typing_extensions import override

from runs_mcp.api import failures
from runs_mcp.api.errors import RunsApiError

if TYPE_CHECKING:
    import aiohttp

KEEP_ALIVE_S = 5
AS_WE_SET_THEM = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; `writes` marks what must never be carried out twice."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    connect_timeout_s: float
    read_timeout_s: float
    writes: bool

    @override
    def __repr__(self) -> str:
        return f"Request({self.method} {urlsplit(self.url).path})"  # the rest can hold a token


class Response(Protocol):
    """What is answered: the head, and the body as it comes. Reading raises `RunsApiError`."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by names in any case."""

    async def read(self) -> bytes:
        """The whole body; its connection is free then."""

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""

    def close(self) -> None:
        """Read no further; the connection goes with it."""


class Network(Protocol):
    """Carries requests."""

    async def send(self, request: Request) -> Response:
        """The answer, its body yet to be read.

        Raises:
            RunsApiError: of the kind that tells whether the request may have been carried out.
        """

    async def aclose(self) -> None:
        """Close every connection."""


class Connections:
    """The network there is. Proxies are those of the environment."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies = getproxies()
        self._bypassed = cache(proxy_bypass)

    async def send(self, request: Request) -> Response:
        """As in `Network`."""
        import aiohttp  # noqa: PLC0415 - a sixth of the start, and nothing needs it before the first request
        from yarl import URL  # noqa: PLC0415 - as above

        session = self._session = self._session or _session()
        try:
            response = await session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                proxy=self.proxy_for(request.url) if self._proxies else None,
                timeout=aiohttp.ClientTimeout(sock_connect=request.connect_timeout_s, sock_read=request.read_timeout_s),
            )
        except _HiddenError as hidden:
            failure = failures.of_exception(hidden.error, writes=request.writes)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = failures.of_exception(error, writes=request.writes)
        else:
            return _Response(response, writes=request.writes)
        # Raised out here, so that the exception of aiohttp, which can hold the URL, is not its context.
        raise failure

    def proxy_for(self, url: str) -> str | None:
        """The proxy that requests to `url` go by, if any."""
        parts = urlsplit(url)
        if self._bypassed(parts.hostname or ""):
            return None
        return self._proxies.get(parts.scheme) or self._proxies.get("all")

    async def aclose(self) -> None:
        """As in `Network`."""
        if self._session:
            await self._session.close()


class _Response:
    def __init__(self, response: "aiohttp.ClientResponse", *, writes: bool) -> None:
        self._response = response
        self._writes = writes
        self.status = response.status
        self.headers = response.headers

    async def read(self) -> bytes:
        import aiohttp  # noqa: PLC0415 - as above

        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            failure = self._failure(error)
        finally:
            self._response.close()
        raise failure

    async def pieces(self) -> AsyncIterator[bytes]:
        import aiohttp  # noqa: PLC0415 - as above

        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            failure = self._failure(error)
        else:
            return
        raise failure

    def close(self) -> None:
        self._response.close()

    def _failure(self, error: Exception) -> RunsApiError:
        return failures.of_exception(error, writes=self._writes)


class _HiddenError(Exception):
    """Hides an error from aiohttp, which sends a GET again where it sees its own, and a GET can execute a run."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _session() -> "aiohttp.ClientSession":
    import aiohttp  # noqa: PLC0415 - as above

    async def once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            hidden = _HiddenError(error)
        raise hidden

    # Those who ask wait for their turn elsewhere, so the pool has no limit of its own.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=trust())
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=AS_WE_SET_THEM,
        middlewares=[once],
    )


def trust() -> ssl.SSLContext:
    """The authorities of `SSL_CERT_FILE` and `SSL_CERT_DIR`; without them those of the machine and the public ones."""
    import certifi  # noqa: PLC0415 - as above

    context = ssl.create_default_context()
    if not ({"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys()):
        context.load_verify_locations(certifi.where())
    return context
