"""The order of the checks, and the loop that runs them."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from runs_mcp.cli.check import (
    catalog_tools,
    configuration,
    credential,
    network,
    permissions,
    redis_connection,
    responses,
    server_start,
)
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.explanations import explain
from runs_mcp.cli.check.findings import Check, Finding, Outcome, failed, skipped
from runs_mcp.observability.masking import one_line

TOTAL_S = 30.0
"""Time limit of all checks together, in seconds."""
CHECKS: Sequence[Check] = (
    configuration.configuration,
    configuration.tools,
    configuration.create_limit,
    configuration.privacy,
    configuration.edition,
    redis_connection.redis,
    credential.secret,
    network.route,
    network.dns,
    network.connection,
    network.tls,
    credential.credential,
    credential.expiry,
    responses.api,
    responses.latency,
    responses.clock,
    responses.contract,
    permissions.list_runs,
    permissions.get_run,
    permissions.search_runs,
    permissions.find_runs,
    permissions.compute_run_facets,
    permissions.get_run_filter_options,
    permissions.list_interactions,
    catalog_tools.interaction_tools,
    permissions.create_run,
    permissions.update_run,
    permissions.delete_runs,
    permissions.stream_run,
    server_start.handshake,
    server_start.stateless,
)
"""Every check, in the order of execution and display."""

Tell = Callable[[str, Finding], None]


async def examine(
    config_file: Path | None, *, tell: Tell, checks: Sequence[Check] = CHECKS, within_s: float = TOTAL_S
) -> None:
    """Run the checks in order and pass each finding to `tell` at once.

    A check that depends on a failed check is skipped, and so is every check after `within_s` seconds.
    """
    broken: dict[str, str] = {}  # failed or skipped checks, with the failure behind each
    deadline = anyio.current_time() + within_s
    async with AsyncExitStack() as opened:
        about = Examination(config_file, opened)
        for check in checks:
            if cause := next((broken[name] for name in check.after if name in broken), None):
                finding = skipped(f"skipped: {cause} failed")
            elif (left_s := deadline - anyio.current_time()) <= 0:
                finding = skipped(f"skipped: the limit of {within_s:g} s is over")
            else:
                finding = _showable(await _made(check, about, min(check.within_s, left_s)), about)
            if cause or finding.outcome is Outcome.FAILED:
                broken[check.name] = cause or check.name
            tell(check.name, finding)


async def _made(check: Check, about: Examination, within_s: float) -> Finding:
    with anyio.move_on_after(within_s):
        try:
            return await check.look(about)
        except Exception as error:  # noqa: BLE001 - any error becomes a finding, and the next checks run
            return explain(error, about)
    return failed(f"took longer than {within_s:.0f} s", "Check again; if it persists, look for a slow VPN or proxy.")


def _showable(finding: Finding, about: Examination) -> Finding:
    """Return `finding` on one line and without secrets."""
    return replace(
        finding,
        text=about.without_secrets(one_line(finding.text)),
        fix=finding.fix and about.without_secrets(one_line(finding.fix)),
        facts={name: _hidden(fact, about) for name, fact in finding.facts.items()},
    )


def _hidden(fact: Any, about: Examination) -> Any:
    match fact:
        case str():
            return about.without_secrets(fact)
        case list() | tuple():
            return [_hidden(item, about) for item in fact]
        case _:
            return fact
