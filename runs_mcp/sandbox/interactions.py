"""The built-in interactions: honest deterministic work in place of a model's."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

JsonObject = dict[str, Any]
Work = Callable[[Mapping[str, Any]], str | JsonObject]

WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
COMMON_WORDS = frozenset(
    (
        "a an and are as at be but by for from has have he her his i in is it its not of on or our she that the their "
        "them they this to was we were what when which who will with you your"
    ).split()
)
POSITIVE = frozenset(
    (
        "amazing clear delighted easy excellent fast friendly good great happy helpful like love loved nice perfect "
        "pleased quick recommend reliable solid thanks wonderful"
    ).split()
)
NEGATIVE = frozenset(
    (
        "angry awful bad bored broken bug confusing crash disappointed error fail failed hate late lost poor problem "
        "refund rude slow terrible unusable useless waste worst wrong"
    ).split()
)
RISKS = {
    "unlimited liability": "Liability has no cap.",
    "auto-renew": "The contract renews by itself.",
    "exclusive": "The contract binds exclusively.",
    "penalty": "A penalty is due on breach.",
    "without notice": "It can end without notice.",
}
LONGEST_CONTRACT_WORDS = 4_000


class ModelError(Exception):
    """The interaction failed as a model would: the run is `failed`, with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Interaction:
    """Something that can be run: its input, its prompt, and what it does."""

    id: str
    name: str
    description: str
    properties: Mapping[str, JsonObject]
    required: Sequence[str]
    work: Work
    version: int = 3
    pieces: Callable[[str], list[str]] = field(default=lambda text: re.findall(r"\S+\s*|\s+", text))

    @property
    def input_schema(self) -> JsonObject:
        """JSON schema of the run's `data`."""
        return {"type": "object", "properties": dict(self.properties), "required": list(self.required)}

    def problems(self, data: Mapping[str, Any]) -> list[str]:
        """What does not fit the input schema, by place."""
        errors = Draft202012Validator(self.input_schema).iter_errors(dict(data))
        return [f"{error.json_path.replace('$', 'data', 1)}: {error.message}" for error in errors]

    def prompt(self, data: Mapping[str, Any]) -> list[JsonObject]:
        """The messages a model would have been sent."""
        return [
            {"role": "system", "content": self.description},
            {"role": "user", "content": json.dumps(dict(data), ensure_ascii=False)},
        ]


def summarize(data: Mapping[str, Any]) -> str:
    """The sentences whose words are the most frequent, in their order."""
    sentences = [sentence.strip() for sentence in SENTENCE.findall(data["text"]) if sentence.strip()]
    frequency = Counter(_words(data["text"]))
    ranked = sorted(sentences, key=lambda sentence: -_weight(sentence, frequency))[: int(data.get("sentences", 3))]
    return " ".join(sentence for sentence in sentences if sentence in ranked)


def classify_sentiment(data: Mapping[str, Any]) -> JsonObject:
    """Positive, negative or neutral, by the words that say so."""
    words = _words(data["text"])
    good, bad = [word for word in words if word in POSITIVE], [word for word in words if word in NEGATIVE]
    score = (len(good) - len(bad)) / max(len(good) + len(bad), 1)
    label = "positive" if score > 0 else "negative" if score < 0 else "neutral"
    return {"sentiment": label, "score": round(score, 2), "evidence": [*good, *bad]}


def extract_contacts(data: Mapping[str, Any]) -> JsonObject:
    """The mail addresses, telephone numbers and links in a text."""
    text = data["text"]
    return {
        "emails": re.findall(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text),
        "phones": [phone.strip() for phone in re.findall(r"\+?\d[\d ()/-]{6,}\d", text)],
        "links": re.findall(r"https?://[^\s)>\"]*[\w/]", text),
    }


def answer_from_notes(data: Mapping[str, Any]) -> JsonObject:
    """The note that shares most words with the question; none, if none shares any."""
    asked = set(_words(data["question"])) - COMMON_WORDS
    scored = [(len(asked & set(_words(note))), index, note) for index, note in enumerate(data["notes"])]
    shared, index, note = max(scored, key=lambda one: (one[0], -one[1]), default=(0, -1, ""))
    if not shared:
        return {"answer": None, "note": None, "confidence": 0.0}
    return {"answer": note, "note": index, "confidence": round(shared / max(len(asked), 1), 2)}


def review_contract(data: Mapping[str, Any]) -> JsonObject:
    """The risky clauses of a contract; too long a contract is more than the model can read."""
    words = len(data["contract"].split())
    if words > LONGEST_CONTRACT_WORDS:
        raise ModelError(
            "context_length_exceeded",
            f"This model's maximum context length is {LONGEST_CONTRACT_WORDS} words, the contract has {words}.",
        )
    lowered = data["contract"].lower()
    risks = [{"clause": clause, "risk": risk} for clause, risk in RISKS.items() if clause in lowered]
    return {"risks": risks, "words": words, "verdict": "review" if risks else "fine"}


def fail(data: Mapping[str, Any]) -> str:
    """Always a model error."""
    raise ModelError(data.get("code", "model_error"), data.get("message", "The model refused to answer."))


def write_slowly(data: Mapping[str, Any]) -> str:
    """As many numbered words as asked for, one a chunk."""
    return "".join(f"word{number} " for number in range(1, int(data.get("chunks", 50)) + 1))


def delay_s(data: Mapping[str, Any]) -> float:
    """Seconds between two chunks."""
    return float(data.get("delay_ms", 10)) / 1_000


def find(selector: str) -> Interaction | None:
    """The interaction that an id, `Name`, `Name@3`, `Name@draft` or `Name@latest` names."""
    name, _, version = selector.partition("@")
    for interaction in INTERACTIONS:
        if interaction.id == selector:
            return interaction
        if interaction.name == name and version in ("", "draft", "latest", str(interaction.version)):
            return interaction
    return None


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _weight(sentence: str, frequency: Counter[str]) -> float:
    words = [word for word in _words(sentence) if word not in COMMON_WORDS]
    return sum(frequency[word] for word in words) / (len(words) + 3)


_TEXT: JsonObject = {"type": "string", "minLength": 1, "maxLength": 2_000_000}

INTERACTIONS: Sequence[Interaction] = (
    Interaction(
        "66a1f0c2e4b0a1b2c3d40001",
        "SummarizeText",
        "Summarise the text in its own most telling sentences.",
        {"text": _TEXT, "sentences": {"type": "integer", "minimum": 1, "maximum": 20}},
        ["text"],
        summarize,
    ),
    Interaction(
        "66a1f0c2e4b0a1b2c3d40002",
        "ClassifySentiment",
        "Say whether the text is positive, negative or neutral.",
        {"text": _TEXT},
        ["text"],
        classify_sentiment,
    ),
    Interaction(
        "66a1f0c2e4b0a1b2c3d40003",
        "ExtractContacts",
        "Extract mail addresses, telephone numbers and links.",
        {"text": _TEXT},
        ["text"],
        extract_contacts,
    ),
    Interaction(
        "66a1f0c2e4b0a1b2c3d40004",
        "AnswerFromNotes",
        "Answer the question from the notes, and from nothing else.",
        {"question": _TEXT, "notes": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1_000}},
        ["question", "notes"],
        answer_from_notes,
    ),
    Interaction(
        "66a1f0c2e4b0a1b2c3d40005",
        "ContractReview",
        "List the risky clauses of the contract.",
        {"contract": _TEXT, "party": {"type": "string"}},
        ["contract"],
        review_contract,
    ),
    Interaction(
        "66a1f0c2e4b0a1b2c3d40006",
        "AlwaysFails",
        "Fail as a model does.",
        {"code": {"type": "string"}, "message": {"type": "string"}},
        [],
        fail,
    ),
    Interaction(
        "66a1f0c2e4b0a1b2c3d40007",
        "SlowWriter",
        "Write numbered words, steadily.",
        {
            "chunks": {"type": "integer", "minimum": 1, "maximum": 100_000},
            "delay_ms": {"type": "integer", "minimum": 0, "maximum": 10_000},
        },
        [],
        write_slowly,
    ),
)
