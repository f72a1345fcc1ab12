"""Malformed responses of the API: every call gets a readable answer, and the next valid response is used normally."""

import random
from typing import Any

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests import upstream
from tests.calls import Answer, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Replies, Reply, reply

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_polls")]

PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "GET /runs": ("list_runs", {}),
    "GET /runs/r1": ("get_run", {"run_id": "r1"}),
    "POST /runs/search": ("search_runs", {}),
    "POST /runs/find": ("find_runs", {"query": {}}),
    "POST /runs/facets": ("compute_run_facets", {}),
    "GET /runs/filter-options/models": ("get_run_filter_options", {"field": "models"}),
}
JSON, HTML = "application/json", "text/html"
RANDOM = random.Random(1).randbytes(4_000)
NONSENSE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", JSON),
    "random bytes": (RANDOM, JSON),
    "random bytes as anything": (RANDOM, "application/octet-stream"),
    "cut JSON": (b'[{"id": "r1", "status": "comp', JSON),
    "a page of HTML": (b"<html><script>alert(1)</script></html>", HTML),
    "good JSON called HTML": (b'{"id": "r1"}', HTML),
    "null": (b"null", JSON),
    "a number": (b"7", JSON),
    "a text": (b'"runs"', JSON),
    "a list of everything else": (b'[null, 1, "x", [], {}]', JSON),
    "a gigantic number": (b'{"id": "r1", "execution_time": ' + b"9" * 5_000 + b"}", JSON),
    "numbers beyond all numbers": (b'[{"id": "r1", "execution_time": 1e999, "token_use": {"prompt": 1e400}}]', JSON),
    "not a number": (b'{"id": "r1", "total": NaN, "execution_time": NaN}', JSON),
    "every field of the wrong type": (
        b'{"id": {}, "status": [], "tags": "x", "error": 7, "result": {"a": {}}, "created_at": -1, "total": "x"}',
        JSON,
    ),
    "half a surrogate": (b'{"id": "r1", "result": "\\ud800", "modelId": "\\ud800"}', JSON),
    "nested 50,000 deep": (b"[" * 50_000, JSON),
    "an id that is a path": (b'{"id": "../../auth/token", "status": "created"}', JSON),
}

RUNS = {
    **dict.fromkeys(("good JSON called HTML", "not a number", "half a surrogate"), "r1"),
    "an id that is a path": "../../auth/token",
}
"""The id of the run that a malformed response names; the others name none."""


def body(content: bytes, kind: str) -> Reply:
    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def in_words(answer: Answer) -> bool:
    return bool(answer.text) and "inside the server" not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize("name", NONSENSE)
async def test_a_malformed_api_response_never_breaks_a_call(connect: Connect, name: str) -> None:
    replies = {place: body(*NONSENSE[name]) for place in PLACES}
    good = {"GET /runs/r2": reply({"id": "r2", "status": "completed"})}
    async with upstream.serving(replies | good) as api, connect(configured(api)) as client:
        for tool, arguments in PLACES.values():
            assert in_words(await call(client, tool, **arguments)), tool
        assert (await call(client, "get_run", run_id="r2")).structured["status"] == "completed"


async def test_a_create_with_a_malformed_response_is_sent_once_and_its_run_is_not_denied(connect: Connect) -> None:
    async def create(name: str) -> None:
        replies = {"POST /runs": body(*NONSENSE[name]), "GET /runs": reply([])}
        async with upstream.serving(replies) as api, connect(configured(api, max_wait_s=20)) as client:
            answer = await call(client, "create_run", interaction="i1")
            assert api.count("POST /runs") == 1
        assert in_words(answer)
        assert "No run was created." not in answer.text, name
        assert "none was created" not in answer.text, name
        known = f"Run {RUNS[name]} was accepted" if name in RUNS else "It is not known whether a run was created."
        assert known in answer.text, name

    async with anyio.create_task_group() as tasks:
        for name in NONSENSE:
            tasks.start_soon(create, name)


@pytest.mark.parametrize("content", [b"null", b"[]", b'"ok"', b"7", b"{}", b'{"id": null, "status": "created"}'])
async def test_a_created_run_is_found_by_its_tag_if_the_response_does_not_name_it(
    connect: Connect, content: bytes
) -> None:
    done = {"id": "r1", "status": "completed", "result": "Hello"}
    replies: Replies = {"POST /runs": body(content, JSON), "GET /runs": reply([done]), "GET /runs/r1": reply(done)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i1")
        assert api.count("POST /runs") == 1
    assert answer.structured["id"] == "r1"
