"""A client of an API that a test scripts, through the client's own transport interface."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import respx

from runs_mcp.api import RunsClient
from runs_mcp.api.requests.requester import Requester
from runs_mcp.config.api_settings import ApiSettings

BASE = {
    "composable": "https://studio-server-production.api.becomposable.com/api/v1",
    "vertesia": "https://api.vertesia.io/api/v1",
}
TOKEN = "QQ-token"

Open = Callable[..., AbstractAsyncContextManager[RunsClient]]


class Closing(httpx.AsyncByteStream):
    """A body that records whether it was closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def router() -> respx.MockRouter:
    """Return routes that record their calls; a request without a route is an error."""
    return respx.MockRouter(using=None, assert_all_called=False)


@pytest.fixture
def waits() -> list[float]:
    """Return the list of seconds for which the client would have slept between attempts."""
    return []


@pytest.fixture
def open_client(router: respx.MockRouter, waits: list[float]) -> Open:
    """Return a function that opens a client with given settings, whose transport is the router."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    @asynccontextmanager
    async def opened(
        *, token_in_query: bool = False, on_wait: Callable[[float, Any], Awaitable[None]] | None = None, **settings: Any
    ) -> AsyncIterator[RunsClient]:
        requester = Requester(
            ApiSettings.model_validate({"auth": {"value": TOKEN}, "max_retries": 0, **settings}),
            transport=httpx.MockTransport(router.async_handler),
            token_in_query=token_in_query,
            on_wait=on_wait,
            sleep=sleep,
        )
        async with RunsClient(requester) as client:
            yield client

    return opened
