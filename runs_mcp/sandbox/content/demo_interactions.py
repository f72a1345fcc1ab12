"""The interactions of the sandbox, and the selectors that name them."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runs_mcp.sandbox.content import demo_work
from runs_mcp.sandbox.content.demo_work import JsonObject, Work

Kind = Literal["stored", "sys", "app"]
Status = Literal["draft", "published", "archived"]
# A word and the space after it, so that the chunks of a text concatenate to the text.
CHUNK = re.compile(r"\S+\s*|\s+")
STORED_PREFIX = "oid:"


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """A version of an interaction: its input, its prompt, its result, and the function that replaces the model."""

    id: str
    name: str
    description: str
    properties: Mapping[str, JsonObject]
    required: Sequence[str] = ()
    work: Work
    result_schema: JsonObject | None = None
    version: int = 3
    status: Status = "published"
    parent: str | None = None
    """The id of the draft that this version was published from."""
    tags: Sequence[str] = ()
    kind: Kind = "stored"
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_schema(self) -> JsonObject:
        """Return the JSON schema of the run's `data`."""
        return {"type": "object", "properties": dict(self.properties), "required": list(self.required)}

    def problems(self, data: Any) -> list[str]:
        """Return a description of each place where `data` does not fit the input schema."""
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes 50 ms; only a create needs it

        errors = Draft202012Validator(self.input_schema).iter_errors(data)
        return [f"{error.json_path.replace('$', 'data', 1)}: {error.message}" for error in errors]

    def prompt(self, data: Mapping[str, Any]) -> list[JsonObject]:
        """Return the messages that a model would receive."""
        return [
            {"role": "system", "content": self.description},
            {"role": "user", "content": json.dumps(dict(data), ensure_ascii=False)},
        ]

    def chunks(self, text: str) -> list[str]:
        """Return `text` in the pieces in which it is streamed."""
        return CHUNK.findall(text)


class InteractionCatalog:
    """The interactions that a sandbox offers."""

    def __init__(self, *, odd: bool = False) -> None:
        """Offer the usual interactions; with `odd`, also those whose names or schemas are hard to handle."""
        self.stored: Sequence[Interaction] = (*INTERACTIONS, *VERSIONS, *(ODD_INTERACTIONS if odd else ()))
        self.in_code: Sequence[Interaction] = IN_CODE
        self._by_id = {interaction.id: interaction for interaction in (*self.stored, *self.in_code)}

    def find(self, selector: str) -> Interaction | None:
        """Return the interaction that a selector names; None if it is unknown.

        A selector is an id (of a stored, `sys:` or `app:` interaction) or a name, optionally followed by
        `@` and a version, `draft`, `latest` or a tag. The prefix `oid:` may precede either.
        """
        selector = selector.removeprefix(STORED_PREFIX)
        if interaction := self._by_id.get(selector):
            return interaction
        name, _, version = selector.partition("@")
        versions = [interaction for interaction in self.stored if interaction.name == name]
        if not versions:
            return None
        return _choose(versions, version)

    def latest(self, interactions: Iterable[Interaction]) -> list[Interaction]:
        """Return an interaction for each name: its latest published version, or else its draft."""
        by_name: dict[str, list[Interaction]] = {}
        for interaction in interactions:
            by_name.setdefault(interaction.name, []).append(interaction)
        return [max(versions, key=_recency) for versions in by_name.values()]


def temporary(selector: str, prompts: Sequence[Mapping[str, Any]]) -> Interaction:
    """Return the interaction of a `tmp:` selector: it answers with the text of its prompts, filled with the data."""

    def fill(data: Mapping[str, Any]) -> str:
        texts = [str(prompt["content"]) for prompt in prompts]
        return "\n".join(re.sub(r"\$?\{+ *(\w+) *\}+", lambda m: str(data.get(m[1], m[0])), text) for text in texts)

    return Interaction(
        id=selector, name=selector, description="An interaction of one request.", properties={}, work=fill, version=1
    )


def _choose(versions: Sequence[Interaction], version: str) -> Interaction | None:
    latest = max(versions, key=_recency)
    if version in ("", "latest"):
        return latest
    if version == "draft":
        return next((draft for draft in versions if draft.status == "draft"), latest)
    return next((each for each in versions if version == str(each.version) or version in each.tags), None)


def _recency(interaction: Interaction) -> tuple[bool, int]:
    return interaction.status == "published", interaction.version


def prompt_id(interaction: Interaction) -> str:
    """Return the id of the interaction's prompt template: 24 hexadecimal digits."""
    return hashlib.sha256(interaction.id.encode()).hexdigest()[:24]


def _text(description: str) -> JsonObject:
    return {"type": "string", "minLength": 1, "maxLength": 2_000_000, "description": description}


def _object(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(properties)}


_STRINGS: JsonObject = {"type": "array", "items": {"type": "string"}}
_SENTENCES: JsonObject = {
    "type": "integer",
    "minimum": 1,
    "maximum": 20,
    "default": 3,
    "description": "Number of sentences in the summary.",
}

INTERACTIONS: Sequence[Interaction] = (
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40001",
        name="SummarizeText",
        description="Summarise the text in its own most telling sentences.",
        properties={"text": _text("The text to summarise."), "sentences": _SENTENCES},
        required=["text"],
        work=demo_work.summarize,
        parent="66a1f0c2e4b0a1b2c3d4d001",
        tags=("text", "production"),
        example={"text": "Cats sleep. Cats hunt mice.", "sentences": 1},
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40002",
        name="ClassifySentiment",
        description="Say whether the text is positive, negative or neutral.",
        properties={"text": _text("The text to classify.")},
        required=["text"],
        work=demo_work.classify_sentiment,
        result_schema=_object(
            sentiment={"enum": ["positive", "negative", "neutral"]},
            score={"type": "number", "minimum": -1, "maximum": 1, "description": "-1 is negative, 1 positive."},
            evidence=_STRINGS,
        ),
        tags=("text", "support"),
        example={"text": "I love it."},
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40003",
        name="ExtractContacts",
        description="Extract mail addresses, telephone numbers and links.",
        properties={"text": _text("The text to search.")},
        required=["text"],
        work=demo_work.extract_contacts,
        result_schema=_object(emails=_STRINGS, phones=_STRINGS, links=_STRINGS),
        tags=("text",),
        example={"text": "Write to ada@example.com."},
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40004",
        name="AnswerFromNotes",
        description="Answer the question from the notes, and from nothing else.",
        properties={
            "question": _text("The question to answer."),
            "notes": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 2_000_000},
                "minItems": 1,
                "maxItems": 1_000,
                "description": "The notes to answer from.",
            },
        },
        required=["question", "notes"],
        work=demo_work.answer_from_notes,
        result_schema=_object(
            answer={"type": ["string", "null"]}, note={"type": ["integer", "null"]}, confidence={"type": "number"}
        ),
        tags=("support",),
        example={"question": "How long is delivery?", "notes": ["Delivery takes two days."]},
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40005",
        name="ContractReview",
        description="List the risky clauses of the contract.",
        properties={
            "contract": _text("The whole text of the contract."),
            "party": {"type": "string", "description": "The party whose risks count."},
        },
        required=["contract"],
        work=demo_work.review_contract,
        result_schema=_object(
            risks={"type": "array", "items": _object(clause={"type": "string"}, risk={"type": "string"})},
            words={"type": "integer"},
            verdict={"enum": ["review", "fine"]},
        ),
        tags=("legal", "production"),
        example={"contract": "The licence is exclusive."},
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40006",
        name="AlwaysFails",
        description="Fail as a model does.",
        properties={
            "code": {"type": "string", "description": "The error code to fail with."},
            "message": {"type": "string", "description": "The error message to fail with."},
        },
        work=demo_work.fail,
        tags=("test",),
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d40007",
        name="SlowWriter",
        description="Write numbered words, steadily.",
        properties={
            "chunks": {"type": "integer", "minimum": 1, "maximum": 100_000, "description": "Number of words."},
            "delay_ms": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10_000,
                "description": "Pause after each word, in milliseconds.",
            },
        },
        work=demo_work.write_slowly,
        tags=("test",),
    ),
)
"""The published interactions that the sample runs use."""

VERSIONS: Sequence[Interaction] = (
    Interaction(
        id="66a1f0c2e4b0a1b2c3d42001",
        name="SummarizeText",
        description="Summarise the text.",
        properties={"text": _text("The text to summarise.")},
        required=["text"],
        work=demo_work.summarize,
        version=2,
        parent="66a1f0c2e4b0a1b2c3d4d001",
        tags=("text", "old"),
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d4d001",
        name="SummarizeText",
        description="Summarise the text in its own most telling sentences.",
        properties={
            "text": _text("The text to summarise."),
            "sentences": _SENTENCES,
            "style": {"enum": ["plain", "bullets"], "default": "plain", "description": "The form of the summary."},
        },
        required=["text"],
        work=demo_work.summarize,
        version=4,
        status="draft",
        tags=("text",),
    ),
    Interaction(
        id="66a1f0c2e4b0a1b2c3d4d008",
        name="TranslateNote",
        description="Translate the note.",
        properties={
            "note": _text("The note to translate."),
            "language": {"enum": ["de", "en", "fr", "ja"], "description": "The language to translate into."},
            "options": {
                "type": "object",
                "description": "How to translate.",
                "properties": {
                    "formal": {"type": "boolean", "description": "Use the formal address."},
                    "glossary": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        },
        required=["note", "language"],
        work=demo_work.translate_note,
        result_schema=_object(language={"type": "string"}, text={"type": "string"}),
        version=1,
        status="draft",
        tags=("text",),
    ),
)
"""Other versions, and an interaction that was never published."""

IN_CODE: Sequence[Interaction] = (
    Interaction(
        id="sys:WriteTestData",
        name="WriteTestData",
        description="Write records to test with.",
        properties={"count": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Number of records."}},
        work=demo_work.write_test_data,
        result_schema=_object(records={"type": "array"}),
        version=1,
        kind="sys",
        tags=("system",),
    ),
    Interaction(
        id="app:crm:ScoreLead",
        name="ScoreLead",
        description="Score a sales lead from 0 to 100.",
        properties={
            "employees": {"type": "integer", "minimum": 0, "description": "Number of employees."},
            "budget": {"enum": ["low", "medium", "high"], "description": "The budget of the lead."},
        },
        required=["employees"],
        work=demo_work.score_lead,
        result_schema=_object(score={"type": "integer"}),
        version=1,
        kind="app",
        tags=("crm",),
    ),
)
"""Interactions of the platform and of installed apps."""


def _odd(number: int, name: str, **more: Any) -> Interaction:
    fields: dict[str, Any] = {
        "description": "Return the text as it is.",
        "properties": {"text": _text("The text to return.")},
        "required": ["text"],
        "work": demo_work.repeat_text,
        "tags": ("odd",),
    }
    return Interaction(id=f"66a1f0c2e4b0a1b2c3d4f{number:03}", name=name, **{**fields, **more})


ODD_INTERACTIONS: Sequence[Interaction] = (
    _odd(1, "BrokenResultSchema", result_schema={"$uri": "store:66c3f0c2e4b0a1b2c3d4ffff"}),
    _odd(
        2,
        "billing:Invoice",
        description="Add up the amounts of an invoice.",
        properties={"amounts": {"type": "array", "items": {"type": "number"}, "description": "The amounts."}},
        required=["amounts"],
        work=demo_work.total_invoice,
    ),
    _odd(3, "文書要約", description="文書を要約する。"),
    # Two names that would make the same name of a tool.
    _odd(4, "ReviewText"),
    _odd(5, "review_text"),
    _odd(6, "BrokenInputSchema", properties={"text": {"$ref": "#/$defs/missing"}}),
    _odd(7, "NoInput", description="", properties={}, required=[]),
    _odd(8, "Archived", status="archived"),
)
"""Interactions whose names or schemas are hard to handle."""

STORED_SCHEMAS: Mapping[str, JsonObject] = {
    "store:66c3f0c2e4b0a1b2c3d40001": INTERACTIONS[1].result_schema or {},
    "store:66c3f0c2e4b0a1b2c3d40002": {"type": "string", "maxLength": 10},
}
"""Schemas that `result_schema` may name by `$uri`."""

MEMORY_PACKS: Mapping[str, JsonObject] = {
    "memory:delivery-notes": {
        "question": "How long is delivery?",
        "notes": ["The battery lasts a week.", "Delivery takes two days."],
    },
}
"""Inputs to which the text `data` can refer."""
