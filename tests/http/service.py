"""The HTTP service in this process, on a real port, and plain requests to it."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

from runs_mcp.config.http_settings import HttpSettings
from runs_mcp.config.settings import Config, ServerSettings, StreamingSettings
from runs_mcp.http.app import PATH, Service, build_service
from tests.calls import PATIENT
from tests.http_client import http_client, sdk_http_client
from tests.upstream import Upstream, listening

LEGACY, MODERN = "2025-11-25", "2026-07-28"
ACCEPT = {"accept": "application/json, text/event-stream"}
SESSION = "mcp-session-id"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
LISTEN = {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
META = {
    PROTOCOL_VERSION_META_KEY: MODERN,
    CLIENT_CAPABILITIES_META_KEY: {},
    CLIENT_INFO_META_KEY: {"name": "by hand", "version": "1"},
}


class Clock:
    """A clock that stands still until a test sets `now`."""

    def __init__(self, now: float = 1_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a service, and a plain HTTP client."""

    url: str
    http: httpx.AsyncClient

    @property
    def endpoint(self) -> str:
        """Return the URL of the MCP endpoint."""
        return self.url + PATH

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Return the response of `path`."""
        return await self.http.get(self.url + path, headers=headers)

    async def ask(self, method: str, *, name: str | None = None, **headers: str) -> httpx.Response:
        """Send a message of 2026-07-28, which needs no session, and return the response."""
        params = {"_meta": META, **({"name": name, "arguments": {}} if name else {})}
        routing = {"mcp-protocol-version": MODERN, "mcp-method": method, **({"mcp-name": name} if name else {})}
        return await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, **routing, **headers)

    async def post(self, message: Any, **headers: str) -> httpx.Response:
        """Return the endpoint's response to `message`."""
        raw = httpx.Headers({**ACCEPT, **headers}, encoding="latin-1")
        return await self.http.post(self.endpoint, json=message, headers=raw)

    async def ping(self, **headers: str) -> httpx.Response:
        """Return the response to a ping."""
        return await self.post(PING, **headers)

    async def open_session(self, **headers: str) -> dict[str, str]:
        """Open a session of 2025-11-25, and return the headers of further requests in it."""
        session = (await self.post(INITIALIZE, **headers)).headers[SESSION]
        return {SESSION: session, "mcp-protocol-version": LEGACY, **headers}

    async def open_streams(self, session: Mapping[str, str], **headers: str) -> list[httpx.Response]:
        """Open the stream of a session, and a subscription whose request carries `headers`."""
        subscription = {**ACCEPT, **LISTEN, **headers}
        requests = [
            self.http.build_request("GET", self.endpoint, headers={**ACCEPT, **session}),
            self.http.build_request("POST", self.endpoint, json=listening_to(["runs://r1"]), headers=subscription),
        ]
        streams = [await self.http.send(request, stream=True) for request in requests]
        assert [stream.status_code for stream in streams] == [200, 200]
        return streams


@dataclass(frozen=True, slots=True)
class Running(Endpoint):
    """A service in this process."""

    service: Service


def configured(api: Upstream, *, max_retries: int = 0, **http: Any) -> Config:
    """Return a configuration for `api` with these settings of `server.http`."""
    return Config(
        api=api.api.model_copy(update={"max_retries": max_retries}),
        server=ServerSettings(http=HttpSettings(**http)),
        streaming=StreamingSettings(flush_ms=5),
    )


@asynccontextmanager
async def running(
    config: Config, *, host: str = "127.0.0.1", now: Callable[[], float] = time.monotonic
) -> AsyncIterator[Running]:
    """Run the service that `config` describes for the duration of the block."""
    service = build_service(config, host=host, now=now)
    async with listening(lambda _: service.app, lifespan="on") as url, http_client() as http:
        yield Running(url, http, service)


@asynccontextmanager
async def connected(
    at: Endpoint, mode: str = "auto", headers: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[Client]:
    """Yield a client in `mode` whose requests carry `headers`."""
    async with sdk_http_client(headers=headers) as http:
        transport = streamable_http_client(at.endpoint, http_client=http)
        async with Client(transport, mode=mode, client_info=PATIENT, **settings) as client:
            yield client


def bearer(token: str) -> dict[str, str]:
    """Return the header that presents `token`."""
    return {"authorization": f"Bearer {token}"}


def listening_to(uris: list[str]) -> dict[str, Any]:
    """Return a `subscriptions/listen` of 2026-07-28 for these resources."""
    params = {"_meta": META, "notifications": {"resourceSubscriptions": uris}}
    return {"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": params}
