"""A sandbox killed at any moment keeps every run it has answered, in an intact file."""

import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import httpx
import pytest
from anyio.abc import Process

from tests.clients.processes import CLEAN
from tests.ports import free_ports
from tests.sandbox.sandbox_client import get, signed_in

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KILLS = 6
WRITERS = 4


@asynccontextmanager
async def process_of(data: Path, port: int) -> AsyncIterator[Process]:
    """Yield the process of the `sandbox` command on `data` once it answers; kill it at the end."""
    command = [sys.executable, "-m", "runs_mcp", "sandbox", "--data", str(data), "--port", str(port)]
    async with await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=CLEAN) as process:
        with anyio.fail_after(30):
            while True:
                try:
                    await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await anyio.sleep(0.02)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def write(client: httpx.AsyncClient, answered: dict[str, str]) -> None:
    """Create runs until the sandbox is gone; record the status of each answer in `answered`."""
    while True:
        for interaction, data in (("ClassifySentiment", {"text": "Good."}), ("SlowWriter", {"chunks": 3})):
            body = {"interaction": interaction, "data": data, "stream": interaction == "SlowWriter"}
            try:
                run = (await client.post("/runs", json=body)).json()
            except httpx.TransportError:
                return
            answered[run["id"]] = run["status"]


@pytest.mark.timeout(300)
async def test_a_sandbox_killed_many_times_loses_no_answered_run(tmp_path: Path) -> None:
    data, rng, answered = tmp_path / "runs.db", random.Random(7), dict[str, str]()
    for _ in range(KILLS):
        [port], known = free_ports(1), len(answered)
        async with process_of(data, port) as process, signed_in(f"http://127.0.0.1:{port}") as client:
            for run_id, status in answered.items():
                now = (await get(client, run_id))["status"]
                assert now == status or status in ("created", "processing"), run_id
            async with anyio.create_task_group() as tasks:
                for _ in range(WRITERS):
                    tasks.start_soon(write, client, answered)
                enough = known + rng.randrange(1, 40)
                while len(answered) < enough:
                    await anyio.lowlevel.checkpoint()
                process.kill()
        with sqlite3.connect(data) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
    assert "completed" in answered.values()
