"""Names in place of ids, where they are unambiguous."""

import pytest
from mcp.client import Client

from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Replies, reply

pytestmark = pytest.mark.anyio

OPTIONS = "GET /runs/filter-options/environment"
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
        pytest.param("list_runs", {}, "Nothing was changed.", id="a read"),
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


async def test_a_name_unlike_any_lists_what_there_is(client: Client) -> None:
    answer = await call(client, "list_runs", interaction="qqq")
    assert answer.failed
    assert "There are " in answer.text
    assert "ClassifySentiment" in answer.text


async def test_an_id_is_not_looked_up_and_names_are_remembered(connect: Connect) -> None:
    replies: Replies = {OPTIONS: reply([PROD]), "GET /runs": reply([{"id": "r1"}])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, "list_runs", environment="66b2f0c2e4b0a1b2c3d4e001")
        assert api.count(OPTIONS) == 0
        await call(client, "list_runs", environment="Production")
        await call(client, "list_runs", environment="production")
        assert api.count(OPTIONS) == 1


async def test_where_names_cannot_be_had_what_is_given_is_sent(connect: Connect) -> None:
    replies: Replies = {OPTIONS: reply({"message": "internal"}, 403), "GET /runs": reply([{"id": "r1"}])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "list_runs", environment="e1")
        assert not answer.failed
        assert api.asked == [OPTIONS, "GET /runs"]


async def test_a_new_run_may_use_an_environment_that_no_run_has_used(connect: Connect) -> None:
    replies: Replies = {OPTIONS: reply([PROD]), "POST /runs": reply({"id": "r1", "status": "completed"})}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", interaction="i", environment="brand-new", stream=False)
        assert not answer.failed
