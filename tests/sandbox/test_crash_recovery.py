"""A sandbox killed at any moment keeps every run it has answered, in an intact file."""

import random
import sqlite3
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import Process

from tests.clients.processes import sandbox_process
from tests.sandbox.sandbox_client import get, signed_in

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KILLS = 6
WRITERS = 4


async def write(client: httpx.AsyncClient, answered: dict[str, str], wanted: int, process: Process) -> None:
    """Create runs and record the status of each answer; kill the sandbox when `wanted` runs are answered."""
    while True:
        for interaction, data in (("ClassifySentiment", {"text": "Good."}), ("SlowWriter", {"chunks": 3})):
            body = {"interaction": interaction, "data": data, "stream": interaction == "SlowWriter"}
            try:
                run = (await client.post("/runs", json=body)).json()
            except httpx.TransportError:
                return
            answered[run["id"]] = run["status"]
            if len(answered) == wanted:
                process.kill()


@pytest.mark.timeout(300)
async def test_a_sandbox_killed_many_times_loses_no_answered_run(tmp_path: Path) -> None:
    data, rng, answered = tmp_path / "runs.db", random.Random(7), dict[str, str]()
    for _ in range(KILLS):
        wanted = len(answered) + rng.randrange(1, 40)
        async with sandbox_process("--data", str(data)) as (url, process), signed_in(url) as client:
            for run_id, status in answered.items():
                now = (await get(client, run_id))["status"]
                assert now == status or status in ("created", "processing"), run_id
            async with anyio.create_task_group() as tasks:
                for _ in range(WRITERS):
                    tasks.start_soon(write, client, answered, wanted, process)
        with sqlite3.connect(data) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
    assert "completed" in answered.values()
