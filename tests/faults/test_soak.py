"""Under random faults, no run is lost or doubled and nothing leaks. `python -m tests.faults.soak` runs for longer."""

import anyio
import psutil
import pytest
from mcp.client import Client

from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from tests.calls import PATIENT
from tests.clients.processes import http_process
from tests.faults.soak import Footprint, Soak, behind_faults, broken_promises, environment_for, settings_for, settled

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECONDS = 12
BOUND_MIB = 40
BOUND_FILES = 30
"""Connections kept for the next request, by either side."""


async def until_quiet(tasks_before: int) -> None:
    """Wait for the tasks that end without cancellation."""
    while len(anyio.get_running_tasks()) > tasks_before:
        await anyio.sleep(0.1)


async def test_no_run_is_lost_or_doubled_and_no_task_outlives_its_call(mode: str) -> None:
    soak = Soak(seed=4)
    async with (
        behind_faults(seed=4) as (proxy, api),
        Client(
            build_server(Config.model_validate(settings_for(proxy.url))).mcp, mode=mode, client_info=PATIENT
        ) as client,
    ):
        await soak.work(client, 1)  # starts everything that is started only once
        await settled(api)
        before = len(anyio.get_running_tasks())
        await soak.work(client, SECONDS)
        proxy.share = 0
        with anyio.fail_after(30):
            await settled(api)
            await until_quiet(before)
        assert await broken_promises(soak, api) == []
    assert len(soak.created) > 20
    assert len(proxy.met) > 8, "the proxy injected faults of most kinds"


async def test_a_process_keeps_neither_memory_nor_sockets() -> None:
    soak = Soak(seed=5)
    async with (
        behind_faults(seed=5) as (proxy, api),
        http_process(("-m", "runs_mcp", "serve"), environment_for(proxy.url)) as (url, process),
        Client(url, mode="legacy", client_info=PATIENT) as client,
    ):
        measured = psutil.Process(process.pid)
        await soak.work(client, 6)
        before = Footprint.of(measured)
        await soak.work(client, SECONDS)
        with anyio.fail_after(30):
            await settled(api)
        after = Footprint.of(measured)
        assert await broken_promises(soak, api) == []
    assert after.mib - before.mib < BOUND_MIB
    assert after.files - before.files < BOUND_FILES
