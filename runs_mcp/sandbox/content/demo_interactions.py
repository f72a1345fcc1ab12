"""The interactions of a new sandbox."""

from collections.abc import Mapping, Sequence
from typing import Any

from runs_mcp.sandbox.catalog.interaction import Interaction, JsonObject, segment
from runs_mcp.sandbox.content import demo_work
from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS


def _interaction(
    *, name: str, description: str, properties: JsonObject, required: Sequence[str] = (), **more: Any
) -> Interaction:
    """Return an interaction with a single prompt, whose input has `properties`."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    template = {
        "name": f"{name}Prompt",
        "content": description,
        "inputSchema": schema,
        "version": more.get("version", 3),
        "status": more.get("status", "published"),
    }
    runtime: JsonObject = {"environment": ENVIRONMENTS[0].id, "model": ENVIRONMENTS[0].default_model}
    prompts = [segment(more["id"], template)]
    return Interaction(name=name, description=description, prompts=prompts, **runtime, **more)


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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    _interaction(
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
    return _interaction(id=f"66a1f0c2e4b0a1b2c3d4f{number:03}", name=name, **{**fields, **more})


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
