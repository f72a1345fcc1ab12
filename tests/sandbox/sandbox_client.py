"""A client of a sandbox with a token, and its streams."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from httpx_sse import aconnect_sse

from runs_mcp.sandbox import DEMO_KEY, SandboxOptions, running
from tests.http_client import http_client

JsonObject = dict[str, Any]
TODAY = {"x-api-version": "20260803"}


@asynccontextmanager
async def signed_in(url: str, key: str = DEMO_KEY) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API at `url` with a token for `key`."""
    async with http_client(base_url=f"{url}/api/v1", timeout=60) as client:
        exchanged = await client.get(f"{url}/auth/token", params={"token": key})
        client.headers["authorization"] = f"Bearer {exchanged.json()['token']}"
        yield client


@asynccontextmanager
async def sandbox(options: SandboxOptions) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a new sandbox."""
    async with running(options) as started, signed_in(started.url) as client:
        yield client


async def answered(response: httpx.Response) -> Any:
    """Return the body of an answer, which must be a 200."""
    assert response.status_code == 200, response.text
    return response.json()


async def create(client: httpx.AsyncClient, interaction: str, data: JsonObject, **more: Any) -> JsonObject:
    """Create a run and return the answer."""
    response = await client.post("/runs", json={"interaction": interaction, "data": data, **more})
    assert response.status_code == 200, response.text
    run: JsonObject = response.json()
    return run


async def get(client: httpx.AsyncClient, run_id: str) -> JsonObject:
    """Return a run as it is now."""
    response = await client.get(f"/runs/{run_id}")
    assert response.status_code == 200, response.text
    run: JsonObject = response.json()
    return run


async def events(client: httpx.AsyncClient, run_id: str) -> list[tuple[str, Any]]:
    """Return every event of a run's stream: its name and its data."""
    async with aconnect_sse(client, "GET", f"/runs/{run_id}/stream") as source:
        source.response.raise_for_status()
        return [(event.event, json.loads(event.data)) async for event in source.aiter_sse()]


async def chunks(client: httpx.AsyncClient, run_id: str) -> list[str]:
    """Return the texts of a stream that ended with `close`."""
    *texts, last = await events(client, run_id)
    assert last[0] == "close"
    assert {name for name, _ in texts} <= {"message"}
    return [text for _, text in texts]
