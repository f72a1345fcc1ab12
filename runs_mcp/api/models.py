"""The shapes of the API's answers, read tolerantly: a good answer never fails to parse, and nothing of it is lost."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
)
from pydantic_core import CoreSchema, core_schema

FINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "canceled", "aborted", "expired", "timeout"})


class _Lenient:
    """A field of an unexpected type reads as absent; it is still in `raw`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # What WrapValidator does in Python, twenty times a run, without leaving the validator.
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


def _reference(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _id(value: Any) -> Any:
    return value.get("id") or value.get("_id") if isinstance(value, Mapping) else value


def _strings(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, Sequence) else []


Lenient = _Lenient()
Text = Annotated[str | None, Lenient]
Number = Annotated[float | None, Lenient]
Count = Annotated[int | None, Lenient]
Moment = Annotated[datetime | None, Lenient]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class Ref(_Answer):
    """Something a run refers to: the API sends an object, or its bare id."""

    id: Annotated[Text, Field(validation_alias=AliasChoices("id", "_id"))] = None
    name: Text = None

    @property
    def label(self) -> str:
        """What to call it: its name, else its id."""
        return self.name or self.id or ""


class RunError(_Answer):
    """Why a run failed."""

    code: Text = None
    message: Text = None

    @property
    def text(self) -> str:
        """Code and message on one line."""
        return ": ".join(filter(None, [self.code, self.message])) or "no reason given"


class TokenUse(_Answer):
    """Tokens read and written."""

    prompt: Count = None
    result: Annotated[Count, Field(validation_alias=AliasChoices("result", "completion"))] = None
    total: Count = None


Reference = Annotated[Ref | None, BeforeValidator(_reference), Lenient]


class Run(_Answer):
    """One execution of an interaction. Every field may be absent; `raw` is exactly what the API sent."""

    id: Annotated[str, Field(validation_alias=AliasChoices("id", "_id")), BeforeValidator(str)] = ""
    status: Text = None
    interaction: Reference = None
    environment: Reference = None
    account: Reference = None
    project: Reference = None
    model_id: Annotated[Text, Field(validation_alias="modelId")] = None
    created_at: Moment = None
    updated_at: Moment = None
    tags: Annotated[list[str], BeforeValidator(_strings)] = []
    parent: Annotated[Text, BeforeValidator(_id)] = None
    error: Annotated[RunError | None, Lenient] = None
    token_use: Annotated[TokenUse | None, Lenient] = None
    execution_time_ms: Annotated[Number, Field(validation_alias="execution_time")] = None
    finish_reason: Text = None
    parameters: Any = None
    result: Any = None
    result_schema: Any = None
    prompt: Any = None
    config: Any = None
    source: Any = None
    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Self:
        """The run that `payload` describes."""
        run = cls.model_validate(payload)
        run.raw.update(payload)
        return run

    @property
    def raw(self) -> dict[str, Any]:
        """The run as the API sent it: nothing dropped, added or renamed."""
        return self._raw

    @property
    def is_final(self) -> bool:
        """Whether the run has ended, well or not."""
        return (self.status or "").lower() in FINAL_STATUSES

    @property
    def output(self) -> Any:
        """The result, whichever contract it came by: an object, a text, or None."""
        parts = _parts(self.result)
        if parts is None:
            return self.result
        objects = [part.get("value") for part in parts if part["type"] == "json"]
        return (
            objects[0] if objects else "".join(str(part.get("value", "")) for part in parts if part["type"] == "text")
        )

    @property
    def text(self) -> str:
        """The result as text; an object as JSON."""
        output = self.output
        if output is None:
            return ""
        return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, separators=(",", ":"))


class Bucket(_Answer):
    """How many runs have one value."""

    id: Annotated[Text, Field(validation_alias=AliasChoices("_id", "id"))] = None
    name: Text = None
    count: Annotated[int, BeforeValidator(lambda value: value if isinstance(value, int) else 0)] = 0

    @property
    def label(self) -> str:
        """What to call the value."""
        return self.name or self.id or "none"


class Facets(_Answer):
    """Counts of runs by value, by our names of the facets."""

    total: int | None
    buckets: dict[str, list[Bucket]]


class FilterOption(_Answer):
    """A value that a filter can take."""

    id: Annotated[Text, Field(validation_alias=AliasChoices("id", "_id"))] = None
    name: Text = None
    count: Count = None


def total_of(value: Any) -> int | None:
    """A total, which the API sends as a number, as `[{"count": n}]`, or not at all."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        value = value[0].get("count")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _parts(result: Any) -> list[Mapping[str, Any]] | None:
    """`result` as today's contract has it, a list of typed parts, if it is one."""
    if isinstance(result, list) and result and all(isinstance(part, Mapping) and "type" in part for part in result):
        return result
    return None
