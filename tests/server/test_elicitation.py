"""Elicitation: choosing among several matches, confirming a create, and the answers for clients that cannot ask."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import pytest
from mcp.client import Client, ClientExtension
from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    ElicitRequestFormParams,
    ElicitResult,
    Request,
)
from pydantic import RootModel

from runs_mcp import api as runs_api
from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.server import build_server
from tests.calls import PATIENT, Notifications, call
from tests.server.test_tasks import TasksClient

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

FIRST, SECOND = "66b2f0c2e4b0a1b2c3d4e004", "66b2f0c2e4b0a1b2c3d4e005"
CREATE = {"interaction": "ExtractContacts", "data": {"text": "Ann is ann@example.com"}}


class Person:
    """A person who answers each form with the choice for its key, and declines forms with another key."""

    def __init__(self, **choices: str) -> None:
        self.asked: list[ElicitRequestFormParams] = []
        self._choices = choices

    async def __call__(self, _: Any, form: Any) -> ElicitResult:
        self.asked.append(form)
        [key] = form.requested_schema["properties"]
        if key not in self._choices:
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content={key: self._choices[key]})


@asynccontextmanager
async def asking(config: Config, mode: str, person: Any) -> AsyncIterator[Client]:
    """A client of either era, with a person behind it."""
    async with Client(build_server(config).mcp, mode=mode, elicitation_callback=person, client_info=PATIENT) as client:
        yield client


@pytest.fixture
def confirming(config: Config) -> Config:
    """A configuration that requires a confirmation of each create."""
    return config.model_copy(update={"server": config.server.model_copy(update={"confirm_create": True})})


async def test_an_ambiguous_name_is_asked_about_and_the_call_continues_with_the_answer(
    config: Config, mode: str
) -> None:
    person = Person(environment=SECOND)
    async with asking(config, mode, person) as client:
        answer = await call(client, "list_runs", environment="Staging", limit=5)
    [form] = person.asked
    assert form.message == "Several environments have the name Staging. Which environment should be used?"
    assert set(form.requested_schema["properties"]["environment"]["enum"]) == {FIRST, SECOND}
    assert {run["environment"]["id"] for run in answer.structured["runs"]} == {SECOND}


IN_A_FILTER: dict[str, dict[str, Any]] = {
    "find_runs": {"query": {"environment": "Staging"}},
    "aggregate_runs": {"where": {"$or": [{"environment": {"$in": ["Staging"]}}, {"status": "failed"}]}},
}


@pytest.mark.parametrize("tool", IN_A_FILTER)
async def test_an_ambiguous_name_inside_a_mongodb_filter_is_an_error_with_the_candidates(
    config: Config, mode: str, tool: str
) -> None:
    person = Person(environment=SECOND)
    async with asking(config, mode, person) as client:
        answer = await call(client, tool, **IN_A_FILTER[tool])
    assert not person.asked
    assert answer.failed
    assert FIRST in answer.text
    assert SECOND in answer.text


async def test_an_answer_for_an_argument_leaves_the_same_name_in_a_mongodb_filter_ambiguous(
    config: Config, mode: str
) -> None:
    person = Person(environment=SECOND)
    async with asking(config, mode, person) as client:
        answer = await call(client, "aggregate_runs", environment="Staging", **IN_A_FILTER["aggregate_runs"])
    assert len(person.asked) == 1
    assert answer.failed
    assert "Pass an id." in answer.text


async def test_a_missing_interaction_is_asked_for(config: Config, mode: str) -> None:
    person = Person(interaction="66a1f0c2e4b0a1b2c3d40003")
    async with asking(config, mode, person) as client:
        answer = await call(client, "create_run", data=CREATE["data"])
    assert [form.message for form in person.asked] == ["Which interaction should be run?"]
    assert answer.structured["result"]["emails"] == ["ann@example.com"]


async def test_questions_are_asked_in_sequence(confirming: Config, mode: str) -> None:
    person = Person(confirm="yes", environment=FIRST, interaction="66a1f0c2e4b0a1b2c3d40003")
    async with asking(confirming, mode, person) as client:
        answer = await call(client, "create_run", data=CREATE["data"], environment="Staging")
    assert [next(iter(form.requested_schema["properties"])) for form in person.asked] == [
        "interaction",
        "environment",
        "confirm",
    ]
    assert f"environment {FIRST}" in person.asked[-1].message
    assert answer.structured["environment"]["id"] == FIRST


@pytest.mark.parametrize(
    "person", [Person(), Person(environment="e-of-another-world")], ids=["declined", "not offered"]
)
async def test_without_an_answer_the_candidates_are_listed(config: Config, mode: str, person: Person) -> None:
    async with asking(config, mode, person) as client:
        answer = await call(client, "list_runs", environment="Staging")
    assert answer.failed
    assert FIRST in answer.text
    assert SECOND in answer.text
    assert "Pass an id." in answer.text


async def test_a_create_that_is_confirmed_is_carried_out(confirming: Config, mode: str) -> None:
    person, progress = Person(confirm="yes"), Notifications()
    async with asking(confirming, mode, person) as client:
        answer = await call(client, "create_run", **CREATE, model="gpt-4o", progress=progress)
    assert person.asked[0].message == (
        "Create a run of ExtractContacts, model gpt-4o? This executes it and costs money. "
        'Data: {"text":"Ann is ann@example.com"}'
    )
    assert answer.structured["status"] == "completed"
    assert progress.text


async def test_the_confirmation_of_a_batch_counts_its_runs(confirming: Config, mode: str) -> None:
    person = Person(confirm="no")
    async with asking(confirming, mode, person) as client:
        await call(client, "create_run", interaction="ExtractContacts", inputs=[{}, {}, {}])
    assert person.asked[0].message.startswith("Create 3 runs of ExtractContacts?")


async def total(client: Client) -> int:
    """Return the number of all runs."""
    return int((await call(client, "compute_run_facets", facets=["status"])).structured["total"])


def responds(action: Literal["accept", "decline", "cancel"], **content: str) -> Callable[..., Any]:
    """Return a client that responds to every form in the same way."""

    async def respond(*_: Any) -> ElicitResult:
        return ElicitResult(action=action, content=dict(content) or None)

    return respond


async def hangs(*_: Any) -> ElicitResult:
    """Never answer, like a person who has left."""
    await anyio.sleep_forever()
    raise AssertionError


async def refuses(*_: Any) -> ElicitResult:
    """Refuse like a client that declares elicitation and does not implement it."""
    raise MCPError(METHOD_NOT_FOUND, "not here")


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        pytest.param(responds("accept", confirm="no"), "declined", id="no"),
        pytest.param(responds("decline"), "declined", id="declined"),
        pytest.param(responds("cancel"), "closed the question without an answer", id="cancelled"),
        pytest.param(responds("accept", confirm="perhaps"), "sent no answer", id="not an answer"),
    ],
)
async def test_an_unconfirmed_create_creates_no_run_and_names_the_reason(
    confirming: Config, mode: str, person: Callable[..., Any], reason: str
) -> None:
    async with asking(confirming, mode, person) as client:
        before = await total(client)
        answer = await call(client, "create_run", **CREATE)
        assert await total(client) == before
    assert answer.failed
    assert answer.text.startswith("No run was created: ")
    assert reason in answer.text


@pytest.mark.parametrize(
    ("person", "reason"), [(hangs, "the question was not answered in time"), (refuses, "this client cannot ask")]
)
async def test_an_error_names_a_confirmation_that_cannot_be_asked_for(
    confirming: Config, person: Callable[..., Any], reason: str
) -> None:
    impatient = confirming.model_copy(update={"streaming": StreamingSettings(max_wait_s=0.2)})
    async with asking(impatient, "legacy", person) as client:
        answer = await call(client, "create_run", **CREATE)
    assert answer.failed
    assert reason in answer.text
    assert "No run was created" in answer.text


async def test_accepting_a_form_without_content_confirms_the_create(confirming: Config, mode: str) -> None:
    async with asking(confirming, mode, responds("accept")) as client:
        answer = await call(client, "create_run", **CREATE)
    assert answer.structured["status"] == "completed"


async def test_accepting_a_form_without_content_chooses_no_name(config: Config, mode: str) -> None:
    async with asking(config, mode, responds("accept")) as client:
        answer = await call(client, "list_runs", environment="Staging")
    assert answer.failed
    assert "Pass an id." in answer.text


@pytest.fixture
async def unstarted(config: Config) -> str:
    """The id of a run that was created and not started."""
    async with runs_api.connect(config.api) as runs:
        return (await runs.create_run(interaction="SummarizeText", data={"text": "Hello."}, stream=True)).id


async def status_of(config: Config, run_id: str) -> str | None:
    """Return the status of a run, read from the API."""
    async with runs_api.connect(config.api) as runs:
        return (await runs.get_run(run_id)).status


async def test_following_a_run_that_was_not_started_has_to_be_confirmed(
    confirming: Config, mode: str, unstarted: str
) -> None:
    unwilling, willing = Person(confirm="no"), Person(confirm="yes")
    async with asking(confirming, mode, unwilling) as client:
        refused = await call(client, "stream_run", run_id=unstarted)
    assert refused.failed
    assert refused.text.startswith("No run was started: ")
    assert await status_of(confirming, unstarted) == "created"
    async with asking(confirming, mode, willing) as client:
        assert (await call(client, "stream_run", run_id=unstarted)).structured["status"] == "completed"
        assert (await call(client, "stream_run", run_id=unstarted)).structured["status"] == "completed"
    [form] = willing.asked
    assert form.message.startswith(f"Start run {unstarted}, interaction SummarizeText")
    assert 'Data: {"text":"Hello."}' in form.message


async def test_a_task_of_a_run_that_was_not_started_has_to_be_confirmed(confirming: Config, unstarted: str) -> None:
    async with modern(confirming, TasksClient()) as send:
        asked = await send("stream_run", {"run_id": unstarted})
        assert asked["resultType"] == "input_required"
        assert await status_of(confirming, unstarted) == "created"
        accepted = await send("stream_run", {"run_id": unstarted}, state=asked["requestState"], confirm="yes")
    assert accepted["resultType"] == "task"


Send = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def modern(config: Config, *extensions: ClientExtension) -> AsyncIterator[Send]:
    """Yield a function that sends one `tools/call` of 2026-07-28 and returns its raw result."""
    unasked: Any = refuses  # declares elicitation; the test reads the questions from the raw results
    async with Client(
        build_server(config).mcp, elicitation_callback=unasked, extensions=extensions, client_info=PATIENT
    ) as client:

        async def send(
            tool: str, arguments: dict[str, Any], *, state: str | None = None, confirm: str | None = None
        ) -> dict[str, Any]:
            params: dict[str, Any] = {"name": tool, "arguments": arguments}
            if state is not None:
                params["requestState"] = state
            if confirm is not None:
                params["inputResponses"] = {"confirm": {"action": "accept", "content": {"confirm": confirm}}}
            request = Request[dict[str, Any], str](method="tools/call", params=params)
            return (await client.session.send_request(request, Wire)).root

        yield send


class Wire(RootModel[dict[str, Any]]):
    """A raw result."""


async def test_an_unsolicited_answer_confirms_nothing(confirming: Config) -> None:
    async with modern(confirming) as send:
        answer = await send("create_run", CREATE, confirm="yes")
        assert answer["resultType"] == "input_required"


async def test_a_client_cannot_write_the_state_that_confirms_its_own_call(confirming: Config) -> None:
    state = {"id": "own", "asked": "confirm", "answers": {"confirm": {"action": "accept"}}}
    async with modern(confirming) as send:
        with pytest.raises(MCPError, match="requestState"):
            await send("create_run", CREATE, state=json.dumps(state), confirm="yes")


async def test_a_confirmation_is_valid_for_a_single_use_in_its_own_call(confirming: Config) -> None:
    async with modern(confirming) as send:
        state = (await send("create_run", CREATE))["requestState"]
        with pytest.raises(MCPError, match="requestState"):
            await send("create_run", {**CREATE, "model": "gpt-4o"}, state=state, confirm="yes")
        with pytest.raises(MCPError, match="requestState"):
            await send("stream_run", CREATE, state=state, confirm="yes")
        assert (await send("create_run", CREATE, state=state, confirm="yes"))["resultType"] == "complete"
        repeated = await send("create_run", CREATE, state=state, confirm="yes")
        assert repeated["resultType"] == "input_required", "the person is asked again"


async def test_a_client_without_elicitation_cannot_create_and_reads_the_alternatives(
    confirming: Config, mode: str
) -> None:
    async with Client(build_server(confirming).mcp, mode=mode, client_info=PATIENT) as client:
        answer = await call(client, "create_run", **CREATE)
        read = await call(client, "list_runs", limit=1)
    assert answer.failed
    assert "server.confirm_create" in answer.text
    assert "No run was created." in answer.text
    assert not read.failed


@pytest.mark.parametrize("person", [hangs, refuses])
async def test_a_client_that_does_not_answer_gets_the_candidates(config: Config, person: Callable[..., Any]) -> None:
    impatient = config.model_copy(update={"streaming": StreamingSettings(max_wait_s=0.2)})
    async with asking(impatient, "legacy", person) as client:
        answer = await call(client, "list_runs", environment="Staging")
    assert answer.failed
    assert "Pass an id." in answer.text
