"""The measured servers and how they are started, all in front of the same Runs API with fixed responses."""

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, Literal

import anyio
from anyio.abc import Process

from benchmarks import endpoint, pipes
from benchmarks.driver import LEGACY, MODERN, Era, Measurement, Session, Usage
from tests.clients import node
from tests.clients.interpreter import python_with
from tests.ports import LOOPBACK, free_ports, wait_for_server

HERE = Path(__file__).parent
SERVERS = HERE / "servers"
DOCUMENT = HERE / "runs-openapi.json"
FASTMCP = "fastmcp==4.1.2"
TYPESCRIPT = {
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/server": "2.4.0",
    "@modelcontextprotocol/node": "2.1.2",
    "zod": "4.4.3",
}
SETTINGS = {"COMPOSABLE_TOKEN": "benchmark", "RUNS_MCP_STREAMING__MAX_WAIT_S": "600"}
"""Settings of `runs-mcp`. By default a call returns after 45 s even if its run continues."""
Transport = Literal["stdio", "HTTP"]
Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: the command for stdio, the extra arguments before the port for HTTP, and its abilities."""

    name: str
    command: tuple[str, ...]
    http: tuple[str, ...] = ()
    eras: tuple[Era, ...] = (LEGACY, MODERN)
    streams: bool = True
    settings: tuple[tuple[str, str], ...] = ()
    """Environment variables in addition to those with the address of the API."""

    def at(self, port: int) -> Sequence[str]:
        """Return the command for HTTP at `port`."""
        return [*self.command, *self.http, str(port)]


OURS = Peer("runs-mcp", (sys.executable, "-m", "runs_mcp", "serve"), ("--http", "--port"))
PLAIN = Peer("MCPServer, typed results, httpx", (sys.executable, str(SERVERS / "plain.py")))
FLOOR = Peer("a minimal loop (the floor)", (sys.executable, str(SERVERS / "floor.py")), eras=(LEGACY,))


@dataclass(frozen=True, slots=True)
class Place:
    """A server with a transport and a protocol era."""

    peer: Peer
    over: Transport
    era: Era


@dataclass(frozen=True, slots=True)
class Server:
    """A started server: a session and its resource usage."""

    session: Session
    usage: Usage

    async def measure(
        self, tool: str, arguments: Mapping[str, Any], *, callers: int, seconds: float = 0, calls: int = 1
    ) -> Measurement:
        """Make calls as `Session.measure` does and add the processor time of the server."""
        before = self.usage.busy_s()
        taken = await self.session.measure(tool, arguments, callers=callers, seconds=seconds, calls=calls)
        taken.busy_s = self.usage.busy_s() - before
        return taken


def peers() -> Sequence[Peer]:
    """Return all servers; their dependencies are installed on the first run."""
    modules = node.installed("peers", TYPESCRIPT)
    for script in SERVERS.glob("*.mjs"):
        (modules / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    run_node = str(node.BIN / "node")
    generated = (str(python_with(FASTMCP)), str(SERVERS / "generated.py"), str(DOCUMENT))
    return [
        OURS,
        PLAIN,
        Peer(f"{FASTMCP.replace('==', ' ')}, generated", generated, streams=False),
        Peer("TypeScript SDK 1.32.2", (run_node, str(modules / "typescript-1.mjs")), eras=(LEGACY,)),
        Peer("TypeScript SDK 2.4.0", (run_node, str(modules / "typescript-2.mjs"))),
        FLOOR,
    ]


def places(of: Sequence[Peer], over: Transport) -> Sequence[Place]:
    """Return these servers over a transport, in every era they support."""
    return [Place(peer, over, era) for peer in of for era in peer.eras]


@asynccontextmanager
async def fixed_api() -> AsyncIterator[Environment]:
    """Start a Runs API with fixed responses in a separate process; yield the environment for servers."""
    command = [sys.executable, "-m", "benchmarks.api"]
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        port = int(await process.stdout.receive()) if process.stdout else 0
        url = f"http://{LOOPBACK}:{port}/api/v1"
        try:
            yield {**inherited(), "API_URL": url, "RUNS_MCP_API__BASE_URL": url, **SETTINGS}
        finally:
            process.kill()


def inherited() -> dict[str, str]:
    """Return the environment without settings of `runs-mcp`, and with bytecode, which installed servers start from."""
    left_out = ("RUNS_MCP_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


@asynccontextmanager
async def start_server(place: Place, environment: Environment) -> AsyncIterator[Server]:
    """Start the server of `place` and complete the handshake."""
    environment = {**environment, **dict(place.peer.settings)}
    async with AsyncExitStack() as stack:
        if place.over == "stdio":
            session: Session
            session, process = await stack.enter_async_context(
                pipes.started(place.peer.command, environment, place.era)
            )
        else:
            port, process = await stack.enter_async_context(serving(place.peer, environment))
            session = await stack.enter_async_context(endpoint.connect(LOOPBACK, port, place.era))
        yield Server(session, Usage(process.pid))


@asynccontextmanager
async def serving(peer: Peer, environment: Environment) -> AsyncIterator[tuple[int, Process]]:
    """Start a server over HTTP; yield its port and process."""
    [port] = free_ports(1)
    command = peer.at(port)
    async with await anyio.open_process(
        command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=environment
    ) as process:
        try:
            await wait_for_server(port)
            yield port, process
        finally:
            process.kill()
