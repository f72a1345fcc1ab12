"""The report on the checks: for a person, for a program, and as an exit code."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import click

from runs_mcp import __version__
from runs_mcp.cli.check.findings import Finding, Outcome
from runs_mcp.cli.process import FAILURE, SUCCESS, USAGE
from runs_mcp.server.tools import OPERATIONS

USAGE_CHECKS = ("configuration", "tools", "privacy")
"""Checks whose failure is an error in the configuration."""
MARKS = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.SKIPPED: "–"}  # noqa: RUF001 - a dash
COLOURS = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "bright_black"}
NOUNS = {Outcome.OK: "ok", Outcome.WARNING: "with a warning", Outcome.FAILED: "failed", Outcome.SKIPPED: "skipped"}
PROBLEMS = (Outcome.FAILED, Outcome.WARNING)

Findings = Mapping[str, Finding]


def lines(findings: Findings, *, verbose: bool = False) -> Iterator[str]:
    """Yield the verdict, then the problems that it does not name; or, if `verbose`, every check and their count."""
    yield verdict(findings)
    cause = _first_failure(findings)
    listed = {
        name: finding
        for name, finding in findings.items()
        if verbose or (finding.outcome in PROBLEMS and name != cause)
    }
    width = max(map(len, listed), default=0)
    if listed:
        yield ""
        yield from (line(name, finding, width=width) for name, finding in listed.items())
    yield ""
    yield summary(findings) if verbose else f"{summary(findings)}. --verbose shows every check."


def verdict(findings: Findings) -> str:
    """Return the line that says whether the setup is ready, and if not, the first failure and its remedy."""
    cause = _first_failure(findings)
    if cause is None:
        return f"{click.style('Ready', fg='green', bold=True)}: {', '.join(_features(findings))}"
    finding = findings[cause]
    text = f"{click.style('Not ready', fg='red', bold=True)}: {finding.text.rstrip('.')}."
    return f"{text} To fix it: {finding.fix}" if finding.fix else text


def line(name: str, finding: Finding, *, width: int) -> str:
    """Return a finding as one line of a terminal, with names `width` wide, and its remedy on the next line."""
    mark = click.style(MARKS[finding.outcome], fg=COLOURS[finding.outcome])
    text = f"{mark} {name:<{width}}  {finding.text}"
    return f"{text}\n{'':{width + 4}}→ {finding.fix}" if finding.fix else text


def summary(findings: Findings) -> str:
    """Return the number of checks per outcome."""
    counts = Counter(finding.outcome for finding in findings.values())
    return ", ".join(f"{counts[outcome]} {noun}" for outcome, noun in NOUNS.items() if counts[outcome])


def document(findings: Findings) -> dict[str, Any]:
    """Return all findings as a JSON document."""
    return {
        "version": __version__,
        "ok": exit_code(findings) == SUCCESS,
        "checks": [
            {
                "check": name,
                "outcome": finding.outcome,
                "text": finding.text,
                "fix": finding.fix,
                "facts": finding.facts,
            }
            for name, finding in findings.items()
        ],
    }


def exit_code(findings: Findings) -> int:
    """Return 2 if the configuration cannot be used, 1 if another check failed, else 0; warnings do not count."""
    failures = [name for name, finding in findings.items() if finding.outcome is Outcome.FAILED]
    if any(name in USAGE_CHECKS for name in failures):
        return USAGE
    return FAILURE if failures else SUCCESS


def _first_failure(findings: Findings) -> str | None:
    return next((name for name, finding in findings.items() if finding.outcome is Outcome.FAILED), None)


def _features(findings: Findings) -> Iterator[str]:
    """Yield the number of tools that work, the reach of the credential, and the latency."""
    if "tools" in findings:
        offered = findings["tools"].facts["offered"]
        replaced = [name for name in offered if name in findings and "replaced_by" in findings[name].facts]
        working = [name for name in offered if name in replaced or not _has_warning(name, findings)]
        yield f"{len(working)} of {len(OPERATIONS)} tools"
        if replaced:
            yield f"{len(replaced)} in a reduced form"
        if "create_run" not in offered:
            yield "read-only server"
        elif "create_run" not in working:
            yield "read-only credential"
    if "latency" in findings and "median_ms" in findings["latency"].facts:
        yield f"{findings['latency'].facts['median_ms']} ms"


def _has_warning(name: str, findings: Findings) -> bool:
    return name in findings and findings[name].outcome is Outcome.WARNING
