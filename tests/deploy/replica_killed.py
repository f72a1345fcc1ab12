"""Three replicas behind nginx, one killed amid a hundred streams. Run by name; needs nginx and `redis-server`."""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import Process

from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions
from runs_mcp.sandbox import running as sandbox_running
from tests.calls import Answer, call
from tests.clients.processes import CLEAN, http_process
from tests.deploy.behind_nginx import nginx
from tests.deploy.redis_server import redis_server
from tests.http.service import Endpoint, bearer, connected
from tests.sandbox.sandbox_client import signed_in

pytestmark = pytest.mark.anyio

AGENTS, REPLICAS = 100, 3
WORK = {"chunks": 150, "delay_ms": 100}
"""Runs of 15 s: even on a busy machine, an agent that lost its replica asks again before its run has ended."""
PATIENCE_S = 60


@dataclass(slots=True)
class Agent:
    """An agent that creates a run with its own request key, and repeats the call until it has received the result."""

    number: int
    mode: str
    tries: int = 0
    text: str = ""
    answer: Answer | None = None
    writing: anyio.Event = field(default_factory=anyio.Event)

    async def hear(self, progress: float, total: float | None, message: str | None) -> None:
        """Record text of the run."""
        self.text += message or ""
        self.writing.set()

    async def work(self, at: Endpoint) -> None:
        """Repeat the call after any failure until the run has ended."""
        while self.answer is None or not self.answer.structured.get("result"):
            self.tries += 1
            self.text = ""
            try:
                async with connected(at, self.mode, bearer(f"agent-{self.number}")) as client:
                    self.answer = await call(
                        client,
                        "create_run",
                        interaction="SlowWriter",
                        data=WORK,
                        request_key=f"agent-{self.number}",
                        tags=["agents"],
                        progress=self.hear,
                    )
            except* Exception:  # noqa: BLE001 - any error of a client whose server is gone
                await anyio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Replica:
    """The endpoint of a replica, and its process."""

    url: str
    process: Process


@asynccontextmanager
async def started_replicas(sandbox: Sandbox, redis_url: str) -> AsyncIterator[list[Replica]]:
    """Yield three replicas in separate processes."""
    environment = {
        **CLEAN,
        "RUNS_MCP_API__BASE_URL": f"{sandbox.url}/api/v1",
        "RUNS_MCP_API__AUTH__KIND": "api_key",
        "RUNS_MCP_API__AUTH__VALUE": DEMO_KEY,
        "RUNS_MCP_SERVER__REDIS_URL": redis_url,
    }
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(http_process(("-m", "runs_mcp", "serve"), environment))
            for _ in range(REPLICAS)
        ]
        yield [Replica(url.removesuffix("/mcp"), process) for url, process in started]


async def test_every_stream_ends_with_the_whole_text_and_the_final_run(tmp_path: Path) -> None:
    agents = [Agent(number, "legacy" if number % 2 else "auto") for number in range(AGENTS)]
    async with (
        redis_server(tmp_path) as redis,
        sandbox_running(SandboxOptions(max_executing=AGENTS)) as sandbox,
        signed_in(sandbox.url) as api,
        started_replicas(sandbox, redis.url) as replicas,
        nginx(tmp_path, [one.url for one in replicas]) as url,
        httpx.AsyncClient(timeout=30) as http,
    ):
        at = Endpoint(url, http)
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                for agent in agents:
                    tasks.start_soon(agent.work, at)
                for agent in agents:
                    await agent.writing.wait()
                os.kill(replicas[0].process.pid, signal.SIGKILL)
        made = (await api.get("/runs", params={"tag": "agents", "limit": 1_000})).json()
    assert len(made) == AGENTS
    assert Counter(run["status"] for run in made) == {"completed": AGENTS}
    interrupted = [agent for agent in agents if agent.tries > 1]
    assert {agent.mode for agent in interrupted} == {"legacy", "auto"}
    assert any(agent.text for agent in interrupted)
    for agent in agents:
        assert agent.answer
        if agent.text or agent.tries == 1:  # an agent that asks again after the end of its run receives no progress
            assert agent.text == agent.answer.structured["result"], (agent.number, agent.mode, agent.tries)
