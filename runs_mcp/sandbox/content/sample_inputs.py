"""Made-up input for the sample runs."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Document = dict[str, Any]

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
    "No customer has reported a problem with the {0} since June.",
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


def contract(rng: random.Random, clauses: int) -> str:
    """Return a contract of so many clauses."""
    return " ".join(rng.choices(CLAUSES, k=clauses))


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
        "question": f"What do the notes say about the {rng.choice(SUBJECTS)}?",
        "notes": [_prose(rng, FACTS, 1) for _ in range(rng.randrange(2, 6))],
    },
    "ContractReview": lambda rng: {"contract": contract(rng, rng.randrange(8, 60))},
    "AlwaysFails": lambda _: {"message": "The model refused to answer."},
    "SlowWriter": lambda rng: {"chunks": rng.randrange(20, 80), "delay_ms": 50},
}
"""The input of each interaction, by name."""
