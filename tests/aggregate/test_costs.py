"""Costs: as the platform reports them, else estimated at list prices, else an explanation."""

from collections.abc import Sequence
from typing import Any

import pytest
from mcp.client import Client

from runs_mcp.api import Run
from runs_mcp.server.aggregate import aggregation
from runs_mcp.server.aggregate.list_prices import Costs, list_prices
from tests.calls import call

pytestmark = pytest.mark.anyio

USE = {"prompt": 1_000, "result": 100, "total": 1_100}


def costs_of(costs: Costs, runs: Sequence[dict[str, Any]]) -> list[float | None]:
    return [costs.of(Run(run)) for run in runs]


async def test_a_reported_cost_wins_over_an_estimate() -> None:
    costs = Costs(await list_prices())
    reported = {"modelId": "gpt-4o", "token_use": {**USE, "provider_cost_usd": 0.5}}
    assert costs_of(costs, [reported]) == [0.5]
    assert (costs.reported, costs.estimated, costs.unpriced) == (1, 0, 0)


async def test_list_prices_estimate_unreported_costs() -> None:
    costs = Costs(await list_prices())
    estimated, unknown, unused = costs_of(
        costs, [{"modelId": "gpt-4o", "token_use": USE}, {"modelId": "no-such-model", "token_use": USE}, {}]
    )
    assert estimated == pytest.approx(0.0035)
    assert (unknown, unused) == (None, None)
    assert (costs.reported, costs.estimated, costs.unpriced) == (0, 1, 1)
    assert costs.unpriced_note == "1 could not be priced: the installed genai-prices does not know their models"
    assert not costs.unknown


async def test_without_prices_or_reports_the_cost_is_unknown() -> None:
    costs = Costs(None)
    assert costs_of(costs, [{"modelId": "gpt-4o", "token_use": USE}]) == [None]
    assert costs.unknown


async def test_without_prices_reported_costs_are_still_summed() -> None:
    costs = Costs(None)
    reported = {"modelId": "gpt-4o", "token_use": {**USE, "provider_cost_usd": 0.25}}
    assert costs_of(costs, [reported, {"modelId": "gpt-4o", "token_use": USE}]) == [0.25, None]
    assert costs.unpriced_note.startswith("no cost is reported for 1; to estimate it at list prices, install the extra")
    assert not costs.unknown


@pytest.fixture
def no_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server run without the extra `prices`."""

    async def nothing() -> None:
        return None

    monkeypatch.setattr(aggregation, "list_prices", nothing)


@pytest.mark.usefixtures("no_prices")
async def test_an_unknown_cost_is_explained_next_to_the_other_measures(client: Client) -> None:
    answer = await call(client, "aggregate_runs", by=["model"], measures=["runs", "total_tokens", "cost"])
    assert not answer.failed
    assert answer.structured["total"]["runs"] == 200
    assert answer.structured["total"]["cost"] is None
    assert "pip install 'runs-mcp[prices]'" in answer.text


@pytest.mark.usefixtures("no_prices")
async def test_an_unknown_cost_is_an_error_if_nothing_else_is_asked_for(client: Client) -> None:
    answer = await call(client, "aggregate_runs", by=["model"], measures=["cost"])
    assert answer.failed
    assert "pip install 'runs-mcp[prices]'" in answer.text
