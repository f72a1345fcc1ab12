"""Ids of JSON-RPC requests: each caller gets the answer to its own request, for any ids of the requests."""

import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from mcp.server.streamable_http import REQUEST_CANCELLED
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from runs_mcp.http.layers import message_ids
from runs_mcp.http.layers.message import MessageReader, message_of
from runs_mcp.http.layers.message_ids import MessageIds
from tests import upstream
from tests.http.service import ACCEPT, LEGACY, META, MODERN, SESSION, Running, configured, running
from tests.server.test_cancellation import PROMISED_S, Endless

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]


class SlowRuns:
    """An API in which a run completes once the test sets its event in `ready`."""

    def __init__(self) -> None:
        self.asked = {run_id: anyio.Event() for run_id in ("r1", "r2")}
        self.left = {run_id: anyio.Event() for run_id in self.asked}
        self.ready = {run_id: anyio.Event() for run_id in self.asked}

    async def __call__(self, request: Request) -> Response:
        run_id = request.url.path.rpartition("/")[2]
        self.asked[run_id].set()
        try:
            await self.ready[run_id].wait()
        finally:
            self.left[run_id].set()
        return JSONResponse({"id": run_id, "status": "completed", "result": f"result of {run_id}"})


class Caller:
    """A caller that sends raw tool calls with unusual ids."""

    def __init__(self, at: Running, era: str, session: Mapping[str, str]) -> None:
        self._at = at
        self._era = era
        self._session = session

    async def get_run(self, message_id: Any, run_id: str) -> dict[str, Any]:
        """Return the answer to a call of `get_run`."""
        headers = {"mcp-protocol-version": self._era, **self._session}
        params: dict[str, Any] = {"name": "get_run", "arguments": {"run_id": run_id}}
        if self._era == MODERN:
            headers |= {"mcp-method": "tools/call", "mcp-name": "get_run"}
            params["_meta"] = META
        message = {"jsonrpc": "2.0", "id": message_id, "method": "tools/call", "params": params}
        return answered(await self._at.post(message, **headers))

    async def cancel(self, message_id: Any) -> None:
        """Cancel a call."""
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message_id}}
        headers = {"mcp-protocol-version": self._era, **self._session}
        assert (await self._at.post(message, **headers)).status_code == 202


def answered(answer: httpx.Response) -> dict[str, Any]:
    """Return the last message of an answer."""
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    message: dict[str, Any] = json.loads(lines[-1] if lines else answer.text)
    return message


async def open_session(at: Running) -> dict[str, str]:
    """Open a session, and return the headers of its requests."""
    session = await at.open_session()
    await at.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
    return session


@pytest.fixture
def runs() -> SlowRuns:
    """The runs of the API."""
    return SlowRuns()


@pytest.fixture
async def at(runs: SlowRuns) -> AsyncIterator[Running]:
    """A service in front of the slow runs."""
    async with upstream.serving({"GET /runs/r1": runs, "GET /runs/r2": runs}) as api, running(configured(api)) as at:
        yield at


@pytest.fixture(params=[LEGACY, MODERN])
async def caller(request: pytest.FixtureRequest, at: Running) -> Caller:
    """A caller of either era; its calls share a session if the era has sessions."""
    return Caller(at, request.param, await open_session(at) if request.param == LEGACY else {})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(1, 1, id="equal numbers"),
        pytest.param("a", "a", id="equal texts"),
        pytest.param(1, "1", id="a number and the same digits"),
        pytest.param("_GET_stream", "x", id="a name the SDK uses for another stream"),
    ],
)
async def test_concurrent_requests_with_any_ids_get_their_own_answers(
    runs: SlowRuns, caller: Caller, first: int | str, second: int | str
) -> None:
    answers: dict[str, dict[str, Any]] = {}

    async def ask(message_id: int | str, run_id: str) -> None:
        answers[run_id] = await caller.get_run(message_id, run_id)

    async with anyio.create_task_group() as tasks:
        for message_id, run_id in ((first, "r1"), (second, "r2")):
            tasks.start_soon(ask, message_id, run_id)
            await runs.asked[run_id].wait()
        for run_id in ("r2", "r1"):
            runs.ready[run_id].set()
    for message_id, run_id in ((first, "r1"), (second, "r2")):
        assert answers[run_id]["id"] == message_id
        assert type(answers[run_id]["id"]) is type(message_id)
        assert f"result of {run_id}" in answers[run_id]["result"]["content"][0]["text"]


async def test_a_reused_id_never_gets_the_answer_of_an_abandoned_request(runs: SlowRuns, caller: Caller) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller.get_run, 1, "r1")
        await runs.asked["r1"].wait()
        tasks.cancel_scope.cancel()
    answers: list[dict[str, Any]] = []

    async def ask_again() -> None:
        answers.append(await caller.get_run(1, "r2"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_again)
        await runs.asked["r2"].wait()
        runs.ready["r1"].set()
        await runs.left["r1"].wait()
        runs.ready["r2"].set()
    assert answers[0]["id"] == 1
    assert "result of r2" in answers[0]["result"]["content"][0]["text"]


async def test_a_session_can_cancel_a_request_by_its_id_after_it_has_disconnected() -> None:
    endless = Endless()
    async with upstream.serving({"GET /runs/r1": endless}) as api, running(configured(api)) as at:
        caller = Caller(at, LEGACY, await open_session(at))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(caller.get_run, 1, "r1")
            await endless.came.wait()
            tasks.cancel_scope.cancel()
        assert not endless.left.is_set()
        await caller.cancel(1)
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()


async def test_a_request_whose_cancellation_arrives_first_is_not_executed(runs: SlowRuns, at: Running) -> None:
    """The two messages use different connections, and a busy server may serve the second connection first."""
    caller, other = [Caller(at, LEGACY, await open_session(at)) for _ in range(2)]
    await caller.cancel(1)
    assert (await caller.get_run(1, "r1"))["error"]["code"] == REQUEST_CANCELLED
    assert not runs.asked["r1"].is_set()
    for ready in runs.ready.values():
        ready.set()
    for sender, message_id in ((other, 1), (caller, "1"), (caller, 1)):
        assert "result of r2" in str(await sender.get_run(message_id, "r2"))


async def test_the_oldest_early_cancellation_is_forgotten_beyond_a_number(
    runs: SlowRuns, at: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_ids, "MAX_EARLY", 1)
    caller = Caller(at, LEGACY, await open_session(at))
    await caller.cancel(1)
    await caller.cancel(2)
    runs.ready["r1"].set()
    assert "result of r1" in str(await caller.get_run(1, "r1"))
    assert (await caller.get_run(2, "r2"))["error"]["code"] == REQUEST_CANCELLED


async def test_cancellations_of_others_do_not_make_the_server_forget_those_of_a_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_ids, "MAX_EARLY", 1)
    served = list[str]()

    async def serving(scope: Scope, _: Receive, send: Send) -> None:
        served.append(message_of(scope)["method"])
        await Response(status_code=202)(scope, _, send)

    callers = [httpx.ASGITransport(MessageReader(MessageIds(serving), 100_000))]
    callers.append(httpx.ASGITransport(callers[0].app, client=("192.0.2.1", 1)))
    cancellation = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(httpx.AsyncClient(transport=one, base_url="http://127.0.0.1"))
            for one in callers
        ]
        await first.post("/mcp", json=cancellation, headers={SESSION: "s1"})
        for number in range(3):
            await second.post("/mcp", json=cancellation, headers={SESSION: f"t{number}"})
        refused = await first.post("/mcp", json=request, headers={SESSION: "s1"})
    assert refused.json()["error"]["code"] == REQUEST_CANCELLED
    assert "tools/call" not in served


async def test_a_refused_request_does_not_displace_a_request_in_progress() -> None:
    """Anyone may name sessions that do not exist; the answers to such requests have no id."""
    arrived, may_answer, cancelled = anyio.Event(), anyio.Event(), list[int | str]()

    async def serving(scope: Scope, receive: Receive, send: Send) -> None:
        message = json.loads((await receive())["body"])
        if Headers(scope=scope)[SESSION] == "unknown":
            await Response(status_code=404)(scope, receive, send)
        elif message["method"] == "notifications/cancelled":
            cancelled.append(message["params"]["requestId"])
            await Response(status_code=202)(scope, receive, send)
        else:
            arrived.set()
            await may_answer.wait()
            await Response(f'{{"id":"{message["id"]}"}}')(scope, receive, send)

    app = httpx.ASGITransport(MessageReader(MessageIds(serving, max_unanswered=2), 100_000))
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    cancellation = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    async with (
        httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as http,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(partial(http.post, "/mcp", json=request, headers={SESSION: "known"}))
        await arrived.wait()
        for number in range(5):
            await http.post("/mcp", json=request | {"id": number}, headers={SESSION: "unknown"})
        await http.post("/mcp", json=cancellation, headers={SESSION: "known"})
        may_answer.set()
    [known] = cancelled
    assert known != 1


async def test_long_ids_are_not_remembered(at: Running) -> None:
    """An id may be as long as a message, so a few thousand ids would fill the memory."""
    app = httpx.ASGITransport(MessageReader(MessageIds(at.service.servers), 3_000_000))
    headers = {**ACCEPT, SESSION: "unknown", "mcp-protocol-version": LEGACY}
    async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1") as http:
        tracemalloc.start()
        try:
            for number in range(5):
                long_id = f"{number}{'x' * 1_000_000}"
                request = {"jsonrpc": "2.0", "id": long_id, "method": "ping"}
                assert (await http.post("/mcp", json=request, headers=headers)).status_code == 400
                params = {"requestId": long_id}
                cancellation = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
                assert (await http.post("/mcp", json=cancellation, headers=headers)).status_code == 404
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 4_000_000
