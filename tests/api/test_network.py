"""Requests over real connections: each is sent once, and its failure tells whether it was sent at all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from runs_mcp.api import ApiTimeoutError, RunsApiError, UnavailableError
from runs_mcp.api.network import Connections, Request

pytestmark = pytest.mark.anyio

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Behaviour = Callable[[SocketStream], Awaitable[None]]


@dataclass
class Met:
    """What a server was sent, a piece a request, and by how many connections."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def server(behave: Behaviour) -> AsyncIterator[Met]:
    """A server that reads requests, and after each behaves like that."""
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


def request(url: str, method: str = "GET", body: bytes | None = None) -> Request:
    return Request(method, url, {}, body, connect_timeout_s=5, read_timeout_s=0.3, writes=method == "POST")


async def ask(network: Connections, url: str, method: str = "GET", body: bytes | None = None) -> int:
    response = await network.send(request(url, method, body))
    await response.read()
    return response.status


@asynccontextmanager
async def connections() -> AsyncIterator[Connections]:
    network = Connections()
    yield network
    await network.aclose()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("behave", "failure"),
    [
        pytest.param(hang_up, UnavailableError, id="hangs up"),
        pytest.param(talk_nonsense, UnavailableError, id="talks nonsense"),
        pytest.param(answer_half, UnavailableError, id="breaks off"),
        pytest.param(say_nothing, ApiTimeoutError, id="is silent"),
    ],
)
async def test_a_request_that_fails_was_sent_once(method: str, behave: Behaviour, failure: type[RunsApiError]) -> None:
    async with server(behave) as met, connections() as network:
        with pytest.raises(failure) as failed:
            await ask(network, f"{met.url}/?token=secret", method)
    assert len(met.requests) == 1
    assert failed.value.outcome_unknown is (method == "POST")
    assert failed.value.__context__ is None, "the exception of aiohttp can hold the URL"


async def test_a_request_that_could_not_be_sent_says_so() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    await listener.aclose()
    async with connections() as network:
        with pytest.raises(UnavailableError) as failed:
            await ask(network, f"http://127.0.0.1:{port}/", "POST")
    assert (failed.value.retry_safe, failed.value.outcome_unknown) == (True, False)


async def test_a_kept_connection_that_breaks_repeats_nothing() -> None:
    answers = iter([answer_well, hang_up])

    async def behave(connection: SocketStream) -> None:
        await next(answers)(connection)

    async with server(behave) as met, connections() as network:
        await ask(network, met.url)
        with pytest.raises(UnavailableError):
            await ask(network, met.url)
    assert (len(met.requests), met.connections) == (2, 1)


async def test_connections_are_used_again() -> None:
    async with server(answer_well) as met, connections() as network:
        for _ in range(20):
            await ask(network, met.url)
    assert (len(met.requests), met.connections) == (20, 1)


async def test_what_is_sent_is_what_was_asked_for() -> None:
    async with server(answer_well) as met, connections() as network:
        await ask(network, f"{met.url}/runs/a%2Fb%20c?tag=x%26y", "POST", b'{"a": 1}')
    head, _, body = met.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /runs/a%2Fb%20c?tag=x%26y HTTP/1.1\r\n")
    assert body == b'{"a": 1}'
    assert b"python" not in head.lower(), "nothing is added that was not set"


async def test_a_redirect_is_not_followed() -> None:
    async with server(send_elsewhere) as met, connections() as network:
        assert (await ask(network, met.url)) == 302


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(answer_well) as met:
        monkeypatch.setenv("HTTP_PROXY", met.url)
        monkeypatch.setenv("NO_PROXY", "kept.example")
        async with connections() as network:
            assert (await ask(network, "http://runs.example/runs")) == 200
            with pytest.raises(UnavailableError):
                await ask(network, "http://kept.example/runs")
    assert met.requests[0].startswith(b"GET http://runs.example/runs HTTP/1.1\r\n")


async def test_an_answer_closed_early_ends_its_connection() -> None:
    closed = anyio.Event()

    async def go_on(connection: SocketStream) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await connection.receive()
        closed.set()
        raise anyio.EndOfStream

    async with server(go_on) as met, connections() as network:
        response = await network.send(request(met.url))
        async for piece in response.pieces():
            assert piece == b"x"
            break
        response.close()
        with anyio.fail_after(1):
            await closed.wait()
