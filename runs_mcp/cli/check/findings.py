"""Checks and their findings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runs_mcp.cli.check.examination import Examination

STEP_S = 5.0
"""Default time limit of a check, in seconds."""


class Outcome(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: a text and a remedy for people, and facts for programs."""

    outcome: Outcome
    text: str
    fix: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


CheckFunction = Callable[[Examination], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check, which runs only if the checks it depends on succeeded."""

    name: str
    run: CheckFunction
    after: Sequence[str]
    """Names of the checks that this check depends on."""
    within_s: float
    """Time limit in seconds."""


def check(name: str, *, after: Sequence[str] = (), within_s: float = STEP_S) -> Callable[[CheckFunction], Check]:
    """Return a decorator that makes a function the check `name`."""
    return lambda function: Check(name, function, after, within_s)


def ok(text: str, **facts: Any) -> Finding:
    """Return a success."""
    return Finding(Outcome.OK, text, facts=facts)


def warning(text: str, fix: str, **facts: Any) -> Finding:
    """Return a success that may not last, or not hold elsewhere."""
    return Finding(Outcome.WARNING, text, fix, facts)


def failed(text: str, fix: str, **facts: Any) -> Finding:
    """Return a failure."""
    return Finding(Outcome.FAILED, text, fix, facts)


def skipped(text: str) -> Finding:
    """Return the finding of a check that did not run, or had nothing to check."""
    return Finding(Outcome.SKIPPED, text)
