"""What was found: for a person, for a program, and as an exit code."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from runs_mcp import __version__
from runs_mcp.cli.check.findings import Finding, Outcome

ALL_GOOD, FAILURE, USAGE = 0, 1, 2
MATTERS_OF_USAGE = ("configuration", "tools")
MARKS = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.SKIPPED: "–"}  # noqa: RUF001 - a dash, as drawn
COLOURS = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "bright_black"}
IN_WORDS = {
    Outcome.OK: "ok",
    Outcome.WARNING: "with a warning",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "not looked at",
}


def line(name: str, finding: Finding, *, width: int) -> str:
    """A finding on one line of a terminal, names `width` wide, and what to do about it on the next."""
    mark = click.style(MARKS[finding.outcome], fg=COLOURS[finding.outcome])
    what = f"{mark} {name:<{width}}  {finding.text}"
    return f"{what}\n{'':{width + 4}}→ {finding.fix}" if finding.fix else what


def summary(found: Mapping[str, Finding]) -> str:
    """How many checks came to what."""
    counts = Counter(finding.outcome for finding in found.values())
    return ", ".join(f"{counts[outcome]} {words}" for outcome, words in IN_WORDS.items() if counts[outcome])


def document(found: Mapping[str, Finding]) -> dict[str, Any]:
    """Everything, as JSON."""
    return {
        "version": __version__,
        "ok": exit_code(found) == ALL_GOOD,
        "checks": [
            {"check": name, "outcome": one.outcome, "text": one.text, "fix": one.fix, "facts": one.facts}
            for name, one in found.items()
        ],
    }


def exit_code(found: Mapping[str, Finding]) -> int:
    """2 where the configuration cannot be used, 1 where anything else failed, else 0; warnings do not count."""
    failures = [name for name, finding in found.items() if finding.outcome is Outcome.FAILED]
    if any(name in MATTERS_OF_USAGE for name in failures):
        return USAGE
    return FAILURE if failures else ALL_GOOD
