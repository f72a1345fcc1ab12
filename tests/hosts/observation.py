"""The server as a framework sees it, and the framework as the server sees it."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runs_mcp.api import connect
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.http.app import PATH, build_service
from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions, running
from tests import ROOT
from tests.clients.processes import CLEAN
from tests.hosts.frameworks import TRANSPORTS, Framework, Transport
from tests.upstream import listening

CHUNK_S = 0.5
AT_ONCE = 4
"""Number of frameworks that use the server at the same time; some give it only 5 s to start."""
ENVIRONMENT = {
    **{name: value for name, value in CLEAN.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "OTEL_SDK_DISABLED": "true",
}


@dataclass
class Peers:
    """Middleware that records the clients of the HTTP service as they name themselves."""

    app: ASGIApp
    seen: set[tuple[str, str]] = field(default_factory=set)
    """Name and protocol version."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the client in each message and pass the message on."""

        async def read() -> Message:
            message = await receive()
            if body := message.get("body"):
                self._read(json.loads(body).get("params") or {})
            return message

        await self.app(scope, read if scope["type"] == "http" else receive, send)

    def _read(self, params: Mapping[str, Any]) -> None:
        meta = {name.rpartition("/")[2]: value for name, value in params.get("_meta", {}).items()}
        for place in (params, meta):
            if client := place.get("clientInfo"):
                self.seen.add((client["name"], place["protocolVersion"]))


@dataclass(frozen=True, slots=True)
class Observation:
    """A session from the view of both sides."""

    record: dict[str, Any]
    """The framework's view; `tests/hosts/python/session.py` writes it."""
    words: list[str]
    """The words that the long run writes."""
    created: int
    """Number of runs that were created."""
    peers: set[tuple[str, str]]
    """Name and protocol version of the client, if it connected over HTTP; the URL of the server is `URL`."""
    failure: str
    """The output of the framework's program before it failed; empty if it did not fail."""


async def observed(frameworks: Sequence[Framework], folder: Path) -> Mapping[str, Mapping[Transport, Observation]]:
    """Return the sessions of each framework by its name, over each transport.

    Sessions mostly wait for their long runs, so several frameworks use the server at the same time, longest run first.
    """
    seen: dict[str, dict[Transport, Observation]] = {framework.name: {} for framework in frameworks}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def observe(framework: Framework) -> None:
        async with limit, anyio.create_task_group() as group:
            command = await anyio.to_thread.run_sync(lambda: framework.command)
            for transport in TRANSPORTS:
                group.start_soon(record, framework, command, transport)

    async def record(framework: Framework, command: list[str], transport: Transport) -> None:
        file = folder / f"{framework.name}-{transport}.json"
        seen[framework.name][transport] = await _session(command, framework.outlasts_s, transport, file)

    async with anyio.create_task_group() as group:
        for framework in sorted(frameworks, key=lambda framework: -framework.outlasts_s):
            group.start_soon(observe, framework)
    return seen


async def _session(command: list[str], outlasts_s: float, transport: Transport, file: Path) -> Observation:
    async with running(SandboxOptions()) as sandbox, _served(sandbox) as (url, peers):
        tag, chunks = uuid4().hex, round(outlasts_s / CHUNK_S)
        work = {"chunks": chunks, "delay_ms": CHUNK_S * 1_000}
        given = {
            "url": url if transport == "http" else None,
            "command": sys.executable,
            "args": ["-m", "runs_mcp", "serve", "--config", str(_configuration(sandbox, file))],
            "slow": {"interaction": "SlowWriter", "data": work, "tags": [tag]},
        }
        finished = await anyio.run_process([*command, json.dumps(given)], check=False, cwd=ROOT, env=ENVIRONMENT)
        failure = finished.stderr.decode() if finished.returncode else ""
        words = [f"word{number}" for number in range(1, chunks + 1)]
        seen = {(name.replace(url, "URL"), protocol) for name, protocol in peers.seen}
        record = {} if failure else json.loads(finished.stdout)
        return Observation(record, words, await _created(sandbox, tag), seen, failure)


@asynccontextmanager
async def _served(sandbox: Sandbox) -> AsyncIterator[tuple[str, Peers]]:
    service = build_service(Config(api=sandbox_api(sandbox.url, ApiSettings())), host="127.0.0.1")
    peers = Peers(service.app)
    async with listening(lambda _: peers, lifespan="on") as url:
        yield url + PATH, peers


def _configuration(sandbox: Sandbox, file: Path) -> Path:
    api = {"base_url": f"{sandbox.url}/api/v1", "auth": {"kind": "api_key", "value": DEMO_KEY}}
    file.write_text(json.dumps({"api": api}), encoding="utf-8")
    return file


async def _created(sandbox: Sandbox, tag: str) -> int:
    async with connect(sandbox_api(sandbox.url, ApiSettings())) as runs:
        return len(await runs.list_runs(tag=[tag]))
