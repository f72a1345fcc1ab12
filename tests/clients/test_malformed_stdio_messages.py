"""Malformed messages over stdio: the process survives and answers the next valid message."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.clients.processes import SERVE
from tests.clients.stdio_peer import CALL, HELLO, Peer, started

pytestmark = pytest.mark.anyio


def call_with(**params: Any) -> str:
    return json.dumps({**CALL, "params": params})


NONSENSE: dict[str, str | bytes] = {
    "no JSON": "}{",
    "binary": b"\x00\xff\xfe\x80",
    "an empty line": "",
    "null": "null",
    "a number of 400 digits": "9" * 400,
    "an empty batch": "[]",
    "a batch": json.dumps([{**CALL, "method": "ping"}] * 2),
    "nested 50,000 deep": "[" * 50_000 + "]" * 50_000,
    "no method": json.dumps({"jsonrpc": "2.0", "id": "x"}),
    "an unknown method": json.dumps({**CALL, "method": "runs/destroy"}),
    "a method that is no text": json.dumps({**CALL, "method": 7}),
    "another version": json.dumps({**CALL, "jsonrpc": "1.0"}),
    "an id that is an object": json.dumps({**CALL, "id": {}, "params": {"name": "list_runs"}}),
    "params that are a list": json.dumps({**CALL, "params": [1, 2]}),
    "a second handshake": json.dumps({**CALL, "method": "initialize", "params": HELLO}),
    "an answer to nothing": json.dumps({"jsonrpc": "2.0", "id": 99, "result": {}}),
    "cancelling what is not there": json.dumps(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "nowhere"}}
    ),
    "an unknown tool": call_with(name="drop_runs", arguments={}),
    "arguments of every wrong type": call_with(name="list_runs", arguments={"limit": {}, "offset": [], "tag": 1}),
    "an argument of 5 MB": call_with(name="search_runs", arguments={"query": "x" * 5_000_000}),
    "a number beyond all numbers": call_with(name="list_runs", arguments={"limit": 10**300}),
    "not a number": call_with(name="list_runs", arguments={"limit": float("nan")}),
    "half a surrogate": call_with(name="get_run", arguments={"run_id": "\ud800"}),
    "a nested argument": call_with(name="find_runs", arguments={"query": json.loads('{"a":' * 300 + "1" + "}" * 300)}),
}


@pytest.fixture(scope="module")
async def peer(anyio_backend: str) -> AsyncIterator[Peer]:
    """A server for all malformed messages."""
    async with started(SERVE) as peer:
        yield peer


@pytest.mark.parametrize("name", NONSENSE)
async def test_after_a_malformed_message_the_server_continues_to_answer(peer: Peer, name: str) -> None:
    await peer.send(NONSENSE[name])
    after = f"after {name}"
    await peer.send(json.dumps({**CALL, "id": after, "params": {"name": "list_runs", "arguments": {"limit": 1}}}))
    answer = await peer.answer_to(after)
    assert len(answer["result"]["structuredContent"]["runs"]) == 1
    assert peer.process.returncode is None


async def test_two_requests_with_the_same_id_are_both_answered(peer: Peer) -> None:
    twice = json.dumps({**CALL, "id": "twice", "params": {"name": "list_runs", "arguments": {"limit": 1}}})
    await peer.send(f"{twice}\n{twice}")
    answers = [await peer.next(), await peer.next()]
    assert [answer["id"] for answer in answers] == ["twice", "twice"]
    await peer.send(json.dumps({"jsonrpc": "2.0", "id": "ping", "method": "ping"}))
    assert "result" in await peer.answer_to("ping")


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        pytest.param(call_with(name="get_run", arguments={"run_id": "\ud800"}), "x", id="half a surrogate"),
        pytest.param(json.dumps({**CALL, "params": []}), "x", id="params that are a list"),
        pytest.param(json.dumps({**CALL, "id": 7, "params": 1}), 7, id="params that are a number"),
        pytest.param(json.dumps({**CALL, "id": 1.0}), 1, id="an id of 1.0, which is 1"),
        pytest.param(json.dumps({**CALL, "id": 1.5}), None, id="an id of 1.5"),
        pytest.param(json.dumps({**CALL, "id": None}), None, id="an id of null"),
        pytest.param(json.dumps({**CALL, "id": True}), None, id="an id of true"),
        pytest.param(json.dumps({**CALL, "id": "\ud800"}), None, id="half a surrogate as id"),
        pytest.param("}{", None, id="no JSON"),
    ],
)
async def test_an_invalid_request_is_refused_with_its_id(peer: Peer, line: str, request_id: object) -> None:
    await peer.send(line)
    refusal = await peer.next()
    assert refusal["id"] == request_id
    assert type(refusal["id"]) is type(request_id)
    assert refusal["error"]["code"] == (-32700 if line == "}{" else -32600)
