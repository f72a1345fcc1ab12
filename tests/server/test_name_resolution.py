"""Names of interactions and environments in place of their ids."""

from collections.abc import Mapping

import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.api import connect as api_client
from runs_mcp.server.runs.name_resolver import REREAD_S, NameResolver, UnclearNameError
from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Replies, Reply, reply

pytestmark = pytest.mark.anyio

OPTIONS = "GET /runs/filter-options/environment"
PLACES_OF_INTERACTIONS = (
    "POST /interactions/endpoints",
    "POST /interactions/export",
    "GET /interactions/names",
    "GET /runs/filter-options/interaction",
)
PROD = {"id": "e1", "name": "Production", "count": 3}


@pytest.mark.parametrize("tool", ["list_runs", "search_runs"])
async def test_an_interactions_name_is_taken_for_its_id(client: Client, tool: str) -> None:
    answer = await call(client, tool, interaction="contractreview", limit=5)
    assert {run["interaction"]["name"] for run in answer.structured["runs"]} == {"ContractReview"}


async def test_counts_and_filter_options_take_names_too(client: Client) -> None:
    counts = await call(client, "compute_run_facets", interaction="ContractReview", facets=["interactions"])
    assert [bucket["name"] for bucket in counts.structured["facets"]["interactions"]] == ["ContractReview"]
    options = await call(client, "get_run_filter_options", field="environment", environment="Bedrock EU")
    assert [option["name"] for option in options.structured["options"]] == ["Bedrock EU"]


@pytest.mark.parametrize(
    ("tool", "arguments", "ends"),
    [
        pytest.param("list_runs", {}, "Pass an id.", id="a read"),
        pytest.param("create_run", {"interaction": "AlwaysFails"}, "No run was created.", id="a create"),
    ],
)
async def test_an_ambiguous_name_lists_the_candidates(
    client: Client, tool: str, arguments: dict[str, str], ends: str
) -> None:
    answer = await call(client, tool, environment="Staging", **arguments)
    assert answer.failed
    assert "`environment`: 2 have the name Staging" in answer.text
    for candidate in ("66b2f0c2e4b0a1b2c3d4e004", "66b2f0c2e4b0a1b2c3d4e005"):
        assert candidate in answer.text
    assert answer.text.endswith(ends)


async def test_an_unknown_name_suggests_the_nearest(client: Client) -> None:
    answer = await call(client, "list_runs", interaction="ContractRevue")
    assert answer.failed
    assert "Did you mean ContractReview (66a1f0c2e4b0a1b2c3d40005" in answer.text


async def test_a_name_without_a_near_match_lists_the_known_names(client: Client) -> None:
    answer = await call(client, "list_runs", interaction="qqq")
    assert answer.failed
    assert "Known: " in answer.text
    assert "ClassifySentiment" in answer.text


async def test_an_id_is_not_looked_up_and_names_are_remembered(connect: Connect) -> None:
    replies: Replies = {OPTIONS: reply([PROD]), "GET /runs": reply([{"id": "r1"}])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, "list_runs", environment="66b2f0c2e4b0a1b2c3d4e001")
        assert api.count(OPTIONS) == 0
        await call(client, "list_runs", environment="Production")
        await call(client, "list_runs", environment="production")
        assert api.count(OPTIONS) == 1


async def test_a_name_that_was_used_after_the_names_were_read_is_found() -> None:
    replies: Replies = {OPTIONS: [reply([PROD]), reply([PROD, {"id": "e2", "name": "Trial"}])]}
    now = [0.0]
    async with upstream.serving(replies) as api, api_client(api.api) as runs:
        names = NameResolver(runs, now=lambda: now[0])
        await names.id_of("environment", "Production")
        now[0] = REREAD_S + 1
        assert await names.id_of("environment", "Trial") == "e2"


async def test_an_unknown_name_that_is_repeated_does_not_read_the_names_each_time() -> None:
    async with upstream.serving({OPTIONS: reply([PROD])}) as api, api_client(api.api) as runs:
        names = NameResolver(runs, now=lambda: 0.0)
        for _ in range(10):
            with pytest.raises(UnclearNameError):
                await names.id_of("environment", "Prodction")
        assert api.count(OPTIONS) == 1


LIKE_AN_ID = "66a1f0c2e4b0a1b2c3d4dead"
"""A name that has the form of an id."""
ID = "66a1f0c2e4b0a1b2c3d4beef"


@pytest.mark.parametrize(
    ("tool", "arguments", "found"),
    [
        ("list_runs", {}, "r1"),
        ("search_runs", {}, "r1"),
        ("compute_run_facets", {"facets": ["status"]}, "status: completed 1"),
        ("aggregate_runs", {"by": ["status"]}, "All 1 matching runs counted"),
        ("get_run_filter_options", {"field": "status"}, "1 values of status"),
    ],
)
async def test_a_name_with_the_form_of_an_id_is_found_if_no_run_has_the_id(
    connect: Connect, tool: str, arguments: dict[str, object], found: str
) -> None:
    asked: list[bool] = []

    def of_interaction(runs: object, nothing: object) -> Reply:
        async def answer(request: Request) -> Response:
            by_id = ID in f"{request.url} {(await request.body()).decode()}"
            asked.append(by_id)
            return await reply(runs if by_id else nothing)(request)

        return answer

    run = {"id": "r1", "status": "completed", "created_at": "2026-11-20T10:00:00Z"}
    replies: Replies = {
        "GET /runs/filter-options/interaction": reply([{"id": ID, "name": LIKE_AN_ID, "count": 1}]),
        "GET /runs/filter-options/status": of_interaction([{"id": "completed", "count": 1}], []),
        "GET /runs": of_interaction([run], []),
        "POST /runs/search": of_interaction([run], []),
        "POST /runs/find": of_interaction([run], []),
        "POST /runs/facets": of_interaction(
            {"total": 1, "status": [{"_id": "completed", "count": 1}]}, {"total": 0, "status": []}
        ),
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, tool, interaction=LIKE_AN_ID, **arguments)
    assert (asked[0], asked[-1]) == (False, True), "the name was first sent as an id"
    assert not answer.failed
    assert found in answer.text


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param("Review", "i1", id="exact"),
        pytest.param("review", "i2", id="exact in lower case"),
        pytest.param("Re\u0301sume\u0301", "i3", id="another normal form"),
        pytest.param("STAGING", "i4", id="case-insensitive where no name is exact"),
    ],
)
async def test_an_exact_name_wins_over_a_name_in_another_case(connect: Connect, given: str, sent: str) -> None:
    options = [
        {"id": f"i{number}", "name": name}
        for number, name in enumerate(["Review", "review", "R\u00e9sum\u00e9", "Staging"], 1)
    ]
    asked: list[str] = []

    async def runs(request: Request) -> Response:
        asked.append(request.query_params["interaction"])
        return await reply([])(request)

    replies: Replies = {"GET /runs/filter-options/interaction": reply(options), "GET /runs": runs}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, "list_runs", interaction=given)
    assert asked == [sent]


CLOSED = reply({"message": "internal"}, 403)
NEWEST = [{"id": "r1", "environment": {"id": "e1", "name": "Production"}}]


@pytest.mark.parametrize(
    ("replies", "says"),
    [
        pytest.param({"GET /environments": reply([PROD])}, "there is no environment", id="from the catalogue"),
        pytest.param({"GET /environments": CLOSED}, "If it exists, pass its id.", id="from the newest runs"),
    ],
)
async def test_names_are_resolved_from_runs_if_filter_options_are_closed(
    connect: Connect, replies: dict[str, Reply], says: str
) -> None:
    asked: list[str] = []

    async def runs(request: Request) -> Response:
        asked.append(request.query_params.get("environment", ""))
        return await reply(NEWEST)(request)

    async with (
        upstream.serving({OPTIONS: CLOSED, "GET /runs": runs, **replies}) as api,
        connect(configured(api)) as client,
    ):
        known = await call(client, "list_runs", environment="production")
        unknown = await call(client, "list_runs", environment="Prodction")
    assert not known.failed
    assert "e1" in asked
    assert unknown.failed
    assert says in unknown.text
    assert "Did you mean Production (e1" in unknown.text
    assert not {"production", "Prodction"} & set(asked), "a name is never sent for an id"


async def test_without_a_source_of_names_an_id_is_required_and_the_name_is_not_sent(connect: Connect) -> None:
    replies: Replies = {OPTIONS: CLOSED, "GET /environments": CLOSED, "GET /runs": reply([{"id": "r1"}])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "list_runs", environment="Production")
        assert answer.failed
        assert "Pass the id." in answer.text
        by_id = await call(client, "list_runs", environment="66b2f0c2e4b0a1b2c3d4e001")
        assert not by_id.failed


@pytest.mark.parametrize(
    ("catalogue", "given", "says"),
    [
        pytest.param(reply([{"id": "e9", "name": "brand-new", "apiKey": "x"}]), "brand-new", "", id="in the catalogue"),
        pytest.param(reply([PROD]), "brand-new", "there is no environment", id="unknown"),
        pytest.param(CLOSED, "brand-new", "If it exists, pass its id.", id="closed catalogue"),
    ],
)
async def test_a_new_run_may_use_an_environment_of_the_catalogue_that_no_run_has_used(
    connect: Connect, catalogue: Reply, given: str, says: str
) -> None:
    bodies: list[str] = []

    async def create(request: Request) -> Response:
        bodies.append((await request.json())["config"]["environment"])
        return await reply({"id": "r1", "status": "completed"})(request)

    replies: Replies = {
        OPTIONS: reply([PROD]),
        "GET /environments": catalogue,
        "GET /runs": CLOSED,
        "POST /runs": create,
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i", environment=given, stream=False)
    assert answer.failed is bool(says)
    assert says in answer.text
    assert bodies == ([] if says else ["e9"])


async def test_find_shows_the_names_that_are_known_and_asks_for_none(connect: Connect) -> None:
    run = {"id": "r1", "interaction": "i1", "environment": "e1"}
    replies: Replies = {OPTIONS: reply([PROD]), "POST /runs/find": reply([run]), "GET /runs": reply([run])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        before = await call(client, "find_runs", query={})
        assert " | e1" in before.text
        assert {*api.asked} == {"POST /runs/find"}
        await call(client, "list_runs", environment="Production")
        api.asked.clear()
        after = await call(client, "find_runs", query={})
    assert " | Production" in after.text
    [row] = after.structured["runs"]
    assert (row["environment"], row["interaction"]) == ({"id": "e1", "name": "Production"}, "i1")
    assert {*api.asked} == {"POST /runs/find"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param("Sumarize", "there is no 'Sumarize'. Did you mean SummarizeText?", id="a slip"),
        pytest.param("summarizetext", "there is no 'summarizetext'. Did you mean SummarizeText?", id="another case"),
        pytest.param("qqq", "there is no 'qqq'. Known: SummarizeText, ", id="nothing similar"),
    ],
)
async def test_a_create_with_an_unknown_interaction_suggests_the_nearest(client: Client, given: str, says: str) -> None:
    answer = await call(client, "create_run", interaction=given, data={"text": "a"})
    assert answer.failed
    assert answer.text.startswith(f"`interaction`: {says}")
    assert answer.text.endswith(" No run was created.")
    batch = await call(client, "create_run", interaction=given, inputs=[{"text": "a"}, {"text": "b"}])
    assert [one["failure"] for one in batch.structured["runs"]] == [answer.text, answer.text]


async def test_a_create_keeps_the_answer_of_the_api_about_an_interaction_that_exists(client: Client) -> None:
    answer = await call(client, "create_run", interaction="SummarizeText@99", data={"text": "a"})
    assert 'It says: "Interaction not found: SummarizeText@99".' in answer.text


async def test_a_create_reads_no_interactions_unless_the_api_finds_none(connect: Connect) -> None:
    created = reply({"id": "r1", "status": "completed"})
    async with upstream.serving({"POST /runs": created}) as api, connect(configured(api)) as client:
        await call(client, "create_run", interaction="Summarize")
        assert api.asked == ["POST /runs"]


async def test_a_create_whose_interactions_cannot_be_read_keeps_the_answer_of_the_api(connect: Connect) -> None:
    closed = [*PLACES_OF_INTERACTIONS, "GET /runs"]
    replies: Replies = {"POST /runs": reply({"message": "Unknown"}, 404), **dict.fromkeys(closed, CLOSED)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="Summarize")
    assert answer.failed
    assert answer.text.startswith('The Runs API found nothing there (404). It says: "Unknown". No run was created.')


async def test_find_takes_names_in_its_filter(client: Client) -> None:
    query = {"$or": [{"interaction": "ContractReview"}, {"interaction": {"$in": ["contractreview"]}}]}
    found = (await call(client, "find_runs", query=query, select=["interaction"])).structured["runs"]
    listed = (await call(client, "list_runs", interaction="ContractReview")).structured["runs"]
    assert {run["interaction"] for run in found} == {run["interaction"]["id"] for run in listed}


@pytest.mark.parametrize(("tool", "argument"), [("find_runs", "query"), ("aggregate_runs", "where")])
@pytest.mark.parametrize(
    "condition",
    [
        pytest.param({"interaction": {"$regex": "contract", "$options": "i"}}, id="a pattern"),
        pytest.param({"$or": [{"interaction": {"$not": {"$regex": "contract"}}}]}, id="negated, in an alternative"),
        pytest.param({"interaction": {"$regularExpression": {"pattern": "contract"}}}, id="extended JSON"),
        pytest.param({"interaction": {"$in": [{"$regex": "contract"}]}}, id="in a list"),
    ],
)
async def test_a_pattern_of_a_name_is_refused_with_the_known_names(
    client: Client, tool: str, argument: str, condition: dict[str, object]
) -> None:
    answer = await call(client, tool, **{argument: condition})
    assert answer.failed
    assert answer.text.startswith(
        "`interaction`: runs hold its id, which no pattern of a name matches. Pass ids or names"
    )
    assert "SummarizeText (66a1f0c2e4b0a1b2c3d40001" in answer.text


@pytest.mark.parametrize("tool", ["list_runs", "search_runs"])
async def test_a_hint_names_only_tools_that_work(connect: Connect, tool: str) -> None:
    replies: Replies = {
        "GET /runs/filter-options/status": CLOSED,
        "GET /runs": reply([]),
        "POST /runs/search": reply([]),
        "POST /runs/facets": CLOSED,
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, tool, model="gpt-5")
    assert "list_runs without filters shows the newest runs" in answer.text
    assert "get_run_filter_options" not in answer.text
    assert "compute_run_facets" not in answer.text


@pytest.mark.parametrize("tool", ["list_runs", "create_run"])
async def test_an_unused_exact_name_wins_over_a_used_name_in_another_case(connect: Connect, tool: str) -> None:
    sent: list[str] = []

    async def runs(request: Request) -> Response:
        created = request.method == "POST"
        sent.append((await request.json())["config"]["environment"] if created else request.query_params["environment"])
        return await reply({"id": "r1", "status": "completed"} if created else [])(request)

    replies: Replies = {
        OPTIONS: reply([{"id": "e1", "name": "staging", "count": 3}]),
        "GET /environments": reply([{"id": "e1", "name": "staging"}, {"id": "e2", "name": "Staging"}]),
        "GET /runs": runs,
        "POST /runs": runs,
    }
    more = {"interaction": "Any"} if tool == "create_run" else {}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, tool, environment="Staging", **more)
        await call(client, tool, environment="STAGING", **more)
        assert sent == ["e2"], "STAGING is ambiguous"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param("billing:Invoice", "there is no interaction with the name", id="a name with a colon"),
        pytest.param("oid:", "there is no interaction with the name", id="an empty selector"),
        pytest.param(" ", "there is no interaction with the name", id="a space"),
    ],
)
async def test_a_text_that_is_no_id_is_not_sent(connect: Connect, given: str, says: str) -> None:
    names = reply([{"id": "i1", "name": "Review"}, {"id": "i2", "name": None}, {"id": "i3"}])
    options = "GET /runs/filter-options/interaction"
    replies: Replies = {options: CLOSED, "GET /interactions/names": names, "GET /runs": reply([])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "list_runs", interaction=given)
        assert answer.failed
        assert says in answer.text
        assert not api.count("GET /runs")


ANSWERS: Mapping[str, Reply] = {
    "answers": reply([PROD]),
    "is closed": CLOSED,
    "fails": reply({"message": "down"}, 500),
    "is empty": reply([]),
}


@pytest.mark.parametrize("options", ANSWERS)
@pytest.mark.parametrize("catalogue", ANSWERS)
@pytest.mark.parametrize("newest", [*ANSWERS, "lacks it"])
async def test_a_name_is_resolved_or_refused_whichever_sources_fail(
    connect: Connect, options: str, catalogue: str, newest: str
) -> None:
    used = {"answers": reply(NEWEST), "lacks it": reply([{"id": "r2", "environment": {"id": "e2", "name": "Other"}}])}

    async def runs(request: Request) -> Response:
        asked = request.query_params.get("environment")
        assert asked in (None, "e1"), "a name is never sent for an id"
        return await (reply(NEWEST) if asked else {**ANSWERS, **used}[newest])(request)

    replies: Replies = {OPTIONS: ANSWERS[options], "GET /environments": ANSWERS[catalogue], "GET /runs": runs}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "list_runs", environment="Production")
    sources = [options, catalogue, newest]
    first = next((source for source in sources if source in ("answers", "is empty", "lacks it")), None)
    if first == "is empty" and sources.index(first) == 2:
        first = None  # runs alone do not prove that a name does not exist
    assert answer.failed == (first != "answers"), answer.text
    if first is None:
        assert "Pass the id." in answer.text or "down" in answer.text
    elif first != "answers":
        assert "'Production'" in answer.text
