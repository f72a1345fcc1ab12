"""Running earlier runs again, and one input on several models."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, Answer, Notifications, call
from tests.server.test_elicitation import Person, asking
from tests.server.test_streaming import configured
from tests.upstream import TOKEN, Replies, Upstream, reply

pytestmark = pytest.mark.anyio

SAID = {"text": "I love it"}


@pytest.fixture(params=["composable", "vertesia"])
async def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client of a server in front of the sandbox, in both editions of the API."""
    api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": request.param}))
    async with Client(build_server(Config(api=api)).mcp, client_info=PATIENT) as connected:
        yield connected


async def made(client: Client, interaction: str = "ClassifySentiment", **arguments: Any) -> str:
    answer = await call(client, "create_run", interaction=interaction, **{"data": SAID, **arguments})
    return str(answer.structured["id"])


async def whole(client: Client, run_id: str) -> dict[str, Any]:
    return (await call(client, "get_run", run_id=run_id)).structured


async def test_forty_failed_runs_are_repeated_in_a_single_call(client: Client) -> None:
    inputs = [{"message": f"broken {number}"} for number in range(40)]
    failed = await call(client, "create_run", interaction="AlwaysFails", inputs=inputs)
    ids = [one["id"] for one in failed.structured["runs"]]
    progress = Notifications()
    answer = await call(client, "create_run", like=ids, progress=progress)
    runs = answer.structured["runs"]
    assert [one["like"] for one in runs] == ids
    assert len({one["id"] for one in runs} - set(ids)) == 40
    assert {one["status"] for one in runs} == {"failed"}
    assert "40 of 40 ended" in progress.text
    lines = answer.text.splitlines()
    assert lines[0].startswith("40 runs: 40 failed.")
    assert lines[1] == "like | id | status | took | tokens | error"
    assert len(lines) == 2 + 40
    assert set().union(*runs) == {"like", "id", "status", "took", "error"}, "the model receives no input"
    assert (await whole(client, runs[7]["id"]))["parameters"] == inputs[7]


async def test_a_line_pairs_the_ids_with_status_time_and_tokens(client: Client) -> None:
    ids = [await made(client), await made(client)]
    answer = await call(client, "create_run", like=ids)
    for line, old in zip(answer.text.splitlines()[2:], ids, strict=True):
        assert re.fullmatch(rf"{old} \| \w{{24}} \| completed \| [\d.]+ m?s \| \d+", line)


async def test_the_same_run_can_be_repeated_twice(client: Client) -> None:
    run_id = await made(client)
    answer = await call(client, "create_run", like=[run_id, run_id])
    assert len({one["id"] for one in answer.structured["runs"]}) == 2


async def test_the_request_of_the_earlier_run_is_repeated(client: Client) -> None:
    settings: dict[str, Any] = {
        "environment": "Bedrock EU",
        "model": "claude-3-haiku",
        "config": {"temperature": 0.5},
        "tags": ["nightly"],
        "result_schema": {"type": "object", "properties": {"sentiment": {"type": "string"}}},
    }
    old = await made(client, **settings)
    answer = await call(client, "create_run", like=old)
    assert answer.structured["like"] == old
    assert answer.text.startswith(f"Run {old} again:")
    before, after = await whole(client, old), await whole(client, answer.structured["id"])
    same = ("interaction", "environment", "modelId", "parameters", "config", "tags", "result_schema")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["tags"] == ["nightly"]


async def test_an_earlier_version_of_an_interaction_is_repeated_as_it_was(client: Client) -> None:
    old = await made(client, "SummarizeText@2", data={"text": "One. Two."})
    again = await call(client, "create_run", like=old)
    newest = await call(client, "create_run", like=old, interaction="SummarizeText")
    versions = [(await whole(client, one.structured["id"]))["interaction"]["version"] for one in (again, newest)]
    assert versions == [2, 3]


async def test_other_arguments_override(client: Client) -> None:
    old = await made(client, tags=["first"])
    changed = {"model": "gpt-4o-mini", "data": {"text": "I hate it"}, "tags": ["second"]}
    run = await whole(client, (await call(client, "create_run", like=old, **changed)).structured["id"])
    assert (run["modelId"], run["parameters"], run["tags"]) == ("gpt-4o-mini", {"text": "I hate it"}, ["second"])


async def test_a_key_makes_a_repetition_idempotent(client: Client) -> None:
    ids = [await made(client), await made(client)]
    first = await call(client, "create_run", like=ids, request_key=f"again-{ids[0]}")
    second = await call(client, "create_run", like=ids, request_key=f"again-{ids[0]}")
    assert [one["id"] for one in first.structured["runs"]] == [one["id"] for one in second.structured["runs"]]


async def test_a_repetition_need_not_be_waited_for(client: Client) -> None:
    old = await made(client)
    answer = await call(client, "create_run", like=old, wait=False)
    assert answer.structured["like"] == old
    assert "do not create it again" in answer.text


async def test_an_input_runs_on_several_models_and_the_results_are_compared(client: Client) -> None:
    models = ["gpt-4o", "gpt-4o-mini", "unheard-of"]
    answer = await call(client, "create_run", like=await made(client), models=models)
    assert len(answer.structured["compared"]) == 2
    assert answer.structured["differences"]["/modelId"] == models[:2]
    assert "has no model unheard-of" in answer.structured["failures"]["unheard-of"]
    assert "/modelId: gpt-4o | gpt-4o-mini" in answer.text


async def test_models_that_have_not_ended_are_compared_later(sandbox: Sandbox) -> None:
    config = Config.model_validate({"api": sandbox_api(sandbox.url, ApiSettings()), "streaming": {"max_wait_s": 0.3}})
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        slow = {"chunks": 50, "delay_ms": 100}
        answer = await call(client, "create_run", interaction="SlowWriter", data=slow, models=["gpt-4o", "gpt-4o-mini"])
    assert re.search(r'get_run\(run_ids=\["\w+", "\w+"\], include=\["result"\], compare=true\)', answer.text)


async def test_a_person_confirms_by_name_and_number(config: Config, mode: str) -> None:
    person = Person(confirm="yes")
    async with Client(build_server(config).mcp, client_info=PATIENT) as free:
        ids = [await made(free), await made(free, "SummarizeText", data={"text": "One."})]
    confirming = config.model_copy(update={"server": config.server.model_copy(update={"confirm_create": True})})
    async with asking(confirming, mode, person) as client:
        answer = await call(client, "create_run", like=ids, model="gpt-4o")
    assert not answer.failed
    [form] = person.asked
    assert form.message.startswith("Create 2 runs of ClassifySentiment, SummarizeText, model gpt-4o, environment ")


@pytest.mark.parametrize("privacy", [{"content": "none"}, {"redact": ["email"]}], ids=["hidden", "redacted"])
async def test_hidden_content_is_repeated_whole_and_stays_hidden(config: Config, privacy: dict[str, Any]) -> None:
    secret = {"text": "Ann is ann@example.com"}
    async with Client(build_server(config).mcp, client_info=PATIENT) as open_client:
        old = await made(open_client, "ExtractContacts", data=secret)
        person = Person(confirm="yes")
        server = config.server.model_copy(update={"confirm_create": True, **privacy})
        async with asking(config.model_copy(update={"server": server}), "auto", person) as client:
            answers = [await call(client, "create_run", like=old), await call(client, "create_run", like=[old, old])]
            dry = await call(client, "create_run", like=old, interaction="TranslateNote", dry_run=True)
        new = await whole(open_client, answers[0].structured["id"])
    assert new["parameters"] == secret
    assert new["result"]["emails"] == ["ann@example.com"]
    shown = [one.message for one in person.asked] + [json.dumps(one.structured) + one.text for one in [*answers, dry]]
    assert not any("ann@example.com" in text for text in shown)


async def test_a_dry_run_of_an_earlier_run_names_the_field_and_not_its_value(client: Client) -> None:
    old = await made(client, data={"text": "Top secret"})
    dry = await call(client, "create_run", like=old, interaction="TranslateNote", dry_run=True)
    assert "`language`: does not fit the input of the interaction." in dry.text
    assert "Top secret" not in dry.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "`interaction`: name the interaction to run, or pass `like`"),
        ({"like": ["r1"], "inputs": [{}]}, "`inputs` goes with neither `like` nor `models`"),
        ({"interaction": "x", "inputs": [{}], "models": ["a", "b"]}, "`inputs` goes with neither"),
        ({"interaction": "x", "model": "a", "models": ["a", "b"]}, "`models` replaces `model`"),
        ({"interaction": "x", "models": ["a", "b"], "stream": False}, "needs `stream`: true"),
        ({"like": ["r1", "r2"], "models": ["a", "b"]}, "pass one id in `like`"),
        ({"like": ["r1", "r2"], "stream": False}, "`like` with several ids needs `stream`: true"),
        ({"interaction": "x", "models": ["a"]}, "`models`"),
        ({"like": ["r"] * 51}, "`like`"),
        ({"like": "../secrets"}, "not a run id"),
        ({"like": ["r1"], "tags": ["runs-mcp:mine"]}, "reserved"),
    ],
)
async def test_contradictions_are_refused_before_anything_is_sent(
    config: Config, arguments: dict[str, Any], words: str
) -> None:
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        answer = await call(client, "create_run", **arguments)
    assert answer.failed
    assert words in answer.text
    assert "Nothing was sent." in answer.text


GOOD = {"id": "good", "status": "failed", "interaction": {"id": "i1", "name": "Review"}, "parameters": {"text": "a"}}
CREATED = {"id": "new", "status": "completed", "interaction": "i1", "modelId": "gpt-4o", "result": "done"}
DONE = reply(CREATED)
Earlier = Mapping[str, Any]


@asynccontextmanager
async def beside(earlier: Earlier, create: upstream.Reply = DONE) -> AsyncIterator[tuple[Client, Upstream]]:
    """Yield a client of a server in front of an API with a good run, and with the run or refusal `earlier`."""
    refused = earlier.get("status") if isinstance(earlier.get("status"), int) else 200
    replies: Replies = {
        "GET /runs/good": reply(GOOD),
        "GET /runs/old": reply(dict(earlier), int(refused or 200)),
        "POST /runs": create,
        "GET /runs": reply([]),
    }
    async with (
        upstream.serving(replies) as api,
        Client(build_server(configured(api)).mcp, client_info=PATIENT) as client,
    ):
        yield client, api


async def repeated(client: Client, **arguments: Any) -> tuple[Answer, Answer]:
    """Return the answers to repeating the old run in a call of its own, and between two good runs."""
    alone = await call(client, "create_run", like="old", **arguments)
    return alone, await call(client, "create_run", like=["good", "old", "good"], **arguments)


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        pytest.param({"status": 404, "message": "Run not found"}, "found nothing there (404)", id="no such run"),
        pytest.param({"status": 403, "message": "Forbidden"}, "may not do this (403)", id="not readable"),
        pytest.param(
            {k: v for k, v in GOOD.items() if k != "parameters"} | {"id": "old"},
            "Run old has no parameters: it is too old, or its content may not be read. Pass `data`.",
            id="content hidden",
        ),
        pytest.param(GOOD | {"id": "old", "parameters": None}, "has no parameters", id="parameters forgotten"),
        pytest.param(
            {"id": "old", "status": "failed", "parameters": {"text": "a"}},
            "Run old names no interaction: it was deleted, or may not be read. Pass `interaction`.",
            id="interaction gone from the run",
        ),
    ],
)
async def test_a_run_that_cannot_be_repeated_does_not_affect_the_others(earlier: Earlier, words: str) -> None:
    async with beside(earlier) as (client, api):
        alone, among = await repeated(client)
        assert api.count("POST /runs") == 2
    assert alone.failed
    assert words in alone.text
    assert "No run was created." in alone.text
    assert not among.failed
    assert [one.get("status") for one in among.structured["runs"]] == ["completed", None, "completed"]
    assert words in among.structured["runs"][1]["error"]
    assert words in among.text.splitlines()[3]


async def test_a_deleted_interaction_is_reported_in_its_line() -> None:
    gone = reply({"message": "Interaction not found: i1"}, 404)
    async with beside(GOOD | {"id": "old"}, create=gone) as (client, _):
        alone, among = await repeated(client)
    for text in (alone.text, among.text):
        assert 'It says: "Interaction not found: i1". No run was created. list_interactions shows' in text


async def test_arguments_that_the_earlier_run_lacks_can_be_passed() -> None:
    hidden = {"id": "old", "status": "failed", "interaction": {"id": "i1", "name": "Review"}}
    async with beside(hidden) as (client, api):
        answer = await call(client, "create_run", like="old", data={"text": "b"})
        assert api.count("POST /runs") == 1
    assert not answer.failed
    assert TOKEN not in answer.text
