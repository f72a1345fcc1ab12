"""The command lines of real hosts: `install` runs their commands, and they report the server as connected.

No host needs an account for this.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from runs_mcp.cli.install.client_connection import Connection
from runs_mcp.cli.install.clients import CLIENTS, find
from runs_mcp.cli.install.entries import HttpServer
from runs_mcp.cli.install.jsonc import merged
from runs_mcp.cli.install.launcher import launcher
from runs_mcp.cli.install.locations import Machine
from runs_mcp.cli.install.setup import http_setup, stdio_setup
from runs_mcp.server.tools import OPERATIONS
from tests.clients import node
from tests.clients.processes import CLEAN, serving_http

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
TIMEOUT_S = 100
ATTEMPTS = 20
"""Maximum number of attempts with a host: Gemini CLI gives a server 5 s to start, and Qwen Code 10 s."""
OFFLINE = {"COPILOT_OFFLINE": "true", "COPILOT_PROVIDER_BASE_URL": "http://127.0.0.1:9/v1"}
"""Lets Copilot CLI start a session without an account; it connects to servers before it needs the model."""
INITIALIZE = {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "version": "1"}}}
STATUS = {"id": 2, "method": "mcpServerStatus/list", "params": {}}


def run(command: list[str], home: Path, environ: Mapping[str, str]) -> str:
    """Run a host in a folder and return its output without colours."""
    done = subprocess.run(
        command,
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    return re.sub(r"\x1b\[\d*m", "", done.stdout)


def listed(*connected: str) -> Callable[[str, Path, Mapping[str, str]], None]:
    """Return a check that `HOST mcp list` matches every pattern."""

    def look(host: str, home: Path, environ: Mapping[str, str]) -> None:
        text = ""
        for _ in range(ATTEMPTS):
            text = run([host, "mcp", "list"], home, environ)
            if all(re.search(pattern, text) for pattern in connected):
                return
        raise AssertionError(text)

    return look


def answers_codex(host: str, home: Path, environ: Mapping[str, str]) -> None:
    """Check that the app server of Codex, which its editors use, lists the tools of both servers."""
    requests = [INITIALIZE, {"method": "initialized"}, STATUS]
    with subprocess.Popen(
        [host, "app-server"], cwd=home, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.writelines(f"{json.dumps(request)}\n" for request in requests)
        process.stdin.flush()
        messages = (json.loads(line) for line in process.stdout)
        status: dict[str, Any] = next(message for message in messages if message.get("id") == STATUS["id"])
        process.stdin.close()
        process.terminate()
    tools = {server["name"]: len(server["tools"]) for server in status["result"]["data"]}
    assert tools == {"runs": len(OPERATIONS), "team": len(OPERATIONS)}


def reports_copilot(host: str, home: Path, environ: Mapping[str, str]) -> None:
    """Check that a session of Copilot CLI, which prints its events as JSON lines, connects to both servers."""
    command = [host, "--prompt", "hi", "--model", "local", "--output-format", "json"]
    with subprocess.Popen(
        command, cwd=home, env={**environ, **OFFLINE}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        events = (json.loads(line) for line in process.stdout)
        loaded: dict[str, Any] = next(event for event in events if event["type"] == "session.mcp_servers_loaded")
        process.terminate()
    status = {server["name"]: server["status"] for server in loaded["data"]["servers"]}
    assert status == {"runs": "connected", "team": "connected"}


@dataclass(frozen=True, slots=True)
class Host:
    """A host as npm installs it, and the check that it sees a command named `runs` and an endpoint named `team`."""

    client: str
    package: str
    version: str
    check: Callable[[str, Path, Mapping[str, str]], None]


HOSTS = [
    Host("claude-code", "@anthropic-ai/claude-code", "2.1.328", listed("runs: .* Connected", "team: .* Connected")),
    Host("codex", "@openai/codex", "0.169.0", answers_codex),
    Host("gemini-cli", "@google/gemini-cli", "0.61.0", listed("runs: .* Connected", "team: .* Connected")),
    Host("qwen-code", "@qwen-code/qwen-code", "0.24.4", listed("runs: .* Connected", "team: .* Connected")),
    Host("opencode", "opencode-ai", "1.18.33", listed("✓ runs +connected", "✓ team +connected")),
    Host("copilot-cli", "@github/copilot", "1.0.102", reports_copilot),
]


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """Serve a sandbox over HTTP."""
    async with serving_http() as served:
        yield served


def machine(host: Host, home: Path) -> Machine:
    """Return a machine that has the host, and a user who trusts this folder."""
    programs = node.installed(host.client, {host.package: host.version}) / "node_modules" / ".bin"
    path = os.pathsep.join([str(programs), str(node.BIN), CLEAN["PATH"]])
    trust = {"GEMINI_CLI_TRUST_WORKSPACE": "true", "NO_COLOR": "1"}
    return Machine("linux", home, {**CLEAN, "HOME": str(home), "PATH": path, **trust})


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: str(host.client))
@pytest.mark.timeout(300)
async def test_the_host_connects_to_the_installed_entry(
    host: Host, tmp_path: Path, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    used, client = machine(host, tmp_path), find(host.client)
    command = Connection(client, used, "runs")
    endpoint = Connection(client, used, "team")
    started_by = launcher(Path(sys.executable), {})
    assert client.host_command
    assert client.format.read
    program = used.program(client.host_command.program)

    def connect() -> None:
        command.add(stdio_setup(None, used.environ, started_by, sandbox=True))
        endpoint.add(http_setup(url))
        host.check(str(program), tmp_path, used.environ)
        command.remove()

    await anyio.to_thread.run_sync(connect)
    printed = capfd.readouterr()
    assert printed.out.count("Running: ") == (3 if client.host_command.remove else 2)
    assert "Warning: " not in printed.err
    entries = client.format.read(command.file.read_text(encoding="utf-8"))[client.key]
    assert set(entries) == {"team"}
    assert merged(entries["team"], client.entry(HttpServer(url))) == entries["team"]


def test_every_command_line_that_npm_installs_is_tried() -> None:
    commands = {client.name for client in CLIENTS if client.host_command}
    assert {host.client for host in HOSTS} == commands - {"vscode"}
