"""Mistaken and malicious requests are rejected or fail alone, and the sandbox continues."""

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import TaskGroup
from httpx_sse import aconnect_sse

from runs_mcp.sandbox import SandboxOptions, running
from runs_mcp.sandbox.storage.run_store import RunStore as Store
from tests.http_client import http_client
from tests.sandbox.sandbox_client import TODAY, JsonObject, answered, create, events, get, sandbox

pytestmark = pytest.mark.anyio

GOOD = {"interaction": "ClassifySentiment", "data": {"text": "Good."}}


@pytest.mark.parametrize("headers", [{}, TODAY], ids=["reference document", "today"])
@pytest.mark.parametrize("path", ["/runs", "/runs/search", "/runs/facets", "/runs/find"])
@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"limit": NaN}',
        b'{"data": {"text": "\\ud800"}}',
        b'{"query": ' + b"[" * 100_000,
    ],
    ids=["unclosed", "list", "null", "not UTF-8", "not a number", "half a pair", "too deep"],
)
async def test_a_body_other_than_a_json_object_is_a_400(
    api: httpx.AsyncClient, path: str, content: bytes, headers: dict[str, str]
) -> None:
    response = await api.post(path, content=content, headers=headers)
    assert response.status_code == 400
    assert response.json()["message"] in ("The body is not JSON.", "The body must be a JSON object.")


@pytest.mark.parametrize("version", [b"latest", b"\xb2", b"9" * 5_000, b"-1"], ids=lambda version: repr(version[:8]))
async def test_a_malformed_version_means_the_reference_document(api: httpx.AsyncClient, version: bytes) -> None:
    response = await api.post("/runs", json={**GOOD, "wrong": 1}, headers={b"x-api-version": version})
    assert (await answered(response))["result"]["sentiment"] == "positive"


@pytest.mark.parametrize(
    ("interaction", "data", "result"),
    [
        ("SlowWriter", {"chunks": 2.0, "delay_ms": 1.0}, "word1 word2 "),
        ("SummarizeText", {"text": "One bee. Two bees.", "sentences": 5.0}, "One bee. Two bees."),
    ],
)
async def test_a_whole_number_may_have_a_decimal_point(
    api: httpx.AsyncClient, interaction: str, data: JsonObject, result: str
) -> None:
    assert (await create(api, interaction, data))["result"] == result


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#/$defs/nothing"}, {"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "#"}],
    ids=["no such reference", "reference elsewhere", "reference to itself"],
)
async def test_a_schema_whose_references_cannot_be_followed_fails_its_run(
    api: httpx.AsyncClient, schema: JsonObject
) -> None:
    run = await create(api, "ClassifySentiment", {"text": "Good."}, result_schema=schema)
    assert run["error"]["code"] == "invalid_result"
    assert "references cannot be followed" in run["error"]["message"]


async def test_an_internal_error_fails_only_its_own_run(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of paper")

    with monkeypatch.context() as patch:
        patch.setattr("runs_mcp.sandbox.execution.samples.completed", broken)
        run = await create(api, "ClassifySentiment", {"text": "Good."})
    assert run["error"] == {"code": "internal_error", "message": "RuntimeError: out of paper"}
    assert (await create(api, "ClassifySentiment", {"text": "Good."}))["status"] == "completed"


ENDLESS = {"chunks": 1_000, "delay_ms": 10_000}


async def test_concurrent_creates_never_exceed_the_limit() -> None:
    async with sandbox(SandboxOptions(seed_runs=0, max_executing=2)) as api:
        refused: list[int] = []

        async def post(tasks: TaskGroup) -> None:
            refused.append((await api.post("/runs", json={"interaction": "SlowWriter", "data": ENDLESS})).status_code)
            if len(refused) == 4:
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as posts:
            for _ in range(6):
                posts.start_soon(post, posts)
        assert refused == [429] * 4
        assert len(await answered(await api.get("/runs"))) <= 2, "a refused create makes no run"


async def test_a_stream_above_the_limit_of_runs_starts_no_run() -> None:
    async with sandbox(SandboxOptions(seed_runs=0, max_executing=1)) as api:
        busy = await create(api, "SlowWriter", ENDLESS, stream=True)
        waiting = await create(api, "SlowWriter", {"chunks": 1, "delay_ms": 0}, stream=True)
        async with aconnect_sse(api, "GET", f"/runs/{busy['id']}/stream") as source:
            await anext(source.aiter_sse())
            assert (await api.get(f"/runs/{waiting['id']}/stream")).status_code == 429
            assert (await get(api, waiting["id"]))["status"] == "created"


async def test_concurrent_streams_share_an_execution(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 30, "delay_ms": 1}, stream=True)
    written: list[list[tuple[str, Any]]] = []

    async def follow() -> None:
        written.append(await events(api, run["id"]))

    async with anyio.create_task_group() as followers:
        for _ in range(5):
            followers.start_soon(follow)
    text = "".join(f"word{number} " for number in range(1, 31))
    assert ["".join(data for name, data in one if name == "message") for one in written] == [text] * 5
    assert (await get(api, run["id"]))["result"] == text


@pytest.mark.parametrize("run_id", ["0" * 24, "a b", "..%2F..", "%3F", "' OR 1=1 --", "search", "a%00b", "\u6771"])
@pytest.mark.parametrize("rest", ["", "/stream"])
async def test_a_malformed_id_is_a_404(api: httpx.AsyncClient, run_id: str, rest: str) -> None:
    response = await api.get(f"/runs/{run_id}{rest}")
    assert response.status_code == response.json()["status"] == 404
    assert response.json()["error"] == "Not Found"


def test_a_batch_of_runs_is_added_whole_or_not_at_all() -> None:
    store = Store(None)
    with pytest.raises(Exception, match="UNIQUE"):
        store.add([{"id": "one", "tags": ["a"]}, {"id": "one"}])
    assert store.is_empty()
    store.add([{"id": "one", "tags": ["a"]}])
    assert store.get("one") == {"id": "one", "tags": ["a"]}


@pytest.mark.parametrize("place", ["text.db", "missing/runs.db", "."], ids=["not a database", "no folder", "a folder"])
def test_an_unusable_data_file_is_an_error_that_names_the_file(tmp_path: Path, place: str) -> None:
    (tmp_path / "text.db").write_text("Shopping list: milk, bread and a very long cucumber.", encoding="utf-8")
    with pytest.raises(OSError, match="cannot keep runs in") as refused:
        Store(tmp_path / place)
    assert str(tmp_path / place) in str(refused.value)
    assert (tmp_path / "text.db").read_text(encoding="utf-8").startswith("Shopping list")


async def test_a_sandbox_answers_after_the_block_of_another_has_failed() -> None:
    with pytest.RaisesGroup(LookupError, flatten_subgroups=True):
        async with running():
            raise LookupError
    async with running() as after, http_client(timeout=5) as http:  # on a socket with the same number
        assert (await http.get(f"{after.url}/healthz")).text == "ok"
