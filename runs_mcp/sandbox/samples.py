"""The runs a sandbox starts with: a month of honest work, made from a seed."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runs_mcp.sandbox.credentials import ACCOUNT, PROJECT
from runs_mcp.sandbox.interactions import INTERACTIONS, Interaction, ModelError

Document = dict[str, Any]
DAYS = 30
CREATED_SHARE = 0.02
CHILD_SHARE = 0.12
FAILED_SHARE = 0.12
LAST_NIGHTS_REVIEWS = 9


@dataclass(frozen=True, slots=True)
class Environment:
    """Where models run."""

    id: str
    name: str
    models: Sequence[str]
    failures: Sequence[tuple[str, str]]
    """How its models fail: code and message."""


ENVIRONMENTS: Sequence[Environment] = (
    Environment(
        "66b2f0c2e4b0a1b2c3d4e001",
        "OpenAI production",
        ("gpt-4o", "gpt-4o-mini"),
        (("rate_limit_exceeded", "Rate limit reached for requests per minute."),),
    ),
    Environment(
        "66b2f0c2e4b0a1b2c3d4e002",
        "Bedrock EU",
        ("claude-3-5-sonnet", "claude-3-haiku"),
        (
            ("throttling", "Too many tokens, please wait before trying again."),
            ("timeout", "The model timed out after 60 s."),
        ),
    ),
    Environment(
        "66b2f0c2e4b0a1b2c3d4e003",
        "Vertex AI",
        ("gemini-1.5-pro",),
        (("safety", "The response was blocked by a safety filter."),),
    ),
    # Two of one name, as happens: asking for it by name is ambiguous.
    Environment(
        "66b2f0c2e4b0a1b2c3d4e004", "Staging", ("gpt-4o-mini",), (("invalid_api_key", "Incorrect API key provided."),)
    ),
    Environment(
        "66b2f0c2e4b0a1b2c3d4e005", "Staging", ("mistral-large",), (("unavailable", "The model is overloaded."),)
    ),
)
TAG_CHOICES = ("nightly", "support", "marketing", "legal", "experiment", "customer-a", "customer-b")
SUBJECTS = ("invoice", "delivery", "update", "battery", "support team", "dashboard", "subscription", "onboarding")
OPINIONS = (
    "I love the new {0}, it is fast and reliable.",
    "The {0} is broken again and I am disappointed.",
    "The {0} arrived on Tuesday.",
    "Great {0}, friendly people, I recommend it.",
    "My {0} was wrong and the refund is late.",
)
FACTS = (
    "The {0} was changed in March after many requests.",
    "Most customers use the {0} at least once a week.",
    "Costs of the {0} fell by a tenth this quarter.",
    "The team answered every question about the {0} within a day.",
    "Nobody has reported a problem with the {0} since June.",
)
PEOPLE = ("ada", "grace", "linus", "margaret", "tim", "barbara")
CLAUSES = (
    "The supplier accepts unlimited liability.",
    "The term will auto-renew each year.",
    "Payment is due in 30 days.",
    "Either party may end this without notice.",
    "The licence is exclusive.",
    "Confidential information stays confidential.",
)


def generate(count: int, *, now: datetime, seed: int = 7) -> Iterator[Document]:
    """`count` runs that ended before `now`, oldest first, with their parents before them."""
    rng = random.Random(seed)
    night = min(LAST_NIGHTS_REVIEWS, count // 10)
    parents: list[str] = []
    for moment in _moments(rng, count - night, now):
        run = _run(rng, _pick(rng), moment)
        if parents and rng.random() < CHILD_SHARE:
            run["parent"] = rng.choice(parents[-10:])
        elif run["status"] == "completed":
            parents.append(run["id"])
        yield run
    yield from _last_nights_reviews(rng, night, now)


def _last_nights_reviews(rng: random.Random, count: int, now: datetime) -> Iterator[Document]:
    """Contract reviews of the night before `now`, two in three of them too long for the model."""
    review = next(one for one in INTERACTIONS if one.name == "ContractReview")
    midnight = now.replace(hour=2, minute=10, second=0, microsecond=0)
    start = midnight if midnight < now - timedelta(hours=1) else midnight - timedelta(days=1)
    for number in range(count):
        contract = " ".join(rng.choices(CLAUSES, k=900 if number % 3 else 30))
        run = _run(
            rng, review, start + timedelta(minutes=4 * number), {"contract": contract, "party": f"Party {number}"}
        )
        yield {**run, "tags": ["legal", "nightly"]}


def _moments(rng: random.Random, count: int, now: datetime) -> list[datetime]:
    span = timedelta(days=DAYS).total_seconds()
    return sorted(now - timedelta(seconds=60 + rng.random() * span) for _ in range(count))


def _pick(rng: random.Random) -> Interaction:
    weights = {
        "SummarizeText": 5,
        "ClassifySentiment": 6,
        "ExtractContacts": 3,
        "AnswerFromNotes": 3,
        "ContractReview": 2,
    }
    return rng.choices(INTERACTIONS, [weights.get(one.name, 0.5) for one in INTERACTIONS])[0]


def _run(rng: random.Random, interaction: Interaction, created: datetime, data: Document | None = None) -> Document:
    environment = rng.choices(ENVIRONMENTS, (8, 5, 3, 1, 1))[0]
    parameters = data if data is not None else INPUTS[interaction.name](rng)
    took_ms = round(rng.lognormvariate(7, 0.8))
    run = new_run(
        interaction,
        parameters,
        environment=environment,
        model=rng.choice(environment.models),
        run_id=f"{rng.getrandbits(96):024x}",
        created=created,
    )
    run["tags"] = sorted(rng.sample(TAG_CHOICES, rng.choice((0, 1, 1, 2))))
    run["config"]["temperature"] = rng.choice((0, 0.2, 0.7, 1))
    if rng.random() < CREATED_SHARE:
        return run
    ended = {"updated_at": timestamp(created + timedelta(milliseconds=took_ms)), "execution_time": took_ms}
    if data is None and rng.random() < FAILED_SHARE:
        code, message = rng.choice(environment.failures)
        return {
            **run,
            **ended,
            "status": "failed",
            "error": {"code": code, "message": message},
            "finish_reason": "error",
        }
    try:
        return {**run, **ended, **completed(run, interaction.work(parameters))}
    except ModelError as error:
        return {**run, **ended, **failed(error.code, error.message)}


def new_run(
    interaction: Interaction,
    data: Mapping[str, Any],
    *,
    environment: Environment,
    model: str,
    run_id: str,
    created: datetime,
) -> Document:
    """A run that has been created and not started."""
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
    """What changes in a run that gave `result`."""
    asked, written = _tokens(run["prompt"]), _tokens(result)
    use = {"prompt": asked, "result": written, "total": asked + written}
    return {"status": "completed", "result": result, "token_use": use, "finish_reason": "stop"}


def failed(code: str, message: str) -> Document:
    """What changes in a run that failed."""
    return {"status": "failed", "error": {"code": code, "message": message}, "finish_reason": "error"}


def timestamp(moment: datetime) -> str:
    """`moment` as the platform writes times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tokens(value: Any) -> int:
    return max(1, len(str(value)) // 4)


def _prose(rng: random.Random, forms: Sequence[str], sentences: int) -> str:
    return " ".join(rng.choice(forms).format(rng.choice(SUBJECTS)) for _ in range(sentences))


def _contacts(rng: random.Random) -> str:
    person = rng.choice(PEOPLE)
    return (
        f"Please write to {person}@example.com or call +49 30 {rng.randrange(100_000, 999_999)}. "
        f"See https://example.com/{person} for the {rng.choice(SUBJECTS)}."
    )


INPUTS: Mapping[str, Callable[[random.Random], Document]] = {
    "SummarizeText": lambda rng: {"text": _prose(rng, FACTS, rng.randrange(4, 12)), "sentences": rng.randrange(1, 4)},
    "ClassifySentiment": lambda rng: {"text": _prose(rng, OPINIONS, rng.randrange(1, 4))},
    "ExtractContacts": lambda rng: {"text": _contacts(rng)},
    "AnswerFromNotes": lambda rng: {
        "question": f"What is said about the {rng.choice(SUBJECTS)}?",
        "notes": [_prose(rng, FACTS, 1) for _ in range(rng.randrange(2, 6))],
    },
    "ContractReview": lambda rng: {"contract": " ".join(rng.choices(CLAUSES, k=rng.randrange(8, 60)))},
    "AlwaysFails": lambda _: {"message": "The model refused to answer."},
    "SlowWriter": lambda rng: {"chunks": rng.randrange(20, 80), "delay_ms": 50},
}
"""What each interaction is given."""
