"""The shapes of the API's answers, read tolerantly: a good answer never fails to parse, and nothing of it is lost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

FINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "canceled", "aborted", "expired", "timeout"})


class Ref(NamedTuple):
    """Something a run refers to: the API sends an object, or its bare id."""

    id: str | None
    name: str | None = None

    @property
    def label(self) -> str:
        """The name, else the id; empty if both are missing."""
        return self.name or self.id or ""


class RunError(NamedTuple):
    """The reason why a run failed."""

    code: str | None
    message: str | None

    @property
    def text(self) -> str:
        """Code and message on one line."""
        return ": ".join(filter(None, [self.code, self.message])) or "no reason given"


class TokenUse(NamedTuple):
    """Tokens read and written."""

    prompt: int | None
    result: int | None
    total: int | None
    cached: int | None = None
    """Tokens of the prompt that were read from a cache."""
    cache_write: int | None = None
    """Tokens of the prompt that were written to a cache."""
    cost_usd: float | None = None
    """Cost that the provider of the model reported, in US dollars."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of an interaction: a view of what the API sent, which makes a list of many cost next to nothing.

    What is missing or of an unexpected type reads as absent.
    """

    raw: Mapping[str, Any]
    """The run as the API sent it: nothing dropped, added or renamed."""

    @property
    def id(self) -> str:
        """The id that addresses the run; empty if the API sent none."""
        sent = _id(self.raw)
        return str(sent) if isinstance(sent, str | int) else ""

    @property
    def status(self) -> str | None:
        """`created`, `processing`, `completed`, `failed`, or what the API will add."""
        return _text(self.raw.get("status"))

    @property
    def interaction(self) -> Ref | None:
        """The interaction that was executed."""
        return _reference(self.raw.get("interaction"))

    @property
    def interaction_label(self) -> str:
        """The name of the interaction, else its id; empty if the API sent neither."""
        return _label(self.raw.get("interaction"))

    @property
    def environment_label(self) -> str:
        """The name of the environment, else its id; empty if the API sent neither."""
        return _label(self.raw.get("environment"))

    @property
    def environment(self) -> Ref | None:
        """The environment in which it was executed."""
        return _reference(self.raw.get("environment"))

    @property
    def account(self) -> Ref | None:
        """The account that pays for it."""
        return _reference(self.raw.get("account"))

    @property
    def inference_profile(self) -> Ref | None:
        """The inference profile that it was created with, by its name if it has no id."""
        profile = _reference(self.raw.get("inference_profile"))
        return Ref(profile.name, profile.name) if profile and profile.id is None else profile

    @property
    def project(self) -> Ref | None:
        """The project that it belongs to."""
        return _reference(self.raw.get("project"))

    @property
    def model_id(self) -> str | None:
        """The model that executed it."""
        return _text(self.raw.get("modelId"))

    @property
    def created_at(self) -> datetime | None:
        """The time of its creation."""
        return _moment(self.raw.get("created_at"))

    @property
    def updated_at(self) -> datetime | None:
        """The time of its last change."""
        return _moment(self.raw.get("updated_at"))

    @property
    def tags(self) -> Sequence[str]:
        """The tags of the run."""
        sent = self.raw.get("tags")
        if isinstance(sent, str):
            return [sent]
        return [item for item in sent if isinstance(item, str)] if isinstance(sent, list) else []

    @property
    def parent(self) -> str | None:
        """Id of the run that it is part of."""
        sent = self.raw.get("parent")
        return _text(_id(sent) if isinstance(sent, dict) else sent)

    @property
    def error(self) -> RunError | None:
        """The reason why it failed."""
        sent = self.raw.get("error")
        if not isinstance(sent, dict):
            return None
        return RunError(_text(sent.get("code")), _text(sent.get("message")))

    @property
    def token_use(self) -> TokenUse | None:
        """The tokens that it used; None if the API sent none."""
        sent = self.raw.get("token_use")
        if not isinstance(sent, dict):
            return None
        result = sent.get("result", sent.get("completion"))
        cost = sent.get("provider_cost_usd")
        return TokenUse(
            _count(sent.get("prompt")),
            _count(result),
            _count(sent.get("total")),
            cached=_count(sent.get("prompt_cached")),
            cache_write=_count(sent.get("prompt_cache_write")),
            cost_usd=float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
        )

    @property
    def execution_time_ms(self) -> float | None:
        """The execution time in milliseconds; None if it is unknown."""
        sent = self.raw.get("execution_time")
        return sent if type(sent) in (int, float) else None

    @property
    def finish_reason(self) -> str | None:
        """The reason why the model stopped writing."""
        return _text(self.raw.get("finish_reason"))

    @property
    def parameters(self) -> Any:
        """The input of the interaction."""
        return self.raw.get("parameters")

    @property
    def prompt(self) -> Any:
        """The prompt that the model received: any JSON, often large."""
        return self.raw.get("prompt")

    @property
    def result(self) -> Any:
        """The result in the form of the contract; `output` and `text` have the same form in both contracts."""
        return self.raw.get("result")

    @property
    def is_final(self) -> bool:
        """True if the run has ended, with success or not."""
        return (self.status or "").lower() in FINAL_STATUSES

    @property
    def has_result_parts(self) -> bool:
        """True if the result consists of typed parts, which only the current contract has."""
        return _parts(self.result) is not None

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


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of runs with a value."""

    id: str | None
    name: str | None
    count: int

    @classmethod
    def read(cls, sent: Mapping[str, Any]) -> Self:
        """The bucket that `sent` describes."""
        return cls(_text(_id(sent)), _text(sent.get("name")), _count(sent.get("count")) or 0)

    @property
    def label(self) -> str:
        """The name of the value, else its id, else `none`."""
        return self.name or self.id or "none"


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of runs by value, by our names of the facets."""

    total: int | None
    buckets: Mapping[str, Sequence[Bucket]]


@dataclass(frozen=True, slots=True)
class FilterOption:
    """A value that a filter can take."""

    id: str | None
    name: str | None = None
    count: int | None = None

    @classmethod
    def read(cls, sent: Any) -> Self:
        """The option that `sent` describes: an object, or the bare value."""
        if not isinstance(sent, dict):
            return cls(_text(sent))
        return cls(_text(_id(sent)), _text(sent.get("name")), _count(sent.get("count")))


def total_of(value: Any) -> int | None:
    """A total, which the API sends as a number, as `[{"count": n}]`, or not at all."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0].get("count")
    return _count(value)


def _id(sent: Mapping[str, Any]) -> Any:
    return sent["id"] if "id" in sent else sent.get("_id")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int else None


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _reference(value: Any) -> Ref | None:
    if isinstance(value, dict):
        return Ref(_text(_id(value)), _text(value.get("name")))
    return Ref(value) if isinstance(value, str) else None


def _label(value: Any) -> str:
    """Return the label of a reference without creating a `Ref`, which takes three times as long."""
    if isinstance(value, dict):
        return _text(value.get("name")) or _text(_id(value)) or ""
    return _text(value) or ""


def _parts(result: Any) -> Sequence[Mapping[str, Any]] | None:
    """`result` as today's contract has it, a list of typed parts, if it is one."""
    if isinstance(result, list) and result and all(isinstance(part, dict) and "type" in part for part in result):
        return result
    return None
