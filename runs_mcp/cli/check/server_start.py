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


def era(version: str, mode: str) -> Check:
    """Return the check with a client of protocol `version`."""

    @check(f"protocol_{version}", after=("tools", "secret"), within_s=START_S)
    async def look(about: Examination) -> Finding:
        started = time.perf_counter()
        with _unread() as unread:
            async with Client(stdio_client(_server(about), errlog=unread), mode=mode) as client:
                offered = {tool.name for tool in (await client.list_tools()).tools}
                spoken, took_ms = client.protocol_version, round((time.perf_counter() - started) * 1_000)
        facts = {"version": spoken, "tools": len(offered), "milliseconds": took_ms}
        expected = {name for name in about.offered if permits(about.credential.permissions, name)}
        if spoken != version or offered != expected:
            return failed(
                f"{len(offered)} tools with protocol {spoken}", "Reinstall runs-mcp and its dependencies.", **facts
            )
        return ok(f"{len(offered)} tools over stdio, {took_ms} ms after the start", **facts)

    return look


handshake = era("2025-11-25", "legacy")
stateless = era("2026-07-28", "2026-07-28")


def _unread() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _server(about: Examination) -> StdioServerParameters:
    configured = ["--config", str(about.config_file)] if about.config_file else []
    return StdioServerParameters(
        command=sys.executable, args=["-m", "runs_mcp", "serve", *configured], env=dict(os.environ)
    )
