"""Twenty questions about numbers of 5,000 runs: medians, sums, days, error codes, duplicate names, the slowest five.

Each has the correct answers, computed from all runs, a plan for the tools of this server, and the fields that an agent
must read if its tools can only list runs.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Run = Mapping[str, Any]
Tool = Callable[..., Awaitable[dict[str, Any]]]
Answers = Sequence[Sequence[str]]
"""The words of each correct answer; several answers if values are equal."""


@dataclass(frozen=True, slots=True)
class NumberQuestion:
    """A question, its correct answers, and a plan to find them with tools."""

    id: str
    text: str
    correct_answers: Callable[[Sequence[Run]], Answers]
    """Returns the correct answers for all runs."""
    plan: Callable[[Tool], Awaitable[str]]
    """Answers the question with the tools of this server."""
    fields: str
    """The fields of runs that the answer needs, for an agent that must read them."""
    query: Mapping[str, Any] = field(default_factory=dict)
    """The MongoDB filter of the runs that such an agent must read."""


def aggregated(show: Callable[[dict[str, Any]], str], **arguments: Any) -> Callable[[Tool], Awaitable[str]]:
    """Return a plan that calls `aggregate_runs` once and formats the result with `show`."""

    async def plan(tool: Tool) -> str:
        return show(await tool("aggregate_runs", **arguments))

    return plan


def listed(
    show: Callable[[list[dict[str, Any]]], str], sort: str, **arguments: Any
) -> Callable[[Tool], Awaitable[str]]:
    """Return a plan that reads the first runs in the order `sort` and formats them with `show`."""

    async def plan(tool: Tool) -> str:
        return show((await tool("search_runs", sort=sort, **arguments))["runs"])

    return plan


def total(measure: str) -> Callable[[dict[str, Any]], str]:
    """Return a function that formats a measure over all runs."""
    return lambda answer: number(answer["total"][measure])


def first(measure: str | None = None) -> Callable[[dict[str, Any]], str]:
    """Return a function that formats the labels of the first group, and one of its measures."""

    def show(answer: dict[str, Any]) -> str:
        group = answer["groups"][0]
        value = f": {number(group[measure])}" if measure else ""
        return f"{', '.join(group['by'].values())}{value}"

    return show


def number(value: float) -> str:
    """Return a number with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def filter_runs(runs: Iterable[Run], **values: str) -> list[Run]:
    """Return the runs with these values of fields; references are compared by name."""
    return [run for run in runs if all(name_of(run.get(field)) == value for field, value in values.items())]


def name_of(value: Any) -> Any:
    """Return the name of a reference, or the value itself."""
    return value["name"] if isinstance(value, dict) else value


def times(runs: Iterable[Run]) -> list[int]:
    """Return the known durations, in milliseconds."""
    return [run["execution_time"] for run in runs if "execution_time" in run]


def tokens(runs: Iterable[Run], part: str = "total") -> list[int]:
    """Return the known token counts."""
    return [run["token_use"][part] for run in runs if "token_use" in run]


def by(runs: Iterable[Run], key: Callable[[Run], str]) -> dict[str, list[Run]]:
    """Return the runs grouped by `key`."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups


def best(scores: Mapping[str, float], *, with_score: bool = False) -> Answers:
    """Return the values with the highest score, and the score if `with_score` is set."""
    top = max(scores.values())
    return [[value, *([number(top)] if with_score else [])] for value, score in scores.items() if score == top]


def created(run: Run) -> datetime:
    """Return the creation time in UTC."""
    return datetime.fromisoformat(run["created_at"]).astimezone(UTC)


def day(run: Run) -> str:
    """Return the day of creation."""
    return created(run).date().isoformat()


def week(run: Run) -> str:
    """Return the ISO week of creation."""
    return created(run).strftime("%G-W%V")


def p95(values: Sequence[int]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[94]


def failed(runs: Iterable[Run]) -> list[Run]:
    """Return the failed runs."""
    return filter_runs(runs, status="failed")


def ranked(runs: Iterable[Run], value: Callable[[Run], float | None]) -> list[Run]:
    """Return the runs that have a value, the highest first."""
    return sorted((run for run in runs if value(run) is not None), key=lambda run: -(value(run) or 0))


def took(run: Run) -> float | None:
    """Return the duration in milliseconds; None if it is unknown."""
    time: float | None = run.get("execution_time")
    return time


def used(run: Run) -> float | None:
    """Return the number of tokens; None if it is unknown."""
    total_used: float | None = run.get("token_use", {}).get("total")
    return total_used


def ids(runs: Iterable[Run]) -> list[str]:
    """Return the ids."""
    return [run["id"] for run in runs]


def staging(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of the environments named Staging, by id."""
    return by(filter_runs(runs, environment="Staging"), lambda run: run["environment"]["id"])


async def staging_sizes(tool: Tool) -> str:
    """Answer with the size of each environment named Staging."""
    answer = await tool("aggregate_runs", by=["environment"], measures=["runs"])
    groups = [group for group in answer["groups"] if group["by"]["environment"].startswith("Staging")]
    return ", ".join(f"{group['ids']['environment']}: {group['runs']}" for group in groups)


async def slower_staging(tool: Tool) -> str:
    """Answer with the id of the slower environment named Staging."""
    answer = await tool("aggregate_runs", by=["environment"], measures=["median_ms"])
    groups = [group for group in answer["groups"] if group["by"]["environment"].startswith("Staging")]
    return str(max(groups, key=lambda group: group["median_ms"])["ids"]["environment"])


def more_tokens(runs: list[dict[str, Any]]) -> str:
    """Format the run with more tokens among two runs, and the difference."""
    larger, smaller = sorted(runs, key=lambda run: run["token_use"]["total"], reverse=True)
    return f"{larger['id']}, by {larger['token_use']['total'] - smaller['token_use']['total']}"


def compare_two_slowest(runs: Sequence[Run]) -> Answers:
    """Return the run with more tokens among the two slowest completed runs, and the difference."""
    larger, smaller = ranked(ranked(filter_runs(runs, status="completed"), took)[:2], used)
    return [[larger["id"], str(larger["token_use"]["total"] - smaller["token_use"]["total"])]]


LONG_MS = 5_000
LONG = {"execution_time": {"$gt": LONG_MS}}
QUESTIONS: Sequence[NumberQuestion] = (
    NumberQuestion(
        "median",
        "What is the median duration of gpt-4o runs, in whole milliseconds?",
        lambda runs: [[str(round(statistics.median(times(filter_runs(runs, modelId="gpt-4o")))))]],
        aggregated(total("median_ms"), model="gpt-4o", measures=["median_ms"]),
        "execution_time",
        {"modelId": "gpt-4o"},
    ),
    NumberQuestion(
        "p95",
        "What is the 95th percentile of the duration of claude-3-haiku runs, in whole milliseconds?",
        lambda runs: [[str(round(p95(times(filter_runs(runs, modelId="claude-3-haiku")))))]],
        aggregated(total("p95_ms"), model="claude-3-haiku", measures=["p95_ms"]),
        "execution_time",
        {"modelId": "claude-3-haiku"},
    ),
    NumberQuestion(
        "slowest-model",
        "Which model has the highest median duration, and what is it in whole milliseconds?",
        lambda runs: best(
            {
                model: round(statistics.median(times(group)))
                for model, group in by(runs, lambda run: run["modelId"]).items()
            },
            with_score=True,
        ),
        aggregated(first("median_ms"), by=["model"], measures=["median_ms"]),
        "modelId execution_time",
    ),
    NumberQuestion(
        "all-tokens",
        "How many tokens did all runs use in total?",
        lambda runs: [[str(sum(tokens(runs)))]],
        aggregated(total("total_tokens"), measures=["total_tokens"]),
        "token_use",
    ),
    NumberQuestion(
        "environment-tokens",
        "How many tokens did the runs in Bedrock EU write as results?",
        lambda runs: [[str(sum(tokens(filter_runs(runs, environment="Bedrock EU"), "result")))]],
        aggregated(total("result_tokens"), environment="Bedrock EU", measures=["result_tokens"]),
        "token_use",
        {"environment": "66b2f0c2e4b0a1b2c3d4e002"},
    ),
    NumberQuestion(
        "mean-tokens",
        "How many tokens does a run of SummarizeText use on average? Round to one decimal.",
        lambda runs: [[number(statistics.fmean(tokens(filter_runs(runs, interaction="SummarizeText"))))]],
        aggregated(total("mean_tokens"), interaction="SummarizeText", measures=["mean_tokens"]),
        "interaction token_use",
    ),
    NumberQuestion(
        "busiest-day",
        "On which UTC day were most runs created, and how many?",
        lambda runs: best({name: len(group) for name, group in by(runs, day).items()}, with_score=True),
        aggregated(first("runs"), by=["day"], measures=["runs"], sort="-runs", limit=1),
        "created_at",
    ),
    NumberQuestion(
        "worst-day",
        "On which UTC day did most runs fail, and how many?",
        lambda runs: best({name: len(group) for name, group in by(failed(runs), day).items()}, with_score=True),
        aggregated(first("failed"), by=["day"], measures=["failed"], sort="-failed", limit=1),
        "created_at",
        {"status": "failed"},
    ),
    NumberQuestion(
        "week-tokens",
        "In which ISO week were most tokens used, and how many?",
        lambda runs: best({name: sum(tokens(group)) for name, group in by(runs, week).items()}, with_score=True),
        aggregated(first("total_tokens"), by=["week"], measures=["total_tokens"], sort="-total_tokens"),
        "created_at token_use",
    ),
    NumberQuestion(
        "slow-day",
        "Which UTC day had the highest 95th percentile of duration?",
        lambda runs: best({name: p95(times(group)) for name, group in by(runs, day).items() if len(times(group)) > 1}),
        aggregated(first(), by=["day"], measures=["p95_ms"], sort="-p95_ms", limit=3),
        "created_at execution_time",
    ),
    NumberQuestion(
        "commonest-error",
        "What is the commonest error code, and how many runs failed with it?",
        lambda runs: best(Counter(run["error"]["code"] for run in failed(runs)), with_score=True),
        aggregated(first("runs"), by=["error"], measures=["runs"], status="failed"),
        "error",
        {"status": "failed"},
    ),
    NumberQuestion(
        "error-of-model",
        "Which error code do failed runs of claude-3-5-sonnet have most often, and how many?",
        lambda runs: best(
            Counter(run["error"]["code"] for run in failed(filter_runs(runs, modelId="claude-3-5-sonnet"))),
            with_score=True,
        ),
        aggregated(first("runs"), by=["error"], measures=["runs"], status="failed", model="claude-3-5-sonnet"),
        "error",
        {"status": "failed", "modelId": "claude-3-5-sonnet"},
    ),
    NumberQuestion(
        "failure-rate",
        "Which model fails most often in relation to its runs? Give the share in percent, with one decimal.",
        lambda runs: best(
            {
                model: 100 * len(failed(group)) / len(group)
                for model, group in by(runs, lambda run: run["modelId"]).items()
            },
            with_score=True,
        ),
        aggregated(
            lambda answer: f"{answer['groups'][0]['by']['model']}: {number(100 * answer['groups'][0]['failure_rate'])}",
            by=["model"],
            measures=["failure_rate"],
        ),
        "modelId status",
    ),
    NumberQuestion(
        "failing-tag",
        "Which tag do failed runs carry most often, and how many of them?",
        lambda runs: best(Counter(tag for run in failed(runs) for tag in run["tags"]), with_score=True),
        aggregated(first("runs"), by=["tag"], measures=["runs"], status="failed"),
        "tags",
        {"status": "failed"},
    ),
    NumberQuestion(
        "same-name",
        "Two environments are called Staging. How many runs has each? Give id and number.",
        lambda runs: [
            [word for environment, group in staging(runs).items() for word in (environment, str(len(group)))]
        ],
        staging_sizes,
        "environment",
    ),
    NumberQuestion(
        "slower-of-same-name",
        "Which of the two environments called Staging has the higher median duration? Give its id.",
        lambda runs: best(
            {environment: statistics.median(times(group)) for environment, group in staging(runs).items()}
        ),
        slower_staging,
        "environment execution_time",
    ),
    NumberQuestion(
        "slowest-five",
        "Which five runs took longest? Give their ids.",
        lambda runs: [ids(ranked(runs, took)[:5])],
        listed(lambda runs: ", ".join(ids(runs)), "-execution_time", limit=5),
        "execution_time",
    ),
    NumberQuestion(
        "largest-five",
        "Which five runs used most tokens? Give their ids.",
        lambda runs: [ids(ranked(runs, used)[:5])],
        listed(lambda runs: ", ".join(ids(runs)), "-total_tokens", limit=5),
        "token_use",
    ),
    NumberQuestion(
        "compare-two",
        "Of the two slowest completed runs: which used more tokens, and by how many?",
        compare_two_slowest,
        listed(more_tokens, "-execution_time", status="completed", limit=2),
        "execution_time token_use",
        {"status": "completed"},
    ),
    NumberQuestion(
        "long-runs",
        "Which interaction has most runs that took longer than five seconds, and how many?",
        lambda runs: best(
            Counter(run["interaction"]["name"] for run in runs if run.get("execution_time", 0) > LONG_MS),
            with_score=True,
        ),
        aggregated(first("runs"), by=["interaction"], measures=["runs"], where=LONG),
        "interaction",
        LONG,
    ),
)
