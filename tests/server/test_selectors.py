"""Selectors of interactions: prefixes and versions, in creates, dry runs and filters, in both editions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox, SandboxOptions, closed, running
from runs_mcp.server import build_server
from tests.calls import PATIENT, call

pytestmark = pytest.mark.anyio

EDITIONS = ("composable", "vertesia")
SUMMARY_2, SUMMARY_3, SUMMARY_DRAFT = (
    "66a1f0c2e4b0a1b2c3d42001",
    "66a1f0c2e4b0a1b2c3d40001",
    "66a1f0c2e4b0a1b2c3d4d001",
)
VERSIONS = {SUMMARY_2: 2, SUMMARY_3: 3, SUMMARY_DRAFT: 4, "sys:WriteTestData": 1, "app:crm:ScoreLead": 1}
TEXT = {"text": "One. Two."}
SELECTORS = [
    pytest.param("sys:WriteTestData", {"count": 2}, "sys:WriteTestData", id="system"),
    pytest.param("app:crm:ScoreLead", {"employees": 400}, "app:crm:ScoreLead", id="app"),
    pytest.param("oid:SummarizeText", TEXT, SUMMARY_3, id="stored, by name"),
    pytest.param(f"oid:{SUMMARY_3}", TEXT, SUMMARY_3, id="stored, by id"),
    pytest.param("SummarizeText@3", TEXT, SUMMARY_3, id="version"),
    pytest.param("SummarizeText@2", TEXT, SUMMARY_2, id="earlier version"),
    pytest.param("oid:SummarizeText@2", TEXT, SUMMARY_2, id="stored, earlier version"),
    pytest.param("SummarizeText@draft", TEXT, SUMMARY_DRAFT, id="draft"),
    pytest.param("SummarizeText@old", TEXT, SUMMARY_2, id="tag"),
]


@asynccontextmanager
async def serving(sandbox: Sandbox, edition: str) -> AsyncIterator[Client]:
    """Yield a client of a server of `edition`."""
    api = sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": edition}))
    async with Client(build_server(Config(api=api)).mcp, client_info=PATIENT) as client:
        yield client


@pytest.fixture(params=EDITIONS)
async def connected(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client of a server of each edition."""
    async with serving(sandbox, request.param) as client:
        yield client


@pytest.mark.parametrize(("selector", "data", "interaction_id"), SELECTORS)
async def test_a_create_runs_the_interaction_of_its_selector(
    connected: Client, selector: str, data: dict[str, Any], interaction_id: str
) -> None:
    made = await call(connected, "create_run", interaction=selector, data=data)
    assert not made.failed, made.text
    run = (await call(connected, "get_run", run_id=made.structured["id"])).structured
    assert (run["status"], run["interaction"]["id"]) == ("completed", interaction_id)


@pytest.mark.parametrize(("selector", "data", "interaction_id"), SELECTORS)
async def test_a_dry_run_resolves_the_selector(
    connected: Client, selector: str, data: dict[str, Any], interaction_id: str
) -> None:
    answer = await call(connected, "create_run", interaction=selector, data=data, dry_run=True)
    [preview] = answer.structured["runs"]
    assert preview["version"] == str(VERSIONS[interaction_id])
    # The catalogue lists the input of the latest published version of stored interactions alone.
    assert preview["input"] == ("fits" if interaction_id == SUMMARY_3 else "not checked")


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(("selector", "data", "interaction_id"), SELECTORS)
async def test_a_filter_takes_the_selector(
    edition: str, selector: str, data: dict[str, Any], interaction_id: str
) -> None:
    async with running(SandboxOptions(seed_runs=0)) as started, serving(started, edition) as client:
        await call(client, "create_run", interaction="ClassifySentiment", data=TEXT)
        made = await call(client, "create_run", interaction=selector, data=data)
        for tool in ("list_runs", "search_runs"):
            found = await call(client, tool, interaction=selector)
            assert [run["id"] for run in found.structured["runs"]] == [made.structured["id"]]
            assert found.structured["runs"][0]["interaction"]["id"] == interaction_id


async def test_the_refusal_of_a_temporary_interaction_reaches_the_reader(connected: Client) -> None:
    answer = await call(connected, "create_run", interaction="tmp:greeting", data={"name": "Ada"})
    assert answer.failed
    assert "tmp:greeting needs prompts." in answer.text
    none = await call(connected, "list_runs", interaction="tmp:greeting")
    assert none.structured["runs"] == []


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        ("sys:Nothing", "Interaction not found: sys:Nothing"),
        ("app:crm:Nothing", "Interaction not found: app:crm:Nothing"),
        ("oid:Nothing", "there is no 'oid:Nothing'"),
        ("SummarizeText@99", "Interaction not found: SummarizeText@99"),
    ],
)
async def test_a_selector_of_nothing_is_refused_and_creates_nothing(
    connected: Client, selector: str, says: str
) -> None:
    answer = await call(connected, "create_run", interaction=selector, data={})
    assert answer.failed
    assert says in answer.text
    assert "No run was created." in answer.text


async def test_a_version_whose_id_is_unknown_is_not_taken_for_no_runs(connected: Client) -> None:
    answer = await call(connected, "list_runs", interaction="SummarizeText@99")
    assert answer.failed
    assert "`interaction`: the id of 'SummarizeText@99' is unknown." in answer.text


async def test_a_version_is_not_sent_where_the_catalogue_is_closed() -> None:
    options = SandboxOptions(answers=closed("interactions"))
    async with running(options) as started, serving(started, "composable") as client:
        answer = await call(client, "list_runs", interaction="SummarizeText@2")
    assert answer.failed
    assert "Pass the id of the version, or the name without it." in answer.text
