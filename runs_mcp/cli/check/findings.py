"""What a check finds, and how a check is made of a function."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runs_mcp.cli.check.examination import Examination

STEP_S = 5.0
"""Seconds a check may take, unless it says otherwise."""


class Outcome(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: in words, with what to do about it, and as facts for programs."""

    outcome: Outcome
    text: str
    fix: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


Look = Callable[[Examination], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at, once what it needs is known to work."""

    name: str
    look: Look
    after: Sequence[str]
    """Checks without which this one tells nothing."""
    within_s: float


def check(name: str, *, after: Sequence[str] = (), within_s: float = STEP_S) -> Callable[[Look], Check]:
    """Make the decorated function the check `name`."""
    return lambda look: Check(name, look, after, within_s)


def ok(text: str, **facts: Any) -> Finding:
    """It works."""
    return Finding(Outcome.OK, text, facts=facts)


def warning(text: str, fix: str, **facts: Any) -> Finding:
    """It works, and may soon or elsewhere not."""
    return Finding(Outcome.WARNING, text, fix, facts)


def failed(text: str, fix: str, **facts: Any) -> Finding:
    """It does not work."""
    return Finding(Outcome.FAILED, text, fix, facts)


def skipped(text: str) -> Finding:
    """It was not looked at, or there was nothing to see."""
    return Finding(Outcome.SKIPPED, text)
