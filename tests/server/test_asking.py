"""Asking a person: which of several was meant, and whether to create a run; and what is said where nobody can be."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestFormParams, ElicitResult

from runs_mcp.config.settings import Config, StreamingSettings
from runs_mcp.server import build_server
from tests.calls import Notifications, call

pytestmark = pytest.mark.anyio

FIRST, SECOND = "66b2f0c2e4b0a1b2c3d4e004", "66b2f0c2e4b0a1b2c3d4e005"
CREATE = {"interaction": "ExtractContacts", "data": {"text": "Ann is ann@example.com"}}


class Person:
    """Answers forms as scripted: by key what to choose; a key that is not there is declined."""

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
    async with Client(build_server(config), mode=mode, elicitation_callback=person) as client:
        yield client


@pytest.fixture
def confirming(config: Config) -> Config:
    """A configuration whose operator wants each create confirmed."""
    return config.model_copy(update={"server": config.server.model_copy(update={"confirm_create": True})})


async def test_an_ambiguous_name_is_asked_about_and_the_call_goes_on_with_the_answer(config: Config, mode: str) -> None:
    person = Person(environment=SECOND)
    async with asking(config, mode, person) as client:
        answer = await call(client, "list_runs", environment="Staging", limit=5)
    [form] = person.asked
    assert form.message == "Several are called Staging. Which environment is meant?"
    assert set(form.requested_schema["properties"]["environment"]["enum"]) == {FIRST, SECOND}
    assert {run["environment"]["id"] for run in answer.structured["runs"]} == {SECOND}


async def test_a_missing_interaction_is_asked_for(config: Config, mode: str) -> None:
    person = Person(interaction="66a1f0c2e4b0a1b2c3d40003")
    async with asking(config, mode, person) as client:
        answer = await call(client, "create_run", data=CREATE["data"])
    assert [form.message for form in person.asked] == ["Which interaction is to be run?"]
    assert answer.structured["result"]["emails"] == ["ann@example.com"]


async def test_several_questions_are_asked_one_after_the_other(confirming: Config, mode: str) -> None:
    person = Person(confirm="yes", environment=FIRST, interaction="66a1f0c2e4b0a1b2c3d40003")
    async with asking(confirming, mode, person) as client:
        answer = await call(client, "create_run", data=CREATE["data"], environment="Staging")
    assert [next(iter(form.requested_schema["properties"])) for form in person.asked] == [
        "confirm",
        "interaction",
        "environment",
    ]
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
    assert person.asked[0].message == "Run ExtractContacts on gpt-4o? This executes it, and costs money."
    assert answer.structured["status"] == "completed"
    assert progress.text


async def test_a_batch_says_how_many_times(confirming: Config, mode: str) -> None:
    person = Person(confirm="no")
    async with asking(confirming, mode, person) as client:
        await call(client, "create_run", interaction="ExtractContacts", inputs=[{}, {}, {}])
    assert person.asked[0].message.startswith("Run ExtractContacts 3 times?")


@pytest.mark.parametrize("person", [Person(), Person(confirm="no")], ids=["declined", "no"])
async def test_a_create_that_is_not_confirmed_makes_no_run(confirming: Config, mode: str, person: Person) -> None:
    async with asking(confirming, mode, person) as client:
        before = (await call(client, "compute_run_facets", facets=["status"])).structured["total"]
        answer = await call(client, "create_run", **CREATE)
        after = (await call(client, "compute_run_facets", facets=["status"])).structured["total"]
    assert answer.failed
    assert "did not agree. No run was created." in answer.text
    assert after == before


async def test_a_client_that_cannot_ask_cannot_create_and_is_told_what_would_do(confirming: Config, mode: str) -> None:
    async with Client(build_server(confirming), mode=mode) as client:
        answer = await call(client, "create_run", **CREATE)
        read = await call(client, "list_runs", limit=1)
    assert answer.failed
    assert "server.confirm_create" in answer.text
    assert "No run was created." in answer.text
    assert not read.failed


async def hangs(*_: Any) -> ElicitResult:
    """A person who has gone home."""
    await anyio.sleep_forever()
    raise AssertionError


async def refuses(*_: Any) -> ElicitResult:
    """A client that says it can ask, and cannot."""
    raise MCPError(-32601, "not here")


@pytest.mark.parametrize("person", [hangs, refuses])
async def test_a_client_that_does_not_answer_gets_the_candidates(config: Config, person: Callable[..., Any]) -> None:
    impatient = config.model_copy(update={"streaming": StreamingSettings(max_wait_s=0.2)})
    async with asking(impatient, "legacy", person) as client:
        answer = await call(client, "list_runs", environment="Staging")
    assert answer.failed
    assert "Pass an id." in answer.text
