"""A Runs API on a real port that gives scripted replies and records the requests."""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from runs_mcp.config.api_settings import ApiSettings, AuthSettings

TOKEN = "upstream-secret-token"
GRACE_S = 1
"""Seconds within which the requests of a stopped server must end."""
KEEP_ALIVE_S = 300
"""Longer than a busy client leaves a connection unused: a stream whose connection was closed is not requested again."""
Reply = Callable[[Request], Awaitable[Response]]
Replies = Mapping[str, Reply | list[Reply]]


class Upstream:
    """The requests received, and the replies to give for each `METHOD /path`; the last reply repeats."""

    def __init__(self, replies: Replies) -> None:
        self.asked: list[str] = []
        self._replies = {place: reply if isinstance(reply, list) else [reply] for place, reply in replies.items()}
        self.url = ""

    @property
    def api(self) -> ApiSettings:
        """Return settings of a client of this API."""
        return ApiSettings.model_validate(
            {"base_url": f"{self.url}/api/v1", "auth": AuthSettings.model_validate({"value": TOKEN}), "max_retries": 0}
        )

    def count(self, place: str) -> int:
        """Return the number of requests to `METHOD /path`."""
        return self.asked.count(place)

    async def answer(self, request: Request) -> Response:
        """Return the next reply to a request."""
        place = f"{request.method} {request.url.path.removeprefix('/api/v1')}"
        self.asked.append(place)
        replies = self._replies[place]
        return await (replies.pop(0) if len(replies) > 1 else replies[0])(request)


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply with `body` as JSON."""

    async def answer(_: Request) -> Response:
        return JSONResponse(body, status, headers=headers)

    return answer


def events(*parts: str | bytes | anyio.Event | None) -> Reply:
    """Return a reply that streams `parts`; it waits for an event, and breaks the connection at None."""

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            if part is None:
                raise ConnectionAbortedError
            if isinstance(part, str | bytes):
                yield part.encode() if isinstance(part, str) else part
            else:
                await part.wait()

    async def answer(_: Request) -> Response:
        return StreamingResponse(body(), media_type="text/event-stream")

    return answer


def chunk(text: str) -> str:
    """Return the event of a piece of text, in the form of the platform."""
    return f'data: "{text}"\n\n'


CLOSE = 'event: close\ndata: {"status": "completed"}\n\n'


class _Server(uvicorn.Server):
    """A server that stops at once; that of uvicorn pauses twice for 0.1 s."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready, self.stop = anyio.Event(), anyio.Event()

    async def serve_to_the_end(self, listener: socket.socket) -> None:
        """Serve until `stop` is set, even if the test is cancelled; the end of the test sets `stop`."""
        with anyio.CancelScope(shield=True):
            await self.serve([listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as exit_request:  # SystemExit would end the event loop and with it all other tests
            raise RuntimeError("the application did not start") from exit_request
        self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # sets the headers of every response
        await self.stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not self.force_exit:
            await self._finish_requests()
            await self.lifespan.shutdown()

    async def _finish_requests(self) -> None:
        requests = list(self.server_state.tasks)
        with anyio.move_on_after(GRACE_S):
            for request in requests:
                await request
        for request in requests:
            request.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(replies: Replies, *, date: bool = True) -> AsyncIterator[Upstream]:
    """Yield an upstream that answers with `replies`, with a `Date` header if `date` is true."""
    upstream = Upstream(replies)
    app = Starlette(routes=[Route("/{path:path}", upstream.answer, methods=["GET", "POST", "PUT", "DELETE"])])
    async with listening(lambda _: app, date=date) as upstream.url:
        yield upstream


@asynccontextmanager
async def listening(
    build: Callable[[str], ASGIApp],
    *,
    lifespan: Literal["on", "off"] = "off",
    date: bool = True,
    http: Any = "auto",
) -> AsyncIterator[str]:
    """Serve the application that `build` returns for its URL, for the duration of the block; yield the URL.

    With `lifespan`, the application is started and stopped. `http` is the protocol of its connections.
    """
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # TCP, so asyncio turns Nagle's algorithm off
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            build(url),
            http=http,
            log_config=None,
            lifespan=lifespan,
            date_header=date,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        server = _Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve_to_the_end, listener)
            try:
                await server.ready.wait()
                yield url
            finally:
                server.force_exit = lifespan == "off"
                server.stop.set()
