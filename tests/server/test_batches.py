"""Several runs in one call: created, followed and read together, each with its own outcome."""

from itertools import pairwise

import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.server.params import MAX_BATCH
from runs_mcp.server.render.cuts import fit
from runs_mcp.server.runs.batch import AT_ONCE
from tests import upstream
from tests.calls import Notifications, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import CLOSE, Replies, Reply, chunk, events, reply

pytestmark = pytest.mark.anyio

MAILS = [f"person{number}@example.com" for number in range(12)]


async def test_a_batch_answers_every_input_in_order_with_its_own_outcome(client: Client) -> None:
    inputs = [{"text": "Ann is ann@example.com"}, {}, {"text": "Bob is bob@example.com"}]
    answer = await call(client, "create_run", interaction="ExtractContacts", inputs=inputs)
    first, second, third = answer.structured["runs"]
    assert not answer.failed
    assert [one["for"] for one in (first, second, third)] == ["input 1", "input 2", "input 3"]
    assert first["result"]["emails"] == ["ann@example.com"]
    assert third["result"]["emails"] == ["bob@example.com"]
    assert "(422)" in second["failure"]
    assert "No run was created" in second["failure"]
    assert second["failure"] in answer.text
    assert answer.text.startswith("3 runs: 2 completed, 1 without a run (input 2).")


async def test_a_batch_has_a_header_and_a_line_for_each_input(client: Client) -> None:
    inputs = [{"text": "Ann is ann@example.com"}, {}]
    answer = await call(client, "create_run", interaction="ExtractContacts", inputs=inputs)
    first, second = answer.structured["runs"]
    lines = answer.text.splitlines()
    header = lines.index("number | id | status | result or error")
    assert lines[header + 1].startswith(f"1 | {first['id']} | completed | ")
    assert "ann@example.com" in lines[header + 1]
    assert lines[header + 2] == f"2 | | | {second['failure']}"
    assert len(lines) == header + 3


async def test_runs_read_without_large_fields_show_the_facts_of_each(client: Client) -> None:
    run = (await call(client, "list_runs", limit=1, status="completed")).structured["runs"][0]
    answer = await call(client, "get_run", run_ids=[run["id"], "nowhere"], include=[])
    assert f"Run {run['id']}\nstatus completed · interaction {run['interaction']['name']}" in answer.text
    assert "nowhere: The Runs API found nothing there (404)" in answer.text


async def test_the_progress_of_a_batch_counts_the_ended_runs(client: Client) -> None:
    progress = Notifications()
    inputs = [{"text": mail} for mail in MAILS]
    await call(client, "create_run", interaction="ExtractContacts", inputs=inputs, progress=progress)
    counted = [message for message in progress.messages if message]
    assert [line.split(" of ")[0] for line in counted] == [str(number) for number in range(1, len(MAILS) + 1)]
    assert all(earlier < later for earlier, later in pairwise(progress.values))


async def test_a_batch_executes_a_few_runs_at_a_time(client: Client) -> None:
    inputs = [{"chunks": 10, "delay_ms": 20}] * (2 * AT_ONCE)
    created = await call(client, "create_run", interaction="SlowWriter", inputs=inputs, wait=False)
    ids = {one["id"] for one in created.structured["runs"]}
    assert len(ids) == len(inputs)
    most, done = 0, 0
    while done < len(inputs):
        now = await call(client, "get_run", run_ids=sorted(ids), include=["result"])
        statuses = [one["status"] for one in now.structured["runs"]]
        most, done = max(most, statuses.count("processing")), statuses.count("completed")
    assert 1 < most <= AT_ONCE


async def numbered(request: Request) -> Response:
    """Create the run whose number is in its data."""
    return JSONResponse({"id": f"r{(await request.json())['data']['n']}", "status": "created"})


def followable(number: int) -> Replies:
    done = {"id": f"r{number}", "status": "completed", "result": "text"}
    return {f"GET /runs/r{number}": reply(done), f"GET /runs/r{number}/stream": events(chunk("text"), CLOSE)}


UNREADABLE: Replies = {"GET /runs/r2": reply({}, 500), "GET /runs/r2/stream": events(None)}


@pytest.mark.usefixtures("quick_polls")
async def test_a_run_of_a_batch_that_cannot_be_followed_keeps_its_id_and_is_continued(connect: Connect) -> None:
    replies = {"POST /runs": numbered, **followable(1), **UNREADABLE, **followable(3)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i", inputs=[{"n": 1}, {"n": 2}, {"n": 3}])
    assert answer.text.startswith("3 runs: 2 completed, 1 unknown (input 2).")
    row = answer.structured["runs"][1]
    assert (row["for"], row["id"]) == ("input 2", "r2")
    assert row["failure"].startswith("Run r2 was accepted, but following it failed.")
    assert f"2 | r2 | unknown | {row['failure']}" in answer.text
    assert answer.structured["next"] == 'get_run(run_ids=["r2"], include=["result"])'


@pytest.mark.usefixtures("quick_polls")
async def test_a_repeated_run_that_cannot_be_followed_keeps_its_id(connect: Connect) -> None:
    def earlier(number: int) -> Reply:
        return reply({"id": f"e{number}", "interaction": {"id": "i"}, "parameters": {"n": number}})

    replies = {"POST /runs": numbered, **followable(1), **UNREADABLE}
    replies |= {"GET /runs/e1": earlier(1), "GET /runs/e2": earlier(2)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", like=["e1", "e2"])
    row = answer.structured["runs"][1]
    assert (row["like"], row["id"]) == ("e2", "r2")
    assert "following it failed" in row["error"]


@pytest.mark.usefixtures("quick_polls")
async def test_a_create_of_a_batch_with_an_unknown_outcome_is_not_counted_as_without_a_run(connect: Connect) -> None:
    async def lost(request: Request) -> Response:
        return await (numbered(request) if (await request.json())["data"] == {"n": 1} else reply({}, 500)(request))

    replies = {"POST /runs": lost, "GET /runs": reply({}, 500), **followable(1)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i", inputs=[{"n": 1}, {"n": 2}])
    assert answer.text.startswith("2 runs: 1 completed, 1 unknown (input 2).")
    assert 'list_runs(tag="runs-mcp:' in answer.structured["runs"][1]["failure"]


async def test_a_batch_beyond_its_deadline_returns_the_ended_runs_and_the_next_call(
    config: Config, connect: Connect
) -> None:
    impatient = config.model_copy(update={"streaming": StreamingSettings(max_wait_s=0.5)})
    async with connect(impatient) as client:
        answer = await call(
            client, "create_run", interaction="SlowWriter", inputs=[{"chunks": 50, "delay_ms": 100}] * 2
        )
    ids = [one["id"] for one in answer.structured["runs"]]
    assert "do not create them again" in answer.text
    assert answer.structured["next"].startswith(f'get_run(run_ids=["{ids[0]}", "{ids[1]}"]')


async def test_a_batch_repeated_with_its_key_returns_the_same_runs(client: Client) -> None:
    asked = {"interaction": "ExtractContacts", "inputs": [{"text": mail} for mail in MAILS[:3]]}
    key = f"batch-{client.protocol_version}"
    first = await call(client, "create_run", **asked, request_key=key)
    again = await call(client, "create_run", **asked, request_key=key)
    ids = [one["id"] for one in first.structured["runs"]]
    assert len(set(ids)) == len(ids)
    assert [one["id"] for one in again.structured["runs"]] == ids


async def test_a_missing_run_does_not_hide_the_others_of_its_call(client: Client) -> None:
    page = await call(client, "list_runs", limit=3)
    ids = [run["id"] for run in page.structured["runs"]]
    answer = await call(client, "get_run", run_ids=[*ids, "nowhere"], include=["result"])
    assert [one.get("id") for one in answer.structured["runs"]] == [*ids, None]
    assert "4 | nowhere | | The Runs API found nothing there (404)" in answer.text
    assert answer.text.startswith("4 runs: ")
    assert ", 1 not found (nowhere)." in answer.text
    assert not answer.failed


async def test_large_runs_of_a_call_share_the_budget_of_a_single_run(config: Config, connect: Connect) -> None:
    small = config.model_copy(update={"server": config.server.model_copy(update={"max_result_chars": 4_000})})
    async with connect(small) as client:
        text = {"text": "Word after word. " * 1_000}
        made = await call(client, "create_run", interaction="ExtractContacts", inputs=[text] * 4)
        ids = [one["id"] for one in made.structured["runs"]]
        answer = await call(client, "get_run", run_ids=ids)
    assert len(answer.text) < 4 * 4_000
    assert all(f"runs://{run_id}/parameters" in answer.text for run_id in ids)


@pytest.mark.parametrize(("chars", "is_cut"), [(150, False), (201, False), (250, False), (400, True), (2_000, True)])
def test_a_field_is_cut_only_if_that_makes_it_shorter(chars: int, is_cut: bool) -> None:
    result = "x" * chars
    cut = fit({"id": "r1", "result": result}, 100, "r1")
    assert cut.fields == ({"result": "runs://r1/result"} if is_cut else {})
    assert (len(cut.document["result"]) < chars) if is_cut else (cut.document["result"] == result)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("get_run", {}, "exactly one of `run_id` and `run_ids`"),
        ("get_run", {"run_id": "a", "run_ids": ["b"]}, "exactly one of `run_id` and `run_ids`"),
        ("get_run", {"run_ids": []}, "exactly one of `run_id` and `run_ids`"),
        ("get_run", {"run_ids": ["a"] * (MAX_BATCH + 1)}, "`run_ids`"),
        ("get_run", {"run_ids": ["../secrets"]}, "not a run id"),
        ("create_run", {"interaction": "x", "inputs": [{}] * (MAX_BATCH + 1)}, "`inputs`"),
        ("create_run", {"interaction": "x", "inputs": [{}], "data": {"a": 1}}, "`inputs` replaces `data`"),
        ("create_run", {"interaction": "x", "inputs": [{}], "stream": False}, "needs `stream`: true"),
    ],
)
async def test_invalid_batches_are_rejected(
    client: Client, tool: str, arguments: dict[str, object], words: str
) -> None:
    answer = await call(client, tool, **arguments)
    assert answer.failed
    assert words in answer.text
    assert "Nothing was sent." in answer.text


async def test_a_read_of_several_runs_reports_its_progress(client: Client) -> None:
    listed = await call(client, "list_runs", limit=3)
    progress = Notifications()
    await call(client, "get_run", run_ids=[run["id"] for run in listed.structured["runs"]], progress=progress)
    assert progress.text == "1 of 3 runs\n2 of 3 runs\n3 of 3 runs\n"
