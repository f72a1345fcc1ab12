"""Cost: what the platform reports, else an estimate at the list prices that come with the extra `prices`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import anyio.to_thread

from runs_mcp.api import Run

Price = Callable[[str], tuple[float, float] | None]
"""Returns the list price of a model in US dollars per prompt token and per result token; None if it has none."""
PRICED_TOKENS = 1_000
INSTALL = "install the extra on the server's machine (`pip install 'runs-mcp[prices]'`) and restart it"
UNKNOWN_COST = f"The Runs API reports no cost for these runs. To estimate it at list prices, {INSTALL}."


class UnknownCostError(Exception):
    """The platform reports no cost for these runs, and list prices are not installed."""

    def __init__(self) -> None:
        super().__init__(f"`measures`: {UNKNOWN_COST} Without it, total_tokens works.")


@dataclass(slots=True)
class Costs:
    """Reads the cost of runs, and counts how many were estimated or could not be priced."""

    price: Price | None
    """List prices; None if they are not installed."""
    reported: int = 0
    estimated: int = 0
    unpriced: int = 0
    _known: dict[str, tuple[float, float] | None] = field(default_factory=dict)

    def of(self, run: Run) -> float | None:
        """Return the cost of `run` in US dollars; None if it used no tokens or has no price."""
        use = run.token_use
        if use and use.cost_usd is not None:
            self.reported += 1
            return use.cost_usd
        if use is None or use.prompt is None:
            return None
        price = self._price(run.model_id)
        if price is None:
            self.unpriced += 1
            return None
        self.estimated += 1
        return use.prompt * price[0] + (use.result or 0) * price[1]

    @property
    def unknown(self) -> bool:
        """True if no cost is known, since list prices would be needed and are not installed."""
        return self.price is None and self.unpriced > 0 and not self.reported

    @property
    def unpriced_note(self) -> str:
        """The number of runs without a cost, and how to get one; empty if all have one."""
        if not self.unpriced:
            return ""
        if self.price is None:
            return f"no cost is reported for {self.unpriced:,}; to estimate it at list prices, {INSTALL}"
        return f"{self.unpriced:,} could not be priced: the installed genai-prices does not know their models"

    def _price(self, model: str | None) -> tuple[float, float] | None:
        if self.price is None or model is None:
            return None
        if model not in self._known:
            self._known[model] = self.price(model)
        return self._known[model]


async def list_prices() -> Price | None:
    """Return the list prices, or None if the extra is not installed. Loading them takes up to a second, in a thread."""
    return await anyio.to_thread.run_sync(_loaded)


@cache
def _loaded() -> Price | None:
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - optional, and takes 20 ms
    except ModuleNotFoundError:
        return None

    def price(model: str) -> tuple[float, float] | None:
        """Return the base price without surcharges for long prompts or discounts for cached tokens; None if unknown."""
        try:
            prompt = calc_price(Usage(input_tokens=PRICED_TOKENS), model_ref=model).total_price
            result = calc_price(Usage(output_tokens=PRICED_TOKENS), model_ref=model).total_price
        except LookupError:
            return None
        return float(prompt) / PRICED_TOKENS, float(result) / PRICED_TOKENS

    return price
