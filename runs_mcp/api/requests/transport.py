"""The default transport: httpx requests over pooled connections, each request sent once."""

import os
import ssl
from asyncio import get_running_loop  # noqa: TID251 - asks for the event loop that aiohttp needs
from collections.abc import Iterable
from urllib.parse import urlsplit

import certifi
import httpx
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientHttpProxyError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from runs_mcp.api.errors import SetupError
from runs_mcp.api.requests.proxies import Proxies

KEEP_ALIVE_S = 5
UNTRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no authority: plain HTTP needs none, and loading them takes most of the time of a first request."""
TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
AS_WE_SET_THEM = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class DefaultTransport(httpx.AsyncBaseTransport):
    """Sends each request once, direct or through the proxy of the environment.

    The connection pool has no limit: `Requester` limits requests, and streams must not occupy its slots.
    """

    def __init__(self, proxies: Proxies | None = None) -> None:
        """Raises: ProxySettingsError: the environment names a proxy of an unsupported kind."""
        self._proxies = Proxies.from_environment() if proxies is None else proxies
        self._trust: ssl.SSLContext | None = None
        self._transports: dict[tuple[str, str | None], AiohttpTransport] = {}

    @property
    def secrets(self) -> Iterable[str]:
        """The passwords of the proxies, in the forms in which a proxy may repeat them."""
        return self._proxies.secrets

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Its `timeout` extension holds the seconds to `connect` and to `read`.

        Raises:
            SetupError: the program does not run in an event loop of asyncio.
        """
        proxy = self._proxies.find(str(request.url)) if self._proxies.by_scheme else None
        scheme = request.url.scheme
        transport = self._transports.get((scheme, proxy)) or self._open(scheme, proxy)
        return await transport.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.aclose()

    def _open(self, scheme: str, proxy: str | None) -> AiohttpTransport:
        _check_event_loop()
        trust = self._trusted() if "https" in {scheme, urlsplit(proxy or "").scheme} else UNTRUSTING
        transport = AiohttpTransport(verify=trust, client=lambda: _session(trust, proxy))
        self._transports[scheme, proxy] = transport
        return transport

    def _trusted(self) -> ssl.SSLContext:
        self._trust = self._trust or load_trust()
        return self._trust


def _check_event_loop() -> None:
    try:
        get_running_loop()
    except RuntimeError:
        message = "The default transport needs asyncio; with trio, pass transport=httpx.AsyncHTTPTransport()"
        raise SetupError(message) from None


def load_trust() -> ssl.SSLContext:
    """Return the trusted authorities: `SSL_CERT_FILE` and `SSL_CERT_DIR`, else those of the machine and of certifi."""
    context = ssl.create_default_context()
    if os.environ.keys().isdisjoint(TRUST_VARIABLES):
        context.load_verify_locations(certifi.where())
    return context


def _session(trust: ssl.SSLContext, proxy: str | None) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=trust),
        cookie_jar=DummyCookieJar(),
        proxy=proxy,  # the transport's own `proxy` uses a deprecated class
        skip_auto_headers=AS_WE_SET_THEM,
        middlewares=[send_once],
    )


async def send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Raise the exceptions of httpx instead of those of the session.

    The session sends a GET again when it sees an exception of its own on a kept-alive connection (RFC 9112 section 9.5
    allows that), but a GET of a stream executes a run. And the transport would report a connection that broke after
    the request was sent as `ConnectTimeout`, which says that it was never sent.
    """
    try:
        return await handler(request)
    except ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(type(error).__name__) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout(type(error).__name__) from error
    except ClientConnectorError as error:
        raise httpx.ConnectError(type(error).__name__) from error
    except ClientHttpProxyError as error:
        raise httpx.ProxyError(type(error).__name__) from error
    except (ClientError, OSError) as error:
        raise httpx.ReadError(type(error).__name__) from error
