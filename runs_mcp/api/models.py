"""The shapes of the API's answers, read tolerantly: a good answer never fails to parse, and nothing of it is lost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

from runs_mcp.api.payloads import parse_timestamp, read_count, read_text, read_texts, read_words

FINAL_STATUSES = frozenset({"completed", "failed", "cancelled", "canceled", "aborted", "expired", "timeout"})


class Ref(NamedTuple):
    """Something a run refers to: the API sends an object, or its bare id."""

    id: str | None
    name: str | None = None

    @classmethod
    def read(cls, sent: Any) -> Self | None:
        """Return the reference that `sent` holds; None if it is neither an object nor a bare id."""
        if isinstance(sent, dict):
            return cls(read_text(_id(sent)), read_text(sent.get("name")))
        return cls(sent) if isinstance(sent, str) else None

    @property
    def label(self) -> str:
        """The name, else the id; empty if both are missing."""
        return self.name or self.id or ""


class RunError(NamedTuple):
    """The reason why a run failed."""

    code: str | None
    message: str | None

    @classmethod
    def read(cls, sent: Any) -> Self | None:
        """Return the reason that `sent` holds: an object, or a text; None if it is neither."""
        if isinstance(sent, dict):
            return cls(read_words(sent.get("code")), read_words(sent.get("message")))
        return cls(None, sent) if isinstance(sent, str) and sent else None

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
        return read_text(self.raw.get("status"))

    @property
    def interaction(self) -> Ref | None:
        """The interaction that was executed."""
        return Ref.read(self.raw.get("interaction"))

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
        """The environment in which the run was executed."""
        return Ref.read(self.raw.get("environment"))

    @property
    def account(self) -> Ref | None:
        """The account that pays for the run."""
        return Ref.read(self.raw.get("account"))

    @property
    def inference_profile(self) -> Ref | None:
        """The inference profile that the run was created with; the name is the id of a profile without an id."""
        profile = Ref.read(self.raw.get("inference_profile"))
        return Ref(profile.name, profile.name) if profile and profile.id is None else profile

    @property
    def project(self) -> Ref | None:
        """The project that the run belongs to."""
        return Ref.read(self.raw.get("project"))

    @property
    def model_id(self) -> str | None:
        """Id of the model that executed the run."""
        return read_text(self.raw.get("modelId"))

    @property
    def created_at(self) -> datetime | None:
        """The time of creation, in UTC."""
        return parse_timestamp(self.raw.get("created_at"))

    @property
    def updated_at(self) -> datetime | None:
        """The time of the last change, in UTC."""
        return parse_timestamp(self.raw.get("updated_at"))

    @property
    def tags(self) -> Sequence[str]:
        """The tags of the run."""
        return read_texts(self.raw.get("tags"))

    @property
    def parent(self) -> str | None:
        """Id of the parent run."""
        sent = self.raw.get("parent")
        return read_text(_id(sent) if isinstance(sent, dict) else sent)

    @property
    def error(self) -> RunError | None:
        """The reason why the run failed."""
        return RunError.read(self.raw.get("error"))

    @property
    def token_use(self) -> TokenUse | None:
        """The tokens that the run used; None if the API sent none."""
        sent = self.raw.get("token_use")
        if not isinstance(sent, dict):
            return None
        result = sent.get("result", sent.get("completion"))
        cost = sent.get("provider_cost_usd")
        return TokenUse(
            read_count(sent.get("prompt")),
            read_count(result),
            read_count(sent.get("total")),
            cached=read_count(sent.get("prompt_cached")),
            cache_write=read_count(sent.get("prompt_cache_write")),
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
        return read_text(self.raw.get("finish_reason"))

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
        """Return the bucket that `sent` describes."""
        return cls(read_text(_id(sent)), read_text(sent.get("name")), read_count(sent.get("count")) or 0)

    @property
    def label(self) -> str:
        """The name of the value, else its id, else `none`."""
        return self.name or self.id or "none"


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of runs by value, by our names of the facets."""

    total: int | None
    buckets: Mapping[str, Sequence[Bucket]]

    @property
    def are_empty(self) -> bool:
        """True if no run was counted, also if the API sent no `total`."""
        return not self.total and not any(self.buckets.values())


@dataclass(frozen=True, slots=True)
class FilterOption:
    """A value that a filter can take."""

    id: str | None
    name: str | None = None
    count: int | None = None

    @classmethod
    def read(cls, sent: Any) -> Self:
        """Return the option that `sent` describes, an object or a bare value."""
        if not isinstance(sent, dict):
            return cls(read_text(sent))
        return cls(read_text(_id(sent)), read_text(sent.get("name")), read_count(sent.get("count")))


def total_of(value: Any) -> int | None:
    """Return a total, which the API sends as a number or as `[{"count": n}]`; None if it sends none."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0].get("count")
    return read_count(value)


def _id(sent: Mapping[str, Any]) -> Any:
    return sent["id"] if "id" in sent else sent.get("_id")


def _label(value: Any) -> str:
    """Return the label of a reference without creating a `Ref`, which takes three times as long."""
    if isinstance(value, dict):
        return read_text(value.get("name")) or read_text(_id(value)) or ""
    return read_text(value) or ""


def _parts(result: Any) -> Sequence[Mapping[str, Any]] | None:
    """Return `result` if it is a list of typed parts, as in the current contract, else None."""
    if isinstance(result, list) and result and all(isinstance(part, dict) and "type" in part for part in result):
        return result
    return None
