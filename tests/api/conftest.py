"""A client of an API that a test scripts, with nothing patched."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest
import respx
from aiohttp.client_reqrep import ConnectionKey

from runs_mcp.api import RunsClient, failures
from runs_mcp.api.network import Request, Response
from runs_mcp.api.transport import Transport
from runs_mcp.config.api_settings import ApiSettings

BASE = {
    "composable": "https://studio-server-production.api.becomposable.com/api/v1",
    "vertesia": "https://api.vertesia.io/api/v1",
}
TOKEN = "the-token"

Open = Callable[..., AbstractAsyncContextManager[RunsClient]]


class Scripted:
    """A network whose answers and troubles are those of a router."""

    def __init__(self, router: respx.MockRouter) -> None:
        self._router = router

    async def send(self, request: Request) -> Response:
        timeout = {"connect": request.connect_timeout_s, "read": request.read_timeout_s}
        sent = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.body, extensions={"timeout": timeout}
        )
        try:
            return ScriptedResponse(await self._router.async_handler(sent), writes=request.writes)
        except (aiohttp.ClientError, OSError) as error:
            failure = failures.of_exception(error, writes=request.writes)
        raise failure

    async def aclose(self) -> None:
        """There is nothing to close."""


class ScriptedResponse:
    """What a router answers, as the client reads it."""

    def __init__(self, response: httpx.Response, *, writes: bool) -> None:
        self._response = response
        self._writes = writes
        self.status = response.status_code
        self.headers = response.headers

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx.AsyncByteStream)
        try:
            async for piece in self._response.stream:
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            failure = failures.of_exception(error, writes=self._writes)
        else:
            return
        raise failure

    def close(self) -> None:
        if isinstance(self._response.stream, Closing):
            self._response.stream.closed = True


class Closing(httpx.AsyncByteStream):
    """A body that knows whether it was closed."""

    closed = False


def no_connection(text: str = "x") -> aiohttp.ClientConnectorError:
    """What aiohttp raises where nobody listens."""
    return aiohttp.ClientConnectorError(_KEY, OSError(text))


_KEY = ConnectionKey("runs.example", 443, True, True, None, None, None, None)


@pytest.fixture
def router() -> respx.MockRouter:
    """Routes and the calls they got; what has no route is an error."""
    return respx.MockRouter(using=None, assert_all_called=False)


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client would have slept between tries."""
    return []


@pytest.fixture
def open_client(router: respx.MockRouter, waits: list[float]) -> Open:
    """Opens a client of the router, with settings of the test's choice."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    @asynccontextmanager
    async def opened(
        *, token_in_query: bool = False, on_wait: Callable[[float, Any], Awaitable[None]] | None = None, **settings: Any
    ) -> AsyncIterator[RunsClient]:
        transport = Transport(
            ApiSettings.model_validate({"auth": {"value": TOKEN}, "max_retries": 0, **settings}),
            token_in_query=token_in_query,
            network=Scripted(router),
            on_wait=on_wait,
            sleep=sleep,
        )
        async with RunsClient(transport) as client:
            yield client

    return opened
