"""The report on the checks: for a person, for a program, and as an exit code."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
CHANGING = {"create_run", "update_run", "delete_runs"}
READING = {"list_runs", "get_run", "search_runs"}
FEW = 3
"""The number of tools up to which the verdict names those that work."""
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
        yield from _lines(listed, width)
    yield ""
    yield summary(findings) if verbose else f"{summary(findings)}. --verbose shows every check."


def verdict(findings: Findings) -> str:
    """Return the line that says whether the setup is ready, and if not, the first failure and its remedy."""
    cause = _first_failure(findings)
    if cause is None:
        return f"{click.style('Ready', fg='green', bold=True)}: {', '.join(_features(findings))}"
    finding = findings[cause]
    end = "" if finding.text.endswith((".", "?")) else "."
    text = f"{click.style('Not ready', fg='red', bold=True)}: {finding.text}{end}"
    return f"{text} {finding.fix}" if finding.fix else text


def _lines(listed: Findings, width: int) -> Iterator[str]:
    """Yield each finding; a remedy that neighbours share follows the last of them."""
    following = [*listed.values(), None][1:]
    for (name, finding), after in zip(listed.items(), following, strict=True):
        shared = after is not None and after.fix == finding.fix
        yield line(name, replace(finding, fix=None) if shared else finding, width=width)


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
    if "working_tools" in findings:
        offered = findings["tools"].facts["offered"]
        replaced = [name for name in offered if name in findings and "replaced_by" in findings[name].facts]
        working = findings["working_tools"].facts.get("working", offered)
        number = f"{len(working)} of {len({*offered, *(operation.name for operation in OPERATIONS)})} tools"
        yield number if len(working) > FEW or working == offered else f"{number} ({', '.join(working)})"
        if replaced:
            yield f"{len(replaced)} in a reduced form"
        if CHANGING.isdisjoint(offered):
            yield "read-only server"
        elif CHANGING.isdisjoint(working):
            yield "read-only credential"
        elif READING.isdisjoint(working) and not READING.isdisjoint(offered):
            yield "execute-only credential"
    if "latency" in findings and "median_ms" in findings["latency"].facts:
        yield f"{findings['latency'].facts['median_ms']} ms"
