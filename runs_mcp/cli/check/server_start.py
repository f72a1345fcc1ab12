"""Checks of the server itself: a client of each protocol era starts it and lists its tools."""

import os
import sys
import time
from pathlib import Path
from typing import TextIO

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Check, Finding, check, failed, ok
from runs_mcp.server.permissions.permitted_tools import permits

START_S = 15.0
"""Seconds for a process to start and answer; few clients wait longer."""


def handshake_check(version: str, mode: str) -> Check:
    """Return the check that starts the server with a client of protocol `version`, in the client's `mode`."""

    @check(f"protocol_{version}", after=("tools", "secret"), within_s=START_S)
    async def list_tools(state: Examination) -> Finding:
        started = time.perf_counter()
        with _open_devnull() as devnull:
            async with Client(stdio_client(_server(state), errlog=devnull), mode=mode) as client:
                offered = {tool.name for tool in (await client.list_tools()).tools}
                negotiated, took_ms = client.protocol_version, round((time.perf_counter() - started) * 1_000)
        facts = {"version": negotiated, "tools": len(offered), "milliseconds": took_ms}
        # The server hides tools that the token does not permit, so fewer tools are not always a failure.
        expected = {name for name in state.offered if permits(state.credential.permissions, name)}
        if negotiated != version or offered != expected:
            fix = "Reinstall runs-mcp and its dependencies."
            return failed(f"{len(offered)} tools with protocol {negotiated}", fix, **facts)
        return ok(f"{len(offered)} tools over stdio, {took_ms} ms after the start", **facts)

    return list_tools


handshake = handshake_check("2025-11-25", "legacy")
stateless = handshake_check("2026-07-28", "2026-07-28")


def _open_devnull() -> TextIO:
    # The server logs to stderr when it starts, which would interrupt the report on the terminal.
    return Path(os.devnull).open("w", encoding="utf-8")


def _server(state: Examination) -> StdioServerParameters:
    configured = ["--config", str(state.config_file)] if state.config_file else []
    # The whole environment: by default the SDK passes on only a few variables, which lack the credential.
    return StdioServerParameters(
        command=sys.executable, args=["-m", "runs_mcp", "serve", *configured], env=dict(os.environ)
    )
