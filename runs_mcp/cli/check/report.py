"""The report on the checks: for a person, for a program, and as an exit code."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import click

from runs_mcp import __version__
from runs_mcp.cli.check.findings import Finding, Outcome
from runs_mcp.server.tools import OPERATIONS

SUCCESS, FAILURE, USAGE = 0, 1, 2
USAGE_CHECKS = ("configuration", "tools", "privacy")
"""Checks whose failure is an error in the configuration."""
MARKS = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.SKIPPED: "–"}  # noqa: RUF001 - a dash
COLOURS = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "bright_black"}
NOUNS = {Outcome.OK: "ok", Outcome.WARNING: "to watch", Outcome.FAILED: "failed", Outcome.SKIPPED: "skipped"}
CHANGING = {"create_run", "update_run", "delete_runs"}
PROBLEMS = (Outcome.FAILED, Outcome.WARNING)

Found = Mapping[str, Finding]


def lines(found: Found, *, verbose: bool = False) -> Iterator[str]:
    """Yield the verdict, then the problems that it does not name; or, if `verbose`, every check and their count."""
    yield verdict(found)
    cause = _first_failure(found)
    shown = {
        name: finding for name, finding in found.items() if verbose or (finding.outcome in PROBLEMS and name != cause)
    }
    width = max(map(len, shown), default=0)
    if shown:
        yield ""
        yield from (line(name, finding, width=width) for name, finding in shown.items())
    yield ""
    yield summary(found) if verbose else f"{summary(found)}. --verbose shows every check."


def verdict(found: Found) -> str:
    """Return the line that says whether the setup is ready, and if not, the first failure and its remedy."""
    cause = _first_failure(found)
    if cause is None:
        return f"{click.style('Ready', fg='green', bold=True)}: {', '.join(_features(found))}"
    finding = found[cause]
    text = f"{click.style('Not ready', fg='red', bold=True)}: {finding.text.rstrip('.')}."
    return f"{text} To fix it: {finding.fix}" if finding.fix else text


def line(name: str, finding: Finding, *, width: int) -> str:
    """Return a finding as one line of a terminal, with names `width` wide, and its remedy on the next line."""
    mark = click.style(MARKS[finding.outcome], fg=COLOURS[finding.outcome])
    text = f"{mark} {name:<{width}}  {finding.text}"
    return f"{text}\n{'':{width + 4}}→ {finding.fix}" if finding.fix else text


def summary(found: Found) -> str:
    """Return the number of checks per outcome."""
    counts = Counter(finding.outcome for finding in found.values())
    return ", ".join(f"{counts[outcome]} {noun}" for outcome, noun in NOUNS.items() if counts[outcome])


def document(found: Found) -> dict[str, Any]:
    """Return all findings as a JSON document."""
    return {
        "version": __version__,
        "ok": exit_code(found) == SUCCESS,
        "checks": [
            {
                "check": name,
                "outcome": finding.outcome,
                "text": finding.text,
                "fix": finding.fix,
                "facts": finding.facts,
            }
            for name, finding in found.items()
        ],
    }


def exit_code(found: Found) -> int:
    """Return 2 if the configuration cannot be used, 1 if another check failed, else 0; warnings do not count."""
    failures = [name for name, finding in found.items() if finding.outcome is Outcome.FAILED]
    if any(name in USAGE_CHECKS for name in failures):
        return USAGE
    return FAILURE if failures else SUCCESS


def _first_failure(found: Found) -> str | None:
    return next((name for name, finding in found.items() if finding.outcome is Outcome.FAILED), None)


def _features(found: Found) -> Iterator[str]:
    """Yield the number of tools that work, the reach of the credential, and the latency."""
    if "tools" in found:
        offered = found["tools"].facts["offered"]
        replaced = [name for name in offered if name in found and "replaced_by" in found[name].facts]
        working = [name for name in offered if name in replaced or not _is_warned_of(name, found)]
        yield f"{len(working)} of {len({*offered, *(one.name for one in OPERATIONS)})} tools"
        if replaced:
            yield f"{len(replaced)} in a reduced form"
        if CHANGING.isdisjoint(offered):
            yield "read-only server"
        elif CHANGING.isdisjoint(working):
            yield "read-only credential"
    if "latency" in found and "median_ms" in found["latency"].facts:
        yield f"{found['latency'].facts['median_ms']} ms"


def _is_warned_of(name: str, found: Found) -> bool:
    return name in found and found[name].outcome is Outcome.WARNING
