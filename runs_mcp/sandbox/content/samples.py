"""The sample runs of a new sandbox: a month of work, identical for the same seed."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from runs_mcp.sandbox.access import ACCOUNT, PROJECT
from runs_mcp.sandbox.catalog.environment_catalog import Environment
from runs_mcp.sandbox.catalog.interaction import Interaction
from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS
from runs_mcp.sandbox.content.demo_interactions import INTERACTIONS
from runs_mcp.sandbox.content.demo_work import ModelError, perform
from runs_mcp.sandbox.content.inference_profiles import profile_of
from runs_mcp.sandbox.content.sample_inputs import INPUTS, contract

Document = dict[str, Any]
SEED = 7
DAYS = 30
CREATED_SHARE = 0.02
CHILD_SHARE = 0.12
FAILED_SHARE = 0.12
LAST_NIGHTS_REVIEWS = 9
TAG_CHOICES = ("nightly", "support", "marketing", "legal", "experiment", "customer-a", "customer-b")
INTERACTION_WEIGHTS = dict.fromkeys((interaction.name for interaction in INTERACTIONS), 0.5) | {
    "SummarizeText": 5,
    "ClassifySentiment": 6,
    "ExtractContacts": 3,
    "AnswerFromNotes": 3,
    "ContractReview": 2,
}
"""The weights by which interactions are picked."""
ENVIRONMENT_WEIGHTS = (8, 5, 3, 1, 1)


def generate(count: int, *, now: datetime, seed: int = SEED) -> Iterator[Document]:
    """Yield `count` runs that ended before `now`: the oldest first, parents before their children."""
    # Each call of `rng` shifts all later values, and documents, tests and evals name runs by id: add no calls between.
    rng = random.Random(seed)
    reviews = min(LAST_NIGHTS_REVIEWS, count // 10)
    parents: list[str] = []
    for moment in _moments(rng, count - reviews, now):
        run = _run(rng, rng.choices(INTERACTIONS, list(INTERACTION_WEIGHTS.values()))[0], moment)
        if parents and rng.random() < CHILD_SHARE:
            run["parent"] = rng.choice(parents[-10:])
        elif run["status"] == "completed":
            parents.append(run["id"])
        yield run
    yield from _last_nights_reviews(rng, reviews, now)


def _last_nights_reviews(rng: random.Random, count: int, now: datetime) -> Iterator[Document]:
    """Yield contract reviews of the night before `now`; two of three contracts are too long for the model."""
    review = next(interaction for interaction in INTERACTIONS if interaction.name == "ContractReview")
    scheduled = now.replace(hour=2, minute=10, second=0, microsecond=0)
    start = scheduled if scheduled < now - timedelta(hours=1) else scheduled - timedelta(days=1)
    for number in range(count):
        data = {"contract": contract(rng, 900 if number % 3 else 30), "party": f"Party {number}"}
        run = _run(rng, review, start + timedelta(minutes=4 * number), data)
        yield {**run, "tags": ["legal", "nightly"]}


def _moments(rng: random.Random, count: int, now: datetime) -> list[datetime]:
    span = timedelta(days=DAYS).total_seconds()
    return sorted(now - timedelta(seconds=60 + rng.random() * span) for _ in range(count))


def _run(rng: random.Random, interaction: Interaction, created: datetime, data: Document | None = None) -> Document:
    environment = rng.choices(ENVIRONMENTS[: len(ENVIRONMENT_WEIGHTS)], ENVIRONMENT_WEIGHTS)[0]
    parameters = data if data is not None else INPUTS[interaction.name](rng)
    took_ms = round(rng.lognormvariate(7, 0.8))
    run = new_run(
        interaction,
        parameters,
        environment=environment,
        model=rng.choice(environment.sample_models),
        run_id=f"{rng.getrandbits(96):024x}",
        created=created,
    )
    run["tags"] = sorted(rng.sample(TAG_CHOICES, rng.choice((0, 1, 1, 2))))
    run["config"]["temperature"] = rng.choice((0, 0.2, 0.7, 1))
    if (profile := profile_of(environment.id, run["modelId"])) and _digit(run["id"]) % 2:
        run["inference_profile"] = profile.snapshot("project")
    if rng.random() < CREATED_SHARE:
        return run
    run["updated_at"] = timestamp(created + timedelta(milliseconds=took_ms))
    if data is None and rng.random() < FAILED_SHARE:
        code, message = rng.choice(environment.failures)
        # With a rejected key the model was not called, so the run has no execution time.
        timed = {} if code == "invalid_api_key" else {"execution_time": took_ms}
        return {**run, **timed, **failed(code, message)}
    run["execution_time"] = took_ms
    try:
        return {**run, **completed(run, perform(interaction, parameters, run["modelId"]))}
    except ModelError as error:
        return {**run, **failed(error.code, error.message)}


def new_run(
    interaction: Interaction,
    data: Mapping[str, Any],
    *,
    environment: Environment,
    model: str,
    run_id: str,
    created: datetime,
) -> Document:
    """Return a run that was created and has not started."""
    return {
        "id": run_id,
        "interaction": {"id": interaction.id, "name": interaction.name, "version": interaction.version},
        "environment": {"id": environment.id, "name": environment.name},
        "modelId": model,
        "status": "created",
        "created_at": timestamp(created),
        "updated_at": timestamp(created),
        "account": ACCOUNT,
        "project": PROJECT,
        "tags": [],
        "parameters": dict(data),
        "prompt": interaction.prompt(data),
        "config": {"environment": environment.id, "model": model},
        "source": {"type": "api", "label": "Sandbox", "principal_type": "apikey", "principal_id": "demo"},
        "created_by": "apikey:demo",
    }


def completed(run: Document, result: str | Document) -> Document:
    """Return the changes in a run that ended with `result`."""
    return {"status": "completed", "result": result, "token_use": _token_use(run, result), "finish_reason": "stop"}


def failed(code: str, message: str) -> Document:
    """Return the changes in a run that failed."""
    return {"status": "failed", "error": {"code": code, "message": message}, "finish_reason": "error"}


def timestamp(moment: datetime) -> str:
    """Return `moment` in the format of the platform: UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _token_use(run: Document, result: str | Document) -> Document:
    """Return the token use of a run; a quarter of the runs, chosen by id, read part of their prompt from a cache."""
    prompt, written = _tokens(run["prompt"]), _tokens(result)
    use: Document = {"prompt": prompt, "result": written, "total": prompt + written}
    cached = prompt // 2 if _digit(run["id"]) % 4 == 0 else 0
    if cached:
        use |= {"prompt_cached": cached, "prompt_cache_write": prompt // 8, "prompt_new": prompt - cached}
    if prices := _prices(run):
        dollars = ((prompt - cached) + cached / 10) * prices[0] + written * prices[1]
        use["provider_cost_usd"] = round(dollars / 1_000_000, 8)
    return use


def _prices(run: Document) -> tuple[float, float] | None:
    by_id = {environment.id: environment.prices for environment in ENVIRONMENTS}
    return by_id.get(run["environment"]["id"])


def _digit(run_id: str) -> int:
    return int(run_id[-1], 16)


def _tokens(value: Any) -> int:
    return max(1, len(str(value)) // 4)
