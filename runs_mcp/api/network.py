"""The network: requests of httpx, carried by aiohttp, whose pool stays as quick with many callers as with one."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx
from typing_extensions import override

if TYPE_CHECKING:
    import aiohttp

KEEP_ALIVE_S = 5
AS_WE_SET_THEM = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Network(httpx.AsyncBaseTransport):
    """Carries each request once, whatever aiohttp would repeat, over pooled connections.

    Proxies are those of the environment, trust in certificates that of httpx.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies = getproxies()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body yet to be read.

        Raises:
            httpx.TransportError: by its kind, whether anything was sent; its text says nothing.
        """
        import aiohttp  # noqa: PLC0415 - a sixth of the start, and nothing needs it before the first request
        from yarl import URL  # noqa: PLC0415 - as above

        session = self._session = self._session or _session()
        timeouts = request.extensions.get("timeout", {})
        try:
            response = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                proxy=self._proxy(request.url),
                skip_auto_headers=AS_WE_SET_THEM,
                timeout=aiohttp.ClientTimeout(
                    connect=timeouts.get("pool"),
                    sock_connect=timeouts.get("connect"),
                    sock_read=timeouts.get("read"),
                ),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error) from error
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response), request=request)

    def _proxy(self, url: httpx.URL) -> str | None:
        if not self._proxies or proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")

    @override
    async def aclose(self) -> None:
        if self._session:
            await self._session.close()

    @override
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer; closed early, its connection goes with it."""

    def __init__(self, response: "aiohttp.ClientResponse") -> None:
        self._response = response

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        import aiohttp  # noqa: PLC0415 - as above

        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error

    @override
    async def aclose(self) -> None:
        self._response.close()


def _session() -> "aiohttp.ClientSession":
    import aiohttp  # noqa: PLC0415 - as above

    async def once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        # Translated in here, since aiohttp sends a GET again where it sees its own errors, and a GET can execute a run.
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error

    # Those who ask wait for their turn elsewhere, so the pool has no limit of its own.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=httpx.create_ssl_context())
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, middlewares=[once]
    )


def _translated(error: Exception) -> httpx.TransportError:
    """The exception of httpx that tells whether a request was sent."""
    import aiohttp  # noqa: PLC0415 - as above

    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("")
        case TimeoutError():
            return httpx.ReadTimeout("")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return httpx.ProxyError("")
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError("")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol("")
        case aiohttp.ClientConnectionError() | OSError():
            return httpx.ReadError("")
        case _:
            return httpx.RemoteProtocolError("")
