"""An API that answers nonsense: every call gets words, and the next good answer is taken as if nothing had been."""

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
from tests.upstream import Reply, reply

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


async def test_a_malformed_api_response_never_repeats_a_create(connect: Connect) -> None:
    async def create(nonsense: Reply) -> None:
        replies = {"POST /runs": nonsense, "GET /runs": reply([])}
        async with upstream.serving(replies) as api, connect(configured(api, max_wait_s=20)) as client:
            assert in_words(await call(client, "create_run", interaction="i1"))
            assert api.count("POST /runs") == 1

    async with anyio.create_task_group() as tasks:
        for nonsense in NONSENSE.values():
            tasks.start_soon(create, body(*nonsense))
