"""Lists end truthfully: each list says `End of list.`, or gives the call that continues it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config, ServerSettings
from runs_mcp.sandbox import SandboxOptions, closed, running
from runs_mcp.sandbox.storage.mongo_filter import build_matcher
from runs_mcp.sandbox.storage.projection import projection
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, Answer, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Reply, reply

pytestmark = pytest.mark.anyio

RUNS = [
    {
        "id": f"r{number:03}",
        "status": "completed",
        "created_at": f"2026-11-01T00:{number:02}:00.000Z",
        "updated_at": f"2026-11-01T00:{number:02}:30.000Z",
    }
    for number in reversed(range(50))
]


def paged(runs: Sequence[dict[str, Any]], *, cap: int = 1_000) -> Reply:
    """Answer `GET /runs` and `POST /runs/search` with a page of at most `cap` runs."""

    async def answer(request: Request) -> Response:
        asked = dict(request.query_params) if request.method == "GET" else await request.json()
        offset = int(asked.get("offset", 0))
        return await reply(runs[offset : offset + min(int(asked["limit"]), cap)])(request)

    return answer


def ids(answer: Answer) -> list[str]:
    """Return the ids of the runs of an answer."""
    return [run["id"] for run in answer.structured["runs"]]


@pytest.mark.parametrize("tool", ["list_runs", "search_runs"])
@pytest.mark.parametrize(
    ("count", "limit", "cap", "more"),
    [
        pytest.param(10, 10, 1_000, False, id="exactly a page"),
        pytest.param(11, 10, 1_000, True, id="one more than a page"),
        pytest.param(3, 10, 1_000, False, id="less than a page"),
        pytest.param(20, 10, 10, True, id="a page that the API caps at the limit"),
        pytest.param(20, 10, 7, True, id="a page that the API caps below the limit"),
        pytest.param(7, 10, 7, False, id="all there is, as many as the API's cap"),
    ],
)
async def test_a_list_states_if_more_results_follow(
    connect: Connect, tool: str, count: int, limit: int, cap: int, more: bool
) -> None:
    page = paged(RUNS[:count], cap=cap)
    async with (
        upstream.serving({"GET /runs": page, "POST /runs/search": page}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, tool, limit=limit)
    shown = min(count, limit, cap)
    assert ids(answer) == [run["id"] for run in RUNS[:shown]]
    ending = answer.text.splitlines()[-1]
    if more:
        assert ending == f"More: {tool}(limit={limit}, offset={shown})"
        assert answer.structured["next_offset"] == shown
    else:
        assert ending == "End of list."
        assert not {"next", "next_offset"} & set(answer.structured)


@pytest.mark.parametrize("tool", ["list_runs", "search_runs"])
async def test_only_a_page_as_long_as_the_longest_so_far_takes_a_second_request(connect: Connect, tool: str) -> None:
    page = paged(RUNS[:20], cap=7)
    async with (
        upstream.serving({"GET /runs": page, "POST /runs/search": page}) as api,
        connect(configured(api)) as client,
    ):
        capped = await call(client, tool, limit=10)
        capped_again = await call(client, tool, limit=10)
        so_far = len(api.asked)
        last = await call(client, tool, limit=10, offset=14)
    assert capped.structured["next_offset"] == capped_again.structured["next_offset"] == 7
    assert last.text.endswith("End of list.")
    assert so_far == 4
    assert len(api.asked) == 5


async def test_a_page_beyond_the_end_is_explained_without_blaming_filters(client: Client) -> None:
    answer = await call(client, "list_runs", offset=100_000, status="completed")
    assert answer.text.endswith("End of list. There are at most 100,000 such runs.")
    assert "Without status" not in answer.text


@pytest.mark.parametrize(
    ("query", "select"),
    [
        pytest.param({}, [], id="no selection"),
        pytest.param({"status": {"$ne": "created"}}, ["status"], id="a field"),
        pytest.param({"$and": [{"parent": {"$exists": False}}]}, ["status"], id="a filter that has $and itself"),
        pytest.param({}, ["-created_at", "-updated_at"], id="without the times"),
    ],
)
async def test_following_the_next_query_of_find_visits_every_run_once(
    client: Client, query: dict[str, Any], select: list[str]
) -> None:
    everything = ids(await call(client, "find_runs", query=query, limit=1_000, select=["status"]))
    visited: list[str] = []
    answer = await call(client, "find_runs", query=query, limit=17, select=select)
    visited += ids(answer)
    while following := answer.structured.get("next_query"):
        answer = await call(client, "find_runs", query=following, limit=17, select=select)
        visited += ids(answer)
    assert answer.text.endswith("End of list.")
    assert len(visited) == len(set(visited))
    assert sorted(visited) == sorted(everything)
    assert len(everything) >= 150


@pytest.mark.parametrize("order", ["updated_at", "created_at"])
@pytest.mark.parametrize(
    "late",
    [
        pytest.param([45], id="a new run"),
        pytest.param([0, 1], id="the oldest runs"),
        pytest.param([*range(25)], id="half of the runs"),
        pytest.param([*range(24, -1, -1)], id="half of the runs, backwards"),
    ],
)
async def test_runs_that_were_updated_long_after_their_creation_are_visited_once(
    connect: Connect, order: str, late: list[int]
) -> None:
    updates = {number: f"2026-11-02T00:{place:02}:00.000Z" for place, number in enumerate(late)}
    runs = [{**run, "updated_at": updates.get(int(run["id"][1:]), run["updated_at"])} for run in RUNS]
    runs.sort(key=lambda run: run[order], reverse=True)

    async def find(request: Request) -> Response:
        body = await request.json()
        matches = build_matcher(body["query"])
        return await reply([run for run in runs if matches({**run, "_id": run["id"]})][: body["limit"]])(request)

    async with upstream.serving({"POST /runs/find": find}) as api, connect(configured(api)) as client:
        visited: list[str] = []
        following: dict[str, Any] | None = {}
        while following is not None and len(visited) <= len(runs):
            answer = await call(client, "find_runs", query=following, limit=10)
            visited += ids(answer)
            following = answer.structured.get("next_query")
    assert visited == [run["id"] for run in runs]


async def test_the_next_call_of_find_is_short_and_can_be_copied(client: Client) -> None:
    first = await call(client, "find_runs", query={"status": "completed"}, limit=2, select=["status"])
    second = await call(client, "find_runs", **_arguments(first.structured["next"]))
    third = await call(client, "find_runs", **_arguments(second.structured["next"]))
    assert len({*ids(first), *ids(second), *ids(third)}) == 6
    assert first.text.endswith(f"More: {first.structured['next']}")
    assert len(third.structured["next"]) < 400
    assert set(first.structured["runs"][0]) == {"id", "status"}


def _arguments(written: str) -> dict[str, Any]:
    """Return the arguments of the call that the text contains."""
    inside = written.partition("(")[2].removesuffix(")")
    arguments: dict[str, Any] = {}
    while inside:
        name, _, rest = inside.partition("=")
        arguments[name.strip(", ")], end = json.JSONDecoder().raw_decode(rest)
        inside = rest[end:]
    return arguments


async def test_find_states_the_minimum_of_further_runs_if_its_order_cannot_be_continued(connect: Connect) -> None:
    oldest_first = [{**run, "result": "x"} for run in reversed(RUNS)]
    async with (
        upstream.serving({"POST /runs/find": reply(oldest_first[:6])}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, "find_runs", query={}, limit=5)
    assert answer.text.endswith("At least 1 more: narrow the query, e.g. by created_at.")
    assert answer.structured["advice"] in answer.text
    assert "next_query" not in answer.structured


async def test_find_is_not_at_its_end_if_the_api_caps_the_page(connect: Connect) -> None:
    async def capped(request: Request) -> Response:
        body = await request.json()
        excluded = body["query"].get("$and", [{}])[-1].get("_id", {}).get("$nin", [])
        matching = [run for run in RUNS if run["id"] not in excluded]
        return await reply(matching[: min(body["limit"], 10)])(request)

    async with upstream.serving({"POST /runs/find": capped}) as api, connect(configured(api)) as client:
        answer = await call(client, "find_runs", query={}, limit=20)
    assert len(ids(answer)) == 10
    assert answer.structured["next_query"]


@pytest.mark.parametrize(
    ("select", "fields"),
    [
        pytest.param(["status"], {"id", "status"}, id="fields"),
        pytest.param(["status", "-id"], {"status"}, id="fields without the id"),
        pytest.param(["-id", "status", "created_at"], {"status", "created_at"}, id="a time that was selected"),
    ],
)
async def test_select_names_the_fields_of_a_row(client: Client, select: list[str], fields: set[str]) -> None:
    answer = await call(client, "find_runs", query={}, select=select, limit=3)
    assert [set(run) for run in answer.structured["runs"]] == [fields] * 3


async def test_an_empty_select_returns_the_default_fields(client: Client) -> None:
    selected = await call(client, "find_runs", query={}, select=[], limit=2)
    plain = await call(client, "find_runs", query={}, limit=2)
    assert selected.structured["runs"] == plain.structured["runs"]


async def test_select_rejects_a_mix_of_included_and_excluded_fields(client: Client) -> None:
    answer = await call(client, "find_runs", query={}, select=["status", "-error"])
    assert answer.failed
    assert "either fields to return or fields to leave out" in answer.text


async def test_the_rows_of_find_are_bounded_by_characters(connect: Connect) -> None:
    newest = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [
        {
            "id": f"r{number}",
            "status": "failed",
            "result": "word " * 100,
            "created_at": (newest - timedelta(minutes=number)).isoformat(),
        }
        for number in range(1_001)
    ]

    async def selected(request: Request) -> Response:
        fields = (await request.json())["select"].split()
        return await reply([{name: row[name] for name in fields if name in row} for row in rows])(request)

    async with upstream.serving({"POST /runs/find": selected}) as api, connect(configured(api)) as client:
        short = await call(client, "find_runs", query={}, limit=1_000, select=["status", "-id"])
        long = await call(client, "find_runs", query={}, limit=1_000, select=["result"])
    assert len(short.structured["runs"]) == 1_000
    assert 50 < len(long.structured["runs"]) < 500
    for answer in (short, long):
        assert len(json.dumps(answer.structured)) < 60_000
        assert answer.structured["next_query"]


@pytest.mark.parametrize(
    ("order", "tied", "select"),
    [
        pytest.param("created_at", 1, ["-id", "execution_time"], id="by creation, without ids"),
        pytest.param("created_at", 45, ["execution_time"], id="by creation, 45 at each time"),
        pytest.param("updated_at", 1, ["execution_time"], id="by update"),
        pytest.param("updated_at", 45, ["-id", "execution_time"], id="by update, 45 at each time, without ids"),
    ],
)
async def test_walking_in_pages_of_a_thousand_visits_each_run_once(order: str, tied: int, select: list[str]) -> None:
    api = GrowingRuns(3_200, order, tied)
    replies = {"POST /runs/find": api.find}
    async with (
        upstream.serving(replies) as served,
        Client(build_server(configured(served)).mcp, client_info=PATIENT) as client,
    ):
        following: dict[str, Any] | None = {"status": {"$ne": "failed"}}
        pages = []
        while following is not None:
            answer = await call(client, "find_runs", query=following, limit=1_000, select=select)
            pages.append(answer)
            following = answer.structured.get("next_query")
    visited = [run["execution_time"] for page in pages for run in page.structured["runs"]]
    assert len(visited) == len(set(visited))
    assert [number for number in visited if number < 3_200] == list(reversed(range(3_200)))
    assert pages[-1].text.endswith("End of list.")
    assert len(pages[0].structured["runs"]) == (1_000 if "-id" in select else pytest.approx(770, abs=100))
    for page in pages:
        assert len(page.text) <= 45_000
        assert len(json.dumps(page.structured)) <= 60_000
        assert page.structured.get("next", "End of list.") in page.text


class GrowingRuns:
    """Runs that `find` returns in the order of a time, newest first; ten newer runs are created before each page."""

    def __init__(self, count: int, order: str, tied: int) -> None:
        self._order = order
        self._tied = tied
        self._runs: list[dict[str, Any]] = []
        for _ in range(count):
            self._create()

    def _create(self) -> None:
        number = len(self._runs)
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number // self._tied)
        other = moment + timedelta(minutes=number * 7919 % 10_007)
        times = {"created_at": other.isoformat(), "updated_at": other.isoformat(), self._order: moment.isoformat()}
        run_id = f"66a1f0c2e4b0a1b2c3{number:06}"
        self._runs.append({"id": run_id, "status": "completed", "execution_time": number, **times})

    def _sorted(self) -> list[dict[str, Any]]:
        return sorted(self._runs, key=lambda run: (run[self._order], run["id"]), reverse=True)

    async def find(self, request: Request) -> Response:
        """Answer `POST /runs/find`."""
        body = await request.json()
        matches, project = build_matcher(body["query"]), projection(body.get("select"))
        found = [project(run) for run in self._sorted() if matches(run)][: body["limit"]]
        for _ in range(10):
            self._create()
        return await reply(found)(request)


@pytest.mark.parametrize("tool", ["list_runs", "search_runs"])
async def test_a_large_field_in_each_row_is_cut_and_named(connect: Connect, tool: str) -> None:
    runs = [{**run, "id": f"{half}{run['id']}", "transcript": "word " * 20_000} for half in "ab" for run in RUNS]
    page = paged(runs)
    async with (
        upstream.serving({"GET /runs": page, "POST /runs/search": page}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, tool, limit=100)
    assert len(ids(answer)) == 100
    assert len(json.dumps(answer.structured)) < 80_000
    assert len(answer.text) < 20_000
    assert "Cut to fit: transcript." in answer.structured["cut"]
    assert answer.structured["cut"] in answer.text
    assert "whole in runs://ar049" in answer.structured["runs"][0]["transcript"]


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_a_large_field_is_cut_in_sorted_rows_as_well(connect: Connect, edition: str) -> None:
    error = {"code": "safety", "message": "word " * 20_000}
    page = reply([{**run, "id": f"{half}{run['id']}", "error": error} for half in "ab" for run in RUNS])
    replies = {"POST /runs/search": page, "POST /runs/find": page, "POST /runs/facets": reply({"total": 100})}
    async with upstream.serving(replies) as api:
        config = configured(api)
        config = config.model_copy(update={"api": config.api.model_copy(update={"edition": edition})})
        async with connect(config) as client:
            answer = await call(client, "search_runs", sort="-updated_at", limit=100)
    assert len(ids(answer)) == 100
    assert len(json.dumps(answer.structured)) < 100_000
    assert len(answer.text) < 30_000
    assert "Cut to fit: error." in answer.structured["cut"]


async def test_facets_show_the_id_of_values_that_share_a_name(client: Client) -> None:
    answer = await call(client, "compute_run_facets", facets=["environments"])
    assert "Staging (66b2f0c2e4b0a1b2c3d4e004) " in answer.text
    assert "Staging (66b2f0c2e4b0a1b2c3d4e005) " in answer.text
    assert "Bedrock EU (" not in answer.text


@pytest.mark.parametrize(
    ("edition", "facets"),
    [
        pytest.param("composable", ["environments", "interactions", "models", "tags", "status"], id="composable"),
        pytest.param("vertesia", ["environments", "interactions", "models", "status", "finish_reason"], id="vertesia"),
    ],
)
async def test_the_schema_lists_the_facets_of_the_edition(config: Config, edition: str, facets: list[str]) -> None:
    api = config.api.model_copy(update={"edition": edition})
    async with Client(build_server(config.model_copy(update={"api": api})).mcp, client_info=PATIENT) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    listed = tools["compute_run_facets"].input_schema["properties"]["facets"]["items"]["enum"]
    assert sorted(listed) == sorted(facets)


async def test_rows_that_share_their_time_are_continued_up_to_a_number(connect: Connect) -> None:
    tied = [{**RUNS[0], "id": f"r{number}"} for number in range(101)]
    async with upstream.serving({"POST /runs/find": reply(tied)}) as api, connect(configured(api)) as client:
        answer = await call(client, "find_runs", query={}, limit=100)
    assert answer.text.endswith("At least 1 more: narrow the query, e.g. by created_at.")


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("edition", ["composable", "vertesia"])
async def test_where_find_is_closed_search_runs_continues_the_list(edition: str, status: int) -> None:
    async with find_closed(edition, status) as client:
        everything = await visited(client, "search_runs", status="completed", limit=100)
        answer = await call(client, "find_runs", query={"status": "completed"}, limit=30, select=["status"])
        found = ids(answer)
        assert "find is closed" in answer.text
        assert {frozenset(run) for run in answer.structured["runs"]} == {frozenset({"id", "status"})}
        assert "next_query" not in answer.structured
        assert answer.text.endswith(f"More: {answer.structured['next']}")
        found += await visited(client, "search_runs", **_arguments(answer.structured["next"]))
    assert found == everything
    assert len(found) > 100


async def test_where_find_is_closed_the_last_page_is_the_last() -> None:
    async with find_closed("vertesia", 403) as client:
        answer = await call(client, "find_runs", query={"interaction": "AlwaysFails"}, limit=100)
        assert answer.text.endswith("End of list.")
        assert ids(answer) == await visited(client, "search_runs", interaction="AlwaysFails", limit=5)


async def test_where_find_is_closed_no_call_is_offered_to_a_tool_that_is_not_published() -> None:
    async with find_closed("vertesia", 403, tools=["find_runs"]) as client:
        answer = await call(client, "find_runs", query={"status": "completed"}, limit=5)
    assert answer.text.endswith("At least 1 more: narrow the query, e.g. by created_at.")
    assert "next" not in answer.structured


async def test_where_find_is_closed_doubtful_names_are_named_as_elsewhere() -> None:
    async with find_closed("composable", 403) as client:
        answer = await call(client, "find_runs", query={"status": "FAILED"})
        selected = await call(client, "find_runs", query={"status": "failed"}, limit=2, select=["status", "model"])
    assert answer.text.endswith("Runs may have no status FAILED; known: created, processing, completed, failed.")
    assert selected.structured["note"].endswith("Runs may have no field model (did you mean modelId?).")
    assert selected.structured["note"] in selected.text


async def test_where_find_is_closed_an_inexpressible_filter_is_refused_with_the_expressible_fields() -> None:
    async with find_closed("vertesia", 404) as client:
        answer = await call(client, "find_runs", query={"execution_time": {"$gt": 5}})
    assert answer.failed
    assert "may not use MongoDB filters" in answer.text
    assert "status, interaction, environment and modelId" in answer.text


async def test_a_list_whose_end_is_unknown_does_not_claim_the_end(connect: Connect) -> None:
    replies = [reply(RUNS[:3]), reply({"error": "unknown operator: $nin"}, 400)]
    async with upstream.serving({"POST /runs/find": replies}) as api, connect(configured(api)) as client:
        answer = await call(client, "find_runs", query={}, limit=10)
    assert answer.text.endswith("More runs may match: narrow the query, e.g. by created_at, to be sure.")


@asynccontextmanager
async def find_closed(edition: str, status: int, tools: list[str] | None = None) -> AsyncIterator[Client]:
    """A client of a server whose credential may not use `find`."""
    async with running(SandboxOptions(answers=closed("find", status=status))) as sandbox:
        api = sandbox_api(sandbox.url, ApiSettings(edition=edition))
        async with Client(
            build_server(Config(api=api, server=ServerSettings(tools=tools))).mcp, client_info=PATIENT
        ) as client:
            yield client


async def visited(client: Client, tool: str, **arguments: Any) -> list[str]:
    """Return the ids of the runs on a page and on all pages that follow it."""
    answer = await call(client, tool, **arguments)
    found = ids(answer)
    while "next" in answer.structured:
        answer = await call(client, tool, **_arguments(answer.structured["next"]))
        found += ids(answer)
    return found


@pytest.mark.parametrize("tool", ["list_runs", "search_runs"])
async def test_rows_name_interaction_and_environment_without_their_other_fields(connect: Connect, tool: str) -> None:
    interaction = {"id": "i1", "name": "Review", "endpoint": "Review", "version": 3}
    environment = {"id": "e1", "name": "Production", "provider": "openai"}
    long = {"description": "x" * 500, "updated_at": "2026-01-15T09:00:00.000Z"}
    runs = [{**run, "interaction": interaction | long, "environment": environment | long} for run in RUNS]
    async with (
        upstream.serving({"GET /runs": paged(runs), "POST /runs/search": paged(runs)}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, tool, limit=50)
    assert "cut" not in answer.structured
    assert all(row["interaction"] == interaction for row in answer.structured["runs"])
    assert all(row["environment"] == environment for row in answer.structured["runs"])


MISSPELT: Mapping[str, tuple[dict[str, Any], str]] = {
    "another name": ({"model": "gpt-4o"}, "Runs may have no field model (did you mean modelId?)."),
    "a slip": ({"execution_tme": {"$gt": 1}}, "Runs may have no field execution_tme (did you mean execution_time?)."),
    "in a disjunction": ({"$or": [{"duration": 1}]}, "Runs may have no field duration (did you mean execution_time?)."),
}


@pytest.mark.parametrize(("query", "hint"), MISSPELT.values(), ids=MISSPELT)
@pytest.mark.parametrize("tool", ["find_runs", "aggregate_runs"])
async def test_a_misspelt_field_of_a_filter_does_not_read_as_no_runs(
    client: Client, tool: str, query: dict[str, Any], hint: str
) -> None:
    answer = await call(client, tool, **{"query" if tool == "find_runs" else "where": query})
    assert hint in answer.text


async def test_a_known_field_of_a_filter_gets_no_hint(client: Client) -> None:
    answer = await call(client, "find_runs", query={"modelId": "no-such-model", "config.model": "none"})
    assert answer.text.endswith("End of list.")


@pytest.mark.parametrize("tool", ["search_runs", "compute_run_facets", "aggregate_runs"])
async def test_a_period_that_ends_before_it_starts_is_refused(client: Client, tool: str) -> None:
    answer = await call(client, tool, start="7d", end="30d")
    assert answer.failed
    assert answer.text.startswith("`start` (")
    assert "must be before `end`" in answer.text


async def test_the_head_of_a_list_has_the_singular_for_a_single_run(client: Client) -> None:
    assert (await call(client, "list_runs", limit=1)).text.startswith("1 run, 1 to 1 ")
    assert (await call(client, "search_runs", sort="-execution_time", limit=1)).text.startswith("1 run, 1 to 1 by ")
