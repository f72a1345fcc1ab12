"""The HTTP service in this process, on a real port, and clients with tokens."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from runs_mcp.config.settings import Config
from runs_mcp.http.app import PATH, build_service
from tests.upstream import listening

TIMEOUT_S = 30
SESSION = "mcp-session-id"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
LISTEN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen"}
JSON = {"accept": "application/json, text/event-stream"}


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[str]:
    """Serve an endpoint with `config` for the duration of the block; yield its URL."""
    async with serving_at(lambda _: config) as url:
        yield url


@asynccontextmanager
async def serving_at(config: Callable[[str], Config]) -> AsyncIterator[str]:
    """Serve an endpoint whose configuration depends on its URL; yield the URL."""

    def build(url: str) -> ASGIApp:
        return build_service(config(url + PATH), host="127.0.0.1").app

    async with listening(build, lifespan="on") as url:
        yield url + PATH


@asynccontextmanager
async def calling(url: str, token: str, mode: str = "auto", **settings: Any) -> AsyncIterator[Client]:
    """Yield a client whose requests carry `token`."""
    async with (
        presenting(token) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **settings) as client,
    ):
        yield client


async def asked(
    url: str,
    token: str | None = None,
    session: str | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    **headers: str,
) -> httpx2.Response:
    """Return the response to a ping; `session` is the id of a session of 2025-11-25."""
    all_headers = {**JSON, **({SESSION: session} if session else {}), **headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in all_headers.items()]
    async with presenting(token, transport) as http:
        return await http.post(url, json=PING, headers=raw)


async def opened(url: str, token: str, transport: httpx2.AsyncBaseTransport | None = None) -> str:
    """Open a session of 2025-11-25 with `token`, and return its id."""
    async with presenting(token, transport) as http:
        return str((await http.post(url, json=INITIALIZE, headers=JSON)).headers[SESSION])


async def followed(url: str, token: str, session: str, transport: httpx2.AsyncBaseTransport) -> httpx2.Response:
    """Read the stream of a session of 2025-11-25 to its end."""
    async with presenting(token, transport) as http:
        return await http.get(url, headers={**JSON, SESSION: session, "mcp-protocol-version": "2025-11-25"})


def presenting(token: str | None, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Return an HTTP client whose requests carry `token`."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S, transport=transport)


def listening_to(uris: list[str]) -> dict[str, Any]:
    """Return a `subscriptions/listen` of 2026-07-28 for these resources."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"_meta": meta, "notifications": {"resourceSubscriptions": uris}}
    return {"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": params}
