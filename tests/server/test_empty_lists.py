"""Empty lists: their hints name the filter that hides runs, and how many runs match without it."""

import re
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.cli.sandbox import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import Sandbox
from tests import upstream
from tests.calls import Answer, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = pytest.mark.anyio

PARENT = "18adf10a8c6d6fb8e027546a"


def hidden_by(name: str, answer: Answer) -> int:
    """Return the number of runs that an answer counts without a filter."""
    found = re.search(rf'Without {name}="[^"]+" ([0-9,]+) runs? match', answer.text)
    assert found, answer.text
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize(
    ("tool", "others"),
    [
        pytest.param("search_runs", {"start": "2d"}, id="a period"),
        pytest.param("search_runs", {"query": "invoice"}, id="words"),
        pytest.param("search_runs", {"name": "Contract"}, id="a name"),
        pytest.param("search_runs", {"tags": ["legal"]}, id="tags"),
        pytest.param("search_runs", {"parent": [PARENT]}, id="parents"),
        pytest.param("search_runs", {"sort": "-created_at", "tags": ["legal"]}, id="sorted"),
        pytest.param("list_runs", {"parent": PARENT}, id="a parent"),
        pytest.param("list_runs", {"parent": False, "interaction": "ContractReview"}, id="no parent"),
        pytest.param("list_runs", {"tag": "legal", "environment": "Bedrock EU"}, id="two filters of a list"),
    ],
)
async def test_the_hint_counts_only_runs_that_match_all_other_filters(
    client: Client, tool: str, others: dict[str, Any]
) -> None:
    matching = len((await call(client, tool, limit=100, **others)).structured["runs"])
    assert 0 < matching < 100
    answer = await call(client, tool, model="no-such-model", **others)
    assert answer.structured["runs"] == []
    assert hidden_by("model", answer) == matching


async def test_a_run_with_several_tags_counts_once(client: Client) -> None:
    everything = (await call(client, "compute_run_facets", facets=["status"])).structured["total"]
    assert hidden_by("tag", await call(client, "list_runs", tag="no-such-tag")) == everything


async def test_several_values_of_another_filter_count_together(connect: Connect, sandbox: Sandbox) -> None:
    several = {"status": ["failed", "created"]}
    async with connect(Config(api=sandbox_api(sandbox.url, ApiSettings(edition="vertesia")))) as client:
        matching = len((await call(client, "list_runs", limit=100, **several)).structured["runs"])
        answer = await call(client, "list_runs", model="no-such-model", **several)
    assert hidden_by("model", answer) == matching > 0


async def test_without_a_filter_that_hides_runs_the_hint_is_general(client: Client) -> None:
    answer = await call(client, "search_runs", query="nonexistent", start="1h")
    assert "Without" not in answer.text
    assert "list_runs without filters shows the newest runs" in answer.text


async def test_a_single_hidden_run_is_counted_in_the_singular(connect: Connect) -> None:
    replies = {"POST /runs/search": reply([]), "POST /runs/facets": reply({"status": [{"_id": "failed", "count": 1}]})}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "search_runs", status="completed")
    assert 'Without status="completed" 1 run matches (failed).' in answer.text
