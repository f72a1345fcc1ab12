"""The execution of runs, as on the platform."""

import sqlite3
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS
from tests import ROOT
from tests.sandbox.sandbox_client import chunks, create, events, get, sandbox

pytestmark = pytest.mark.anyio

NOTES = ["The battery lasts a week.", "Delivery takes two days."]
WORK: list[Any] = [
    pytest.param(
        "SummarizeText",
        {"text": "Cats sleep. Cats hunt mice and cats purr. Rain fell.", "sentences": 1},
        "Cats hunt mice and cats purr.",
        id="summary",
    ),
    pytest.param(
        "ClassifySentiment",
        {"text": "Terrible, but I love it. Awful!"},
        {"sentiment": "negative", "score": -0.33, "evidence": ["love", "terrible", "awful"]},
        id="sentiment",
    ),
    pytest.param(
        "ExtractContacts",
        {"text": "Mail ada@example.com, call +49 30 123456, see https://example.com/ada."},
        {"emails": ["ada@example.com"], "phones": ["+49 30 123456"], "links": ["https://example.com/ada"]},
        id="contacts",
    ),
    pytest.param(
        "AnswerFromNotes",
        {"question": "How long is delivery?", "notes": NOTES},
        {"answer": NOTES[1], "note": 1, "confidence": 0.33},
        id="answer",
    ),
    pytest.param(
        "AnswerFromNotes",
        {"question": "Colour?", "notes": NOTES},
        {"answer": None, "note": None, "confidence": 0.0},
        id="no answer",
    ),
    pytest.param(
        "ContractReview",
        {"contract": "The licence is exclusive."},
        {
            "risks": [{"clause": "exclusive", "risk": "The contract binds exclusively."}],
            "words": 4,
            "verdict": "review",
        },
        id="review",
    ),
]


@pytest.mark.parametrize(("interaction", "data", "expected"), WORK)
async def test_an_interaction_returns_its_result(
    api: httpx.AsyncClient, interaction: str, data: Any, expected: Any
) -> None:
    run = await create(api, interaction, data, stream=False)
    assert run["status"] == "completed"
    assert run["result"] == expected
    assert run["token_use"]["total"] == run["token_use"]["prompt"] + run["token_use"]["result"]


async def test_without_stream_the_answer_is_the_whole_run(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 5}, stream=False)
    whole = await get(api, run["id"])
    assert run["status"] == whole["status"] == "completed"
    assert run["result"] == whole["result"]
    assert isinstance(whole["execution_time"], int)


async def test_with_stream_the_run_starts_when_its_stream_is_opened(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 5}, stream=True)
    assert (await get(api, run["id"]))["status"] == run["status"] == "created"
    assert await chunks(api, run["id"]) == [f"word{number} " for number in range(1, 6)]
    assert (await get(api, run["id"]))["status"] == "completed"


async def test_a_run_moves_from_created_through_processing_to_its_end(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 3, "delay_ms": 50}, stream=True)
    seen = [run["status"]]
    async with api.stream("GET", f"/runs/{run['id']}/stream") as stream:
        async for _ in stream.aiter_lines():
            status = (await get(api, run["id"]))["status"]
            seen += [status] if status != seen[-1] else []
    assert seen == ["created", "processing", "completed"]


async def test_a_second_stream_replays_from_the_start_without_executing_again(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 20, "delay_ms": 5}, stream=True)
    texts: list[list[str]] = []

    async def follow() -> None:
        texts.append(await chunks(api, run["id"]))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(follow)
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) == 20


async def test_the_stream_of_a_run_that_ended_has_its_text_and_closes(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 3}, stream=False)
    assert "".join(await chunks(api, run["id"])) == run["result"]


async def test_a_burst_of_3000_chunks_arrives_whole(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 3_000, "delay_ms": 0}, stream=True)
    assert await chunks(api, run["id"]) == [f"word{number} " for number in range(1, 3_001)]


async def test_a_reader_that_leaves_does_not_stop_the_run(api: httpx.AsyncClient) -> None:
    run = await create(api, "SlowWriter", {"chunks": 20, "delay_ms": 5}, stream=True)
    async with api.stream("GET", f"/runs/{run['id']}/stream") as stream:
        await anext(stream.aiter_lines())
    assert len(await chunks(api, run["id"])) == 20


async def test_a_failure_of_the_model_fails_the_run(api: httpx.AsyncClient) -> None:
    run = await create(api, "AlwaysFails", {"code": "refused", "message": "No."}, stream=False)
    assert run["status"] == "failed"
    assert run["error"] == {"code": "refused", "message": "No."}
    assert await events(api, run["id"]) == [("close", {"status": "failed"})]


async def test_a_result_that_does_not_fit_result_schema_fails_the_run(api: httpx.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "string"}}}
    run = await create(api, "ClassifySentiment", {"text": "I love it"}, stream=False, result_schema=schema)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "invalid_result"
    assert "$.score: 1.0 is not of type 'string'" in run["error"]["message"]
    fitting = await create(api, "ClassifySentiment", {"text": "I love it"}, result_schema={"type": "object"})
    assert fitting["status"] == "completed"


@pytest.mark.parametrize(
    "selector", ["SummarizeText", "SummarizeText@3", "SummarizeText@draft", "66a1f0c2e4b0a1b2c3d40001"]
)
async def test_an_interaction_is_named_or_given_by_id(api: httpx.AsyncClient, selector: str) -> None:
    run = await create(api, selector, {"text": "One."}, stream=False)
    assert (await get(api, run["id"]))["interaction"]["name"] == "SummarizeText"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param({"interaction": "Nope"}, 404, "Interaction not found: Nope", id="unknown interaction"),
        pytest.param({"interaction": "SummarizeText@9"}, 404, "not found", id="unknown version"),
        pytest.param({"data": {}}, 400, "validation failed", id="no interaction"),
        pytest.param({"interaction": "SummarizeText", "data": {}}, 422, "does not fit", id="input missing"),
        pytest.param(
            {"interaction": "AlwaysFails", "config": {"environment": "x"}}, 400, "Environment", id="environment"
        ),
        pytest.param(
            {"interaction": "AlwaysFails", "config": {"model": "x"}},
            400,
            "OpenAI production has no model x",
            id="model",
        ),
        pytest.param(
            {"interaction": "AlwaysFails", "result_schema": {"type": 3}}, 400, "not a JSON schema", id="schema"
        ),
    ],
)
async def test_an_invalid_create_is_rejected(api: httpx.AsyncClient, body: Any, status: int, says: str) -> None:
    response = await api.post("/runs", json=body)
    assert response.status_code == status
    assert says in response.json()["message"]


async def test_the_header_names_the_interactions_version(api: httpx.AsyncClient) -> None:
    body = {"interaction": "SlowWriter", "data": {"chunks": 1}}
    assert (await api.post("/runs", json=body, headers={"x-interaction-tag": "latest"})).status_code == 200
    assert (await api.post("/runs", json=body, headers={"x-interaction-tag": "v99"})).status_code == 404


async def test_a_run_has_the_requested_environment_and_model(api: httpx.AsyncClient) -> None:
    wanted = ENVIRONMENTS[1]
    config = {"environment": wanted.id, "model": wanted.sample_models[1]}
    run = await create(api, "SlowWriter", {"chunks": 1}, config=config, tags=["a", "b"])
    whole = await get(api, run["id"])
    assert (whole["environment"]["name"], whole["modelId"]) == (wanted.name, wanted.sample_models[1])
    assert whole["tags"] == ["a", "b"]


async def test_too_many_runs_at_once_are_rejected_before_anything_is_created() -> None:
    async with sandbox(SandboxOptions(max_executing=1)) as api:
        slow = await create(api, "SlowWriter", {"chunks": 200, "delay_ms": 20}, stream=True)
        async with api.stream("GET", f"/runs/{slow['id']}/stream") as stream:
            await anext(stream.aiter_lines())
            before = len((await api.get("/runs", params={"limit": 1_000})).json())
            refused = await api.post("/runs", json={"interaction": "SlowWriter"})
            after = len((await api.get("/runs", params={"limit": 1_000})).json())
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-reason"] == "pacing"
    assert refused.headers["x-ratelimit-retry-ms"] == "1000"
    assert before == after


async def test_an_option_names_chunks_as_the_reference_document_does() -> None:
    async with sandbox(SandboxOptions(events="chunk", seed_runs=1)) as api:
        run = await create(api, "SlowWriter", {"chunks": 2}, stream=True)
        assert await events(api, run["id"]) == [
            ("chunk", {"text": "word1 "}),
            ("chunk", {"text": "word2 "}),
            ("close", {"status": "completed"}),
        ]


async def test_a_run_interrupted_by_a_kill_has_failed_after_the_restart(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    script = f"""
import anyio
from pathlib import Path
from runs_mcp.sandbox import SandboxOptions
from tests.sandbox.sandbox_client import create, sandbox

async def main():
    async with sandbox(SandboxOptions(data=Path({str(file)!r}), seed_runs=5)) as api:
        run = await create(api, "SlowWriter", {{"chunks": 1000, "delay_ms": 1000}}, stream=True)
        async with api.stream("GET", f"/runs/{{run['id']}}/stream") as stream:
            await anext(stream.aiter_lines())
            print(run["id"], flush=True)
            await anyio.sleep_forever()

anyio.run(main)
"""
    async with await anyio.open_process([sys.executable, "-c", script], cwd=ROOT) as process:
        assert process.stdout
        run_id = (await process.stdout.receive()).decode().strip()
        process.kill()
    async with sandbox(SandboxOptions(data=file)) as api:
        run = await get(api, run_id)
        assert run["status"] == "failed"
        assert run["error"]["code"] == "interrupted"
        listed = (await api.get("/runs", params={"limit": 100})).json()
        assert len(listed) == 6, "a file that has runs gets no sample runs"
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


@pytest.mark.parametrize(("model", "status"), [("gpt-4o", "failed"), ("gpt-4.1", "completed")])
async def test_a_long_contract_needs_a_model_with_a_long_context(
    api: httpx.AsyncClient, model: str, status: str
) -> None:
    data = {"contract": "The licence is exclusive. " * 1_001, "delay_ms": 0}
    run = await create(api, "ContractReview", data, stream=False, config={"model": model})
    assert run["status"] == status
