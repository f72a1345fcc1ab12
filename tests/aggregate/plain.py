"""The plain computation that aggregates are compared with: all runs in memory, no code of the product."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any

Document = Mapping[str, Any]


def matches(run: Document, filters: Mapping[str, Any], found: Mapping[str, Collection[str]]) -> bool:
    """Return true if the run matches filters of search_runs; `found` maps each word to the ids of the runs with it."""
    checks: dict[str, Callable[[Any], bool]] = {
        "status": lambda value: run["status"] == value,
        "model": lambda value: run["modelId"] == value,
        "interaction": lambda value: value in run["interaction"].values(),
        "environment": lambda value: value in run["environment"].values(),
        "query": lambda value: run["id"] in found[value],
        "name": lambda value: value.lower() in run["interaction"]["name"].lower(),
        "parent": lambda value: run.get("parent") in value,
        "object": lambda value: run.get("object") == value,
        "tags": lambda value: set(value) <= set(run["tags"]),
        "start": lambda value: moment(run) >= datetime.fromisoformat(value),
        "end": lambda value: moment(run) < datetime.fromisoformat(value),
    }
    return all(checks[name](value) for name, value in filters.items())


def moment(run: Document) -> datetime:
    """Return the creation time."""
    return datetime.fromisoformat(run["created_at"])


def values_of(run: Document, dimension: str) -> Sequence[str]:
    """Return the values of a run in a dimension: ids of interactions and environments."""
    created = moment(run)
    match dimension:
        case "model":
            return [run["modelId"]]
        case "interaction" | "environment":
            return [run[dimension]["id"]]
        case "status" | "finish_reason":
            return [run.get(dimension) or "none"]
        case "error":
            return [run["error"]["code"]] if run.get("error") else []
        case "tag":
            return list(run["tags"])
        case "hour":
            return [created.strftime("%Y-%m-%dT%H")]
        case "day":
            return [created.strftime("%Y-%m-%d")]
        case _:
            return [created.strftime("%G-W%V")]


def measured(runs: Iterable[Document]) -> dict[str, Any]:
    """Return all measures but cost over some runs."""
    runs = list(runs)
    times = [run["execution_time"] for run in runs if "execution_time" in run]
    uses = [run["token_use"] for run in runs if "token_use" in run]
    totals = [use["total"] for use in uses]
    failed = sum(run["status"] == "failed" for run in runs)
    return {
        "runs": len(runs),
        "failed": failed,
        "failure_rate": failed / len(runs) if runs else None,
        "mean_ms": statistics.fmean(times) if times else None,
        "median_ms": statistics.median(times) if times else None,
        "p95_ms": p95(times),
        "max_ms": max(times, default=None),
        "prompt_tokens": sum(use["prompt"] for use in uses),
        "result_tokens": sum(use["result"] for use in uses),
        "total_tokens": sum(totals),
        "mean_tokens": statistics.fmean(totals) if totals else None,
    }


def p95(times: Sequence[float]) -> float | None:
    """Return the 95th percentile, by the statistics module."""
    if len(times) < 2:
        return times[0] if times else None
    return statistics.quantiles(times, n=100, method="inclusive")[94]


def grouped(runs: Iterable[Document], by: Sequence[str]) -> dict[tuple[str, ...], list[Document]]:
    """Return the runs of each group, by its values."""
    groups: dict[tuple[str, ...], list[Document]] = defaultdict(list)
    for run in runs:
        for key in product(*(values_of(run, dimension) for dimension in by)):
            groups[key].append(run)
    return groups if by else {}
