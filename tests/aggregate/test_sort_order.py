"""search_runs(sort=…): sorting by the API and by a scan gives the same order."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.sandbox import Sandbox
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, call
from tests.conftest import Connect

pytestmark = pytest.mark.anyio

VALUES: dict[str, Any] = {
    "created_at": lambda run: run["created_at"],
    "updated_at": lambda run: run["updated_at"],
    "execution_time": lambda run: run.get("execution_time"),
    "total_tokens": lambda run: run.get("token_use", {}).get("total"),
}


@pytest.fixture(params=["composable", "vertesia"])
async def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Client]:
    """A client of a server for either edition: one API sorts, the other does not."""
    config = Config(api=sandbox_api(sandbox.url, ApiSettings(edition=request.param)))
    async with Client(build_server(config).mcp, client_info=PATIENT) as connected:
        yield connected


@pytest.mark.parametrize("key", list(VALUES))
async def test_runs_come_in_order_and_page_by_page(client: Client, key: str) -> None:
    value = VALUES[key]
    pages = [await call(client, "search_runs", sort=f"-{key}", limit=7, offset=offset) for offset in (0, 7)]
    assert not any(page.failed for page in pages), pages[0].text
    found = [run for page in pages for run in page.structured["runs"]]
    assert [value(run) for run in found] == sorted(map(value, found), reverse=True)
    assert len({run["id"] for run in found}) == 14
    first = await call(client, "search_runs", limit=100)
    known = [value(run) for run in first.structured["runs"] if value(run) is not None]
    assert value(found[0]) >= max(known)


async def test_the_slowest_five_runs_take_a_single_call_and_name_their_interactions(client: Client) -> None:
    answer = await call(client, "search_runs", sort="-execution_time", limit=5, status="completed")
    assert len(answer.structured["runs"]) == 5
    assert all(run["interaction"]["name"] for run in answer.structured["runs"])
    assert 'More: search_runs(sort="-execution_time"' in answer.text
    assert answer.structured["next_offset"] == 5


async def test_the_duration_of_a_long_run_is_written_out_in_whole_milliseconds(connect: Connect) -> None:
    runs = [{"id": "r1", "execution_time": 1_234_567.4}]
    async with upstream.serving({"POST /runs/search": upstream.reply(runs)}) as api:
        settings = Config(api=api.api.model_copy(update={"edition": "vertesia"}))
        async with connect(settings) as client:
            answer = await call(client, "search_runs", sort="-execution_time")
    assert "1234567 ms" in answer.text


async def test_the_last_page_is_marked_as_the_last(client: Client) -> None:
    answer = await call(client, "search_runs", sort="created_at", interaction="AlwaysFails", limit=100)
    assert answer.text.endswith("End of list.")
    assert not answer.structured.get("next_offset")


async def test_an_order_over_part_of_the_runs_is_marked_incomplete(config: Config) -> None:
    short = config.model_copy(update={"server": ServerSettings(max_scan=50)})
    async with Client(build_server(short).mcp, client_info=PATIENT) as client:
        answer = await call(client, "search_runs", sort="-total_tokens", limit=5)
    assert answer.structured["complete"] is False
    assert answer.structured["covered"] == 50
    assert "INCOMPLETE: 50 of 200 matching runs were compared" in answer.text


async def test_an_incomplete_order_claims_no_end(config: Config) -> None:
    short = config.model_copy(update={"server": ServerSettings(max_scan=50)})
    async with Client(build_server(short).mcp, client_info=PATIENT) as client:
        page = await call(client, "search_runs", sort="-created_at", limit=100)
        beyond = await call(client, "search_runs", sort="-created_at", limit=100, offset=100)
    assert (len(page.structured["runs"]), beyond.structured["runs"]) == (50, [])
    for answer in (page, beyond):
        assert answer.structured["complete"] is False
        assert answer.text.endswith("Not the end: matching runs that were not compared may follow.")
        assert answer.structured["advice"] in answer.text
        assert "End of list" not in answer.text


async def test_a_page_beyond_the_end_states_the_largest_possible_number_of_runs(client: Client) -> None:
    answer = await call(client, "search_runs", sort="created_at", offset=100_000, status="completed")
    assert answer.structured["runs"] == []
    assert answer.text.endswith("End of list. There are at most 100,000 such runs.")
    assert answer.structured["advice"] in answer.text


async def test_an_empty_order_names_the_filter_that_hides_runs(client: Client) -> None:
    answer = await call(client, "search_runs", sort="created_at", model="no-such-model", status="failed")
    assert answer.text.startswith("No runs for search_runs(")
    assert 'Without model="no-such-model" ' in answer.text


@pytest.mark.parametrize(
    ("count", "more"), [pytest.param(300, True, id="more than a page"), pytest.param(100, False, id="exactly a page")]
)
async def test_a_sorted_page_that_the_api_caps_is_not_the_end(connect: Connect, count: int, more: bool) -> None:
    runs = [{"id": f"r{number}", "execution_time": count - number} for number in range(count)]

    async def search(request: Request) -> Response:
        asked = await request.json()
        offset = asked.get("offset", 0)
        return await upstream.reply(runs[offset : offset + min(asked["limit"], 100)])(request)

    async with upstream.serving({"POST /runs/search": search}) as api:
        settings = Config(api=api.api.model_copy(update={"edition": "vertesia"}))
        async with connect(settings) as client:
            answer = await call(client, "search_runs", sort="-execution_time", limit=100)
    assert len(answer.structured["runs"]) == 100
    assert answer.structured.get("next_offset") == (100 if more else None)
    assert answer.text.endswith("End of list.") is not more
