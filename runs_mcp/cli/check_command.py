"""`runs-mcp check`: checks of the setup, for a person or as JSON."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from runs_mcp.cli.check import report
from runs_mcp.cli.check.findings import Finding
from runs_mcp.cli.check.runner import CHECKS, examine
from runs_mcp.cli.options import config_option
from runs_mcp.cli.process import run
from runs_mcp.observability import logs


@click.command
@config_option
@click.option("--verbose", is_flag=True, help="Show every check instead of only the problems.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead; docs/check.md describes it.")
def check(*, config_file: Path | None, verbose: bool, as_json: bool) -> None:
    """Check the configuration, credential, network, API and server, and suggest a fix for each problem.

    No run is created and nothing is changed. Exit codes: 0 ready (some tool works), 1 a check failed, 2 error in the
    configuration.
    """
    logs.configure("error")  # warnings of the client would repeat the findings
    findings: dict[str, Finding] = {}
    with _progress(len(CHECKS)) as advance:

        def record(name: str, finding: Finding) -> None:
            findings[name] = finding
            advance()

        run(partial(examine, config_file, on_finding=record))
    if as_json:
        click.echo(json.dumps(report.document(findings), indent=2))
    else:
        click.echo("\n".join(report.lines(findings, verbose=verbose)))
    sys.exit(report.exit_code(findings))


@contextmanager
def _progress(length: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error if that is a terminal; yield the function that advances it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=length, label="Checking", file=sys.stderr) as bar:
        yield partial(bar.update, 1)
