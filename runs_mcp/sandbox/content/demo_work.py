"""Deterministic functions that replace models in the demo interactions."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from runs_mcp.sandbox.catalog.interaction import Interaction, JsonObject

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
    "auto-renew": "The contract renews automatically.",
    "exclusive": "The contract binds exclusively.",
    "penalty": "A penalty is due on breach.",
    "without notice": "It can end without notice.",
}
MAX_CONTRACT_WORDS = 4_000
LONG_CONTEXT_MODELS = frozenset({"gpt-4.1"})
"""Models that read contracts of any length, and write at a speed at which people can read along."""
LONG_CONTEXT_DELAY_MS = 60
DELAY_MS = 10


class ModelError(Exception):
    """A failure of the model: the run ends as `failed` with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def summarize(data: Mapping[str, Any]) -> str:
    """Return the sentences whose words are most frequent, in their original order."""
    sentences = [sentence.strip() for sentence in SENTENCE.findall(data["text"]) if sentence.strip()]
    frequency = Counter(_words(data["text"]))
    ranked = sorted(sentences, key=lambda sentence: -_weight(sentence, frequency))[: int(data.get("sentences", 3))]
    return " ".join(sentence for sentence in sentences if sentence in ranked)


def classify_sentiment(data: Mapping[str, Any]) -> JsonObject:
    """Return positive, negative or neutral, with the words that support it."""
    words = _words(data["text"])
    good, bad = [word for word in words if word in POSITIVE], [word for word in words if word in NEGATIVE]
    score = (len(good) - len(bad)) / max(len(good) + len(bad), 1)
    label = "positive" if score > 0 else "negative" if score < 0 else "neutral"
    return {"sentiment": label, "score": round(score, 2), "evidence": [*good, *bad]}


def extract_contacts(data: Mapping[str, Any]) -> JsonObject:
    """Return the mail addresses, telephone numbers and links in a text."""
    text = data["text"]
    return {
        "emails": re.findall(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text),
        "phones": [phone.strip() for phone in re.findall(r"\+?\d[\d ()/-]{6,}\d", text)],
        "links": re.findall(r"https?://[^\s)>\"]*[\w/]", text),
    }


def answer_from_notes(data: Mapping[str, Any]) -> JsonObject:
    """Return the note that shares most words with the question, or no note if none shares any."""
    asked = set(_words(data["question"])) - COMMON_WORDS
    scored = [(len(asked & set(_words(note))), index, note) for index, note in enumerate(data["notes"])]
    shared, index, note = max(scored, key=lambda candidate: (candidate[0], -candidate[1]), default=(0, -1, ""))
    if not shared:
        return {"answer": None, "note": None, "confidence": 0.0}
    return {"answer": note, "note": index, "confidence": round(shared / max(len(asked), 1), 2)}


def perform(
    interaction: Interaction, data: Mapping[str, Any], model: str, schema: JsonObject | None = None
) -> str | JsonObject:
    """Return the result of an interaction on `data` by a model that was given the `schema` of the result.

    Raises:
        ModelError: the model fails, or the contract in `data` is too long for it.
    """
    words = len(str(data.get("contract", "")).split())
    if words > MAX_CONTRACT_WORDS and model not in LONG_CONTEXT_MODELS:
        raise ModelError(
            "context_length_exceeded",
            f"This model's maximum context length is {MAX_CONTRACT_WORDS} words, the contract has {words}.",
        )
    return interaction.answer(data, schema)


def review_contract(data: Mapping[str, Any]) -> JsonObject:
    """Return the risky clauses of a contract."""
    words = len(data["contract"].split())
    lowered = data["contract"].lower()
    risks = [{"clause": clause, "risk": risk} for clause, risk in RISKS.items() if clause in lowered]
    return {"risks": risks, "words": words, "verdict": "review" if risks else "fine"}


def fail(data: Mapping[str, Any]) -> str:
    """Raise the model error that `data` describes."""
    raise ModelError(data.get("code", "model_error"), data.get("message", "The model refused to answer."))


def write_slowly(data: Mapping[str, Any]) -> str:
    """Return `chunks` numbered words (50 by default), each of which becomes one chunk of the stream."""
    return "".join(f"word{number} " for number in range(1, int(data.get("chunks", 50)) + 1))


def translate_note(data: Mapping[str, Any]) -> JsonObject:
    """Return the note unchanged, labelled with the requested language: the sandbox cannot translate."""
    return {"language": data["language"], "text": data["note"]}


def score_lead(data: Mapping[str, Any]) -> JsonObject:
    """Return a score from 0 to 100 by the number of employees and the budget."""
    budget = {"low": 10, "medium": 30, "high": 50}[data.get("budget", "low")]
    return {"score": min(100, budget + int(data["employees"]) // 20)}


def write_test_data(data: Mapping[str, Any]) -> JsonObject:
    """Return `count` numbered records (1 by default)."""
    return {"records": [{"id": number} for number in range(1, int(data.get("count", 1)) + 1)]}


def total_invoice(data: Mapping[str, Any]) -> JsonObject:
    """Return the sum of the amounts."""
    return {"total": round(sum(data["amounts"]), 2)}


def repeat_text(data: Mapping[str, Any]) -> str:
    """Return the text unchanged."""
    return str(data.get("text", ""))


def delay_s(data: Mapping[str, Any], model: str) -> float:
    """Return the pause between two chunks in seconds: that of `data`, or else of the model."""
    default = LONG_CONTEXT_DELAY_MS if model in LONG_CONTEXT_MODELS else DELAY_MS
    return float(data.get("delay_ms", default)) / 1_000


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _weight(sentence: str, frequency: Counter[str]) -> float:
    words = [word for word in _words(sentence) if word not in COMMON_WORDS]
    # The constant keeps sentences of one or two frequent words from ranking first.
    return sum(frequency[word] for word in words) / (len(words) + 3)
