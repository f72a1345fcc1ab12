"""Costs: as the platform reports them, else estimated at list prices, else an explanation."""

from collections.abc import Sequence
from typing import Any

import pytest

from runs_mcp.api import Run
from runs_mcp.server.aggregate.list_prices import Costs, UnknownCostError, list_prices

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
    costs.check()


async def test_without_prices_or_reports_the_error_names_the_package_to_install() -> None:
    costs = Costs(None)
    assert costs_of(costs, [{"modelId": "gpt-4o", "token_use": USE}]) == [None]
    with pytest.raises(UnknownCostError, match=r"pip install 'runs-mcp\[prices\]'"):
        costs.check()


async def test_without_prices_reported_costs_are_still_summed() -> None:
    costs = Costs(None)
    reported = {"modelId": "gpt-4o", "token_use": {**USE, "provider_cost_usd": 0.25}}
    assert costs_of(costs, [reported, {"modelId": "gpt-4o", "token_use": USE}]) == [0.25, None]
    costs.check()
