"""The order of the checks, and their execution."""

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
from runs_mcp.observability.mask import one_line

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
    # After the operations that replace them, whose results decide between a warning and a failure.
    permissions.find_runs,
    permissions.compute_run_facets,
    permissions.get_run_filter_options,
    permissions.list_interactions,
    catalog_tools.interaction_tools,
    permissions.create_run,
    permissions.update_run,
    permissions.delete_runs,
    permissions.stream_run,
    permissions.working_tools,
    server_start.handshake,
    server_start.stateless,
)
"""Every check, in the order of execution and display."""

OnFinding = Callable[[str, Finding], None]


async def examine(
    config_file: Path | None, *, on_finding: OnFinding, checks: Sequence[Check] = CHECKS, within_s: float = TOTAL_S
) -> None:
    """Run the checks in order and pass each finding to `on_finding` at once.

    A check that depends on a failed check is skipped, and so is every check after `within_s` seconds.
    """
    root_causes: dict[str, str] = {}  # failed or skipped checks, with the failed check behind each
    deadline = anyio.current_time() + within_s
    async with AsyncExitStack() as resources:
        state = Examination(config_file, resources)
        for check in checks:
            if cause := next((root_causes[name] for name in check.after if name in root_causes), None):
                finding = skipped(f"skipped: {cause} failed")
            elif (left_s := deadline - anyio.current_time()) <= 0:
                finding = skipped(f"skipped: the limit of {within_s:g} s is over")
            else:
                finding = _sanitize(await _run(check, state, min(check.within_s, left_s)), state)
            if cause or finding.outcome is Outcome.FAILED:
                root_causes[check.name] = cause or check.name
            on_finding(check.name, finding)


async def _run(check: Check, state: Examination, within_s: float) -> Finding:
    with anyio.move_on_after(within_s):
        try:
            return await check.run(state)
        except Exception as error:  # noqa: BLE001 - any error becomes a finding, and the next checks run
            return explain(error, state)
    return failed(f"took longer than {within_s:.0f} s", "Check again; if it persists, look for a slow VPN or proxy.")


def _sanitize(finding: Finding, state: Examination) -> Finding:
    """Return `finding` on one line and without secrets."""
    return replace(
        finding,
        text=state.without_secrets(one_line(finding.text)),
        fix=finding.fix and state.without_secrets(one_line(finding.fix)),
        facts={name: _mask_fact(fact, state) for name, fact in finding.facts.items()},
    )


def _mask_fact(fact: Any, state: Examination) -> Any:
    match fact:
        case str():
            return state.without_secrets(fact)
        case list() | tuple():
            return [_mask_fact(item, state) for item in fact]
        case _:
            return fact
