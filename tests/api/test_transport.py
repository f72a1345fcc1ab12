"""The default transport over real connections: a request is sent once, and its error states if it was sent."""

import base64
import gzip
import inspect
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, unquote

import aiohttp
import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from runs_mcp.api import (
    ApiTimeoutError,
    Chunk,
    ProtocolError,
    ResponseTooLargeError,
    RunsApiError,
    RunsClient,
    StreamInterruptedError,
    UnavailableError,
    connect,
)
from runs_mcp.api.requests.transport import send_once
from runs_mcp.config.api_settings import ApiSettings

pytestmark = pytest.mark.anyio

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Behaviour = Callable[[SocketStream], Awaitable[None]]
Call = Callable[[RunsClient], Awaitable[object]]


@dataclass
class Met:
    """Requests that a server received, and the number of connections they used."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def server(behave: Behaviour) -> AsyncIterator[Met]:
    """A server that reads requests and calls `behave` after each."""
    met = Met()

    async def serve(connection: SocketStream) -> None:
        met.connections += 1
        async with connection:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while True:
                    met.requests.append(await connection.receive())
                    await behave(connection)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    met.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield met
        tasks.cancel_scope.cancel()


async def answer_well(connection: SocketStream) -> None:
    await connection.send(GOOD)


async def hang_up(connection: SocketStream) -> None:
    await connection.aclose()


async def talk_nonsense(connection: SocketStream) -> None:
    await connection.send(b"\x00\xffnonsense\r\n\r\n")
    await connection.aclose()


async def answer_half(connection: SocketStream) -> None:
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await connection.aclose()


async def say_nothing(connection: SocketStream) -> None:
    await connection.receive()


async def send_elsewhere(connection: SocketStream) -> None:
    await connection.send(b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n")


@asynccontextmanager
async def client_of(url: str, **settings: Any) -> AsyncIterator[RunsClient]:
    """A client with its default transport."""
    api = ApiSettings.model_validate(
        {
            "base_url": f"{url}/api/v1",
            "auth": {"value": "the-secret"},
            "max_retries": 0,
            "timeout_s": 0.3,
            "execution_timeout_s": 0.3,
            **settings,
        }
    )
    async with connect(api) as client:
        yield client


async def read(client: RunsClient) -> object:
    return await client.get_run("r1")


async def create(client: RunsClient) -> object:
    return await client.create_run(interaction="i1")


async def stream(client: RunsClient) -> None:
    async with client.stream_run("r1") as events:
        async for _ in events:
            pass


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(("call", "writes"), [(read, False), (create, True), (stream, True)])
@pytest.mark.parametrize(
    ("behave", "failure"),
    [
        pytest.param(hang_up, UnavailableError, id="closes the connection"),
        pytest.param(talk_nonsense, UnavailableError, id="sends no HTTP"),
        pytest.param(answer_half, UnavailableError, id="closes the connection within the body"),
        pytest.param(say_nothing, ApiTimeoutError, id="sends nothing"),
    ],
)
async def test_a_request_that_fails_was_sent_once(
    call: Call, behave: Behaviour, failure: type[RunsApiError], *, writes: bool
) -> None:
    async with server(behave) as met, client_of(met.url) as client:
        with pytest.raises(failure if call is not stream or behave is not answer_half else ProtocolError) as failed:
            await call(client)
    assert len(met.requests) == 1
    if behave is not answer_half or call is not stream:
        assert failed.value.outcome_unknown is writes
    assert list(chain(failed.value)) == [failed.value], "an exception of aiohttp or httpx can hold the URL"


async def test_a_stream_that_breaks_is_opened_once() -> None:
    async def break_off(connection: SocketStream) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream ; charset=UTF-8\r\n")
        await connection.send(b'Transfer-Encoding: chunked\r\n\r\nd\r\ndata: "one"\n\n\r\n')
        await connection.aclose()

    async with server(break_off) as met, client_of(met.url, max_retries=4) as client:
        with pytest.raises(StreamInterruptedError) as failed:
            await stream(client)
    assert len(met.requests) == 1
    assert list(chain(failed.value)) == [failed.value]


async def test_an_unsent_request_is_reported_as_unsent() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    await listener.aclose()
    async with client_of(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(UnavailableError, match="cannot be reached") as failed:
            await create(client)
    assert (failed.value.retry_safe, failed.value.outcome_unknown) == (True, False)


@pytest.mark.parametrize("call", [read, stream])
async def test_a_request_on_a_dead_kept_alive_connection_is_not_repeated(call: Call) -> None:
    """A repeated GET of a stream, which aiohttp would send automatically, could execute the run again."""
    answers = iter([answer_well, hang_up])

    async def behave(connection: SocketStream) -> None:
        await next(answers)(connection)

    async with server(behave) as met, client_of(met.url) as client:
        await read(client)
        with pytest.raises(UnavailableError):
            await call(client)
    assert (len(met.requests), met.connections) == (2, 1)


async def test_connections_are_used_again() -> None:
    async with server(answer_well) as met, client_of(met.url) as client:
        for _ in range(20):
            await read(client)
    assert (len(met.requests), met.connections) == (20, 1)


async def test_a_request_arrives_as_it_was_built() -> None:
    async with server(answer_well) as met, client_of(met.url) as client:
        await client.get_run("a/b c+d~é")
        await client.create_run(interaction="i1", stream=True)
        with suppress(RunsApiError):
            await client.list_runs(tag="x&y +%20é")
    run, created, listed = met.requests
    assert run.startswith(b"GET /api/v1/runs/a%2Fb%20c%2Bd~%C3%A9 HTTP/1.1\r\n")
    assert created.endswith(b'\r\n\r\n{"interaction":"i1","stream":true}')
    [target] = [line.split()[1] for line in listed.splitlines() if line.startswith(b"GET")]
    assert parse_qs(target.decode().partition("?")[2]) == {"tag": ["x&y +%20é"]}
    assert b"python" not in run.lower(), "no header is added that was not set"


async def test_a_redirect_is_not_followed() -> None:
    async with server(send_elsewhere) as met, client_of(met.url) as client:
        with pytest.raises(ProtocolError, match="status 302"):
            await read(client)
    assert len(met.requests) == 1


async def test_cookies_are_not_kept() -> None:
    async def set_cookie(connection: SocketStream) -> None:
        await connection.send(GOOD.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"))

    async with server(set_cookie) as met, client_of(met.url) as client:
        await read(client)
        await read(client)
    assert b"cookie" not in met.requests[1].lower()


async def test_requests_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(answer_well) as met:
        monkeypatch.setenv("http_proxy", met.url.replace("http://", "user:p%40ss@"))
        monkeypatch.setenv("no_proxy", "kept.invalid")
        async with client_of("http://runs.invalid", allow_plain_http=True) as client:
            await read(client)
        async with client_of("http://kept.invalid", allow_plain_http=True) as client:
            with pytest.raises(UnavailableError):
                await read(client)
    assert met.requests[0].startswith(b"GET http://runs.invalid/api/v1/runs/r1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") in met.requests[0]


@pytest.mark.parametrize("password", ["p%40ss", "long%2fpassword", "as+it=is"])
async def test_a_password_that_the_proxy_repeats_is_replaced(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    pair = f"user:{password}"
    told = f"{pair} {unquote(pair)} {base64.b64encode(unquote(pair).encode()).decode()}"
    body = json.dumps({"message": told}).encode()

    async def refuse(connection: SocketStream) -> None:
        await connection.send(b"HTTP/1.1 407 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with server(refuse) as met:
        monkeypatch.setenv("http_proxy", met.url.replace("http://", f"http://{pair}@"))
        async with client_of("http://runs.invalid", allow_plain_http=True) as client:
            with pytest.raises(RunsApiError) as failed:
                await read(client)
    shown = str(failed.value.api_message)
    assert shown.count("[secret]") == 3
    assert not [part for part in told.split() if part in shown]


async def test_a_proxy_that_refuses_is_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(connection: SocketStream) -> None:
        await connection.send(b"HTTP/1.1 407 No user:the-password\r\nContent-Length: 0\r\n\r\n")

    async with server(refuse) as met:
        monkeypatch.setenv("https_proxy", met.url.replace("http://", "http://user:the-password@"))
        async with client_of("https://runs.invalid") as client:
            with pytest.raises(UnavailableError, match=r"cannot be reached \(ProxyError\)") as failed:
                await create(client)
    assert failed.value.retry_safe
    assert "the-password" not in "".join(traceback.format_exception(failed.value))


async def test_requests_to_loopback_never_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(answer_well) as proxy, server(answer_well) as api:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("all_proxy", proxy.url)
        async with client_of(api.url) as client:
            await read(client)
    assert (len(proxy.requests), len(api.requests)) == (0, 1)


async def test_a_stream_left_early_closes_its_connection() -> None:
    closed = anyio.Event()

    async def go_on(connection: SocketStream) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        await connection.send(b'Transfer-Encoding: chunked\r\n\r\nb\r\ndata: "x"\n\n\r\n')
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await connection.receive()
        closed.set()
        raise anyio.EndOfStream

    async with server(go_on) as met, client_of(met.url, execution_timeout_s=5) as client:
        async with client.stream_run("r1") as events:
            assert await anext(aiter(events)) == Chunk("x", "x")
        with anyio.fail_after(1):
            await closed.wait()


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_above_the_limit_is_not_read_to_its_end(*, compressed: bool) -> None:
    body = b'[{"id": "' + b"x" * 30_000_000 + b'"}]'
    if compressed:
        body = gzip.compress(body)
    headers = b"Content-Encoding: gzip\r\n" if compressed else b""

    async def answer_much(connection: SocketStream) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (headers, len(body)) + body)

    async with server(answer_much) as met, client_of(met.url, timeout_s=30, max_response_bytes=100_000) as client:
        with pytest.raises(ResponseTooLargeError, match=r"100,000 bytes \(api.max_response_bytes\)$"):
            await client.list_runs()
    assert len(met.requests) == 1


def aiohttp_exceptions() -> list[type[Exception]]:
    classes = [kind for _, kind in inspect.getmembers(aiohttp, inspect.isclass)]
    return [kind for kind in classes if issubclass(kind, aiohttp.ClientError)]


@pytest.mark.parametrize("kind", aiohttp_exceptions())
async def test_every_exception_of_aiohttp_becomes_an_exception_of_httpx(kind: Any) -> None:
    """With an exception of its own, aiohttp would repeat a GET."""

    async def fail(_: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        raise kind.__new__(kind)

    with pytest.raises(httpx.TransportError, match=kind.__name__):
        await send_once(cast(aiohttp.ClientRequest, None), fail)
