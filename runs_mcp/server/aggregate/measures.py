"""Measures: the numbers that summarise a group of runs."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Literal, NamedTuple

from runs_mcp.api import Run

Measure = Literal[
    "runs",
    "failed",
    "failure_rate",
    "mean_ms",
    "median_ms",
    "p95_ms",
    "max_ms",
    "prompt_tokens",
    "result_tokens",
    "total_tokens",
    "mean_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cost",
]
Number = int | float | None
FAILED = "failed"
COUNTS: frozenset[Measure] = frozenset({"runs", "failed", "failure_rate"})
"""The measures that need no field but the status."""
DURATIONS: frozenset[Measure] = frozenset({"mean_ms", "median_ms", "p95_ms", "max_ms"})
TOKENS: frozenset[Measure] = frozenset(
    {"prompt_tokens", "result_tokens", "total_tokens", "mean_tokens", "cached_tokens", "cache_write_tokens"}
)
RATE_DIGITS = 4
TOKEN_DIGITS = 1
COST_DIGITS = 8
"""Decimals of values: a hundredth of a percent, a tenth of a token, and a hundred-millionth of a dollar."""


class Observation(NamedTuple):
    """The fields of one run that measures need; None where the run lacks one."""

    failed: bool
    took_ms: float | None
    prompt_tokens: int | None
    result_tokens: int | None
    total_tokens: int | None
    cost: float | None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


def observe(run: Run, cost: float | None = None) -> Observation:
    """Return the fields of `run` that measures need, with its `cost` in US dollars."""
    failed = (run.status or "").lower() == FAILED
    use = run.token_use
    if use is None:
        return Observation(failed, run.execution_time_ms, None, None, None, cost)
    total = use.total
    if total is None and use.prompt is not None and use.result is not None:
        total = use.prompt + use.result
    return Observation(failed, run.execution_time_ms, use.prompt, use.result, total, cost, use.cached, use.cache_write)


@dataclass(slots=True)
class Tally:
    """The running totals of one group. Only durations are kept one by one, because percentiles are exact."""

    runs: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    result_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    with_tokens: int = 0
    cost: float = 0.0
    with_cost: int = 0
    durations: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, run: Observation) -> None:
        """Count one run."""
        self.runs += 1
        self.failed += run.failed
        self.prompt_tokens += run.prompt_tokens or 0
        self.result_tokens += run.result_tokens or 0
        if run.cached_tokens is not None:
            self.cached_tokens = (self.cached_tokens or 0) + run.cached_tokens
        if run.cache_write_tokens is not None:
            self.cache_write_tokens = (self.cache_write_tokens or 0) + run.cache_write_tokens
        if run.total_tokens is not None:
            self.total_tokens += run.total_tokens
            self.with_tokens += 1
        if run.cost is not None:
            self.cost += run.cost
            self.with_cost += 1
        if run.took_ms is not None:
            self.durations.append(run.took_ms)

    def values(self, measures: Iterable[Measure]) -> dict[str, Number]:
        """Return the value of each measure; None where no run of the group has the field that it needs."""
        times = sorted(self.durations)
        known: Mapping[Measure, Number] = {
            "runs": self.runs,
            "failed": self.failed,
            "failure_rate": _rounded(_ratio(self.failed, self.runs), RATE_DIGITS),
            "mean_ms": _rounded(_ratio(sum(times), len(times))),
            "median_ms": _rounded(percentile(times, 0.5)),
            "p95_ms": _rounded(percentile(times, 0.95)),
            "max_ms": _rounded(times[-1] if times else None),
            "prompt_tokens": self.prompt_tokens,
            "result_tokens": self.result_tokens,
            "total_tokens": self.total_tokens,
            "mean_tokens": _rounded(_ratio(self.total_tokens, self.with_tokens), TOKEN_DIGITS),
            "cached_tokens": self.cached_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "cost": _rounded(self.cost, COST_DIGITS) if self.with_cost else None,
        }
        return {name: known[name] for name in measures}

    def missing(self, measures: Iterable[Measure]) -> dict[str, int]:
        """Return how many runs lack the fields that `measures` need, by field; fields that no run lacks are absent."""
        wanted = set(measures)
        lacking = {
            "execution_time": self.runs - len(self.durations) if wanted & DURATIONS else 0,
            "token_use": self.runs - self.with_tokens if wanted & TOKENS else 0,
            "cost": self.runs - self.with_cost if "cost" in wanted else 0,
        }
        return {name: count for name, count in lacking.items() if count}


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that `share` of the sorted numbers do not exceed, interpolated linearly between neighbours."""
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    below, above = ordered[floor(position)], ordered[ceil(position)]
    return below + (above - below) * (position - floor(position))


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _rounded(value: float | None, digits: int = 0) -> Number:
    """Return `value` with at most `digits` decimals, and as an integer if it has none."""
    if value is None:
        return None
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded
