"""Mixed calls through a faulty proxy, and the promises that must hold for each of them afterwards.

`python -m tests.faults.soak --minutes 10` soaks a server in a separate process and prints the figures.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import anyio
import httpx
import psutil
from mcp.client import Client

from runs_mcp.sandbox import DEMO_KEY, SandboxOptions, running
from tests.calls import PATIENT, Answer, Notifications, call
from tests.clients.processes import CLEAN, http_process
from tests.faults.proxy import FaultyProxy, faulty
from tests.sandbox.sandbox_client import signed_in

WORKERS = 8
SHARE = 0.15
API = {"timeout_s": 2, "execution_timeout_s": 4}
SETTINGS = {"streaming": {"flush_ms": 5, "heartbeat_s": 0.2, "stall_s": 0.5}}
READS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list_runs", {"limit": 10}),
    ("list_runs", {"status": "failed", "limit": 5}),
    ("compute_run_facets", {"facets": ["status", "interactions", "environments"]}),  # no tags: each run adds one
    ("get_run_filter_options", {"field": "environment"}),
    ("search_runs", {"query": "contract", "limit": 5}),
    ("find_runs", {"query": {"status": "failed"}, "limit": 5}),
)


@dataclass(slots=True)
class Created:
    """A create as its caller saw it; `answer` is None if the caller left before the answer."""

    tag: str
    progress: Notifications
    answer: Answer | None = None


class Soak:
    """Workers that call tools for some time, and a record of the runs that they created."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._numbers = count(1)
        self._ids: list[str] = []
        self.created: list[Created] = []
        self.calls: Counter[str] = Counter()
        """Number of calls by tool and outcome: `tool`, `tool, refused`, `tool, left`."""

    async def work(self, client: Client, seconds: float) -> None:
        """Make calls for some seconds, eight at a time."""
        until = anyio.current_time() + seconds
        async with anyio.create_task_group() as tasks:
            for _ in range(WORKERS):
                tasks.start_soon(self._worker, client, until)

    async def _worker(self, client: Client, until: float) -> None:
        while anyio.current_time() < until:
            patience = self._random.uniform(0, 0.3) if self._random.random() < 0.1 else None
            if self._random.random() < 0.4:
                await self._create(client, patience)
            elif self._ids and self._random.random() < 0.4:
                tool = self._random.choice(["get_run", "stream_run"])
                await self._call(client, tool, patience, run_id=self._random.choice(self._ids))
            else:
                tool, arguments = self._random.choice(READS)
                await self._call(client, tool, patience, **arguments)

    async def _create(self, client: Client, patience: float | None) -> None:
        one = Created(f"soak-{next(self._numbers)}", Notifications())
        self.created.append(one)
        if self._random.random() < 0.2:
            work = {"interaction": "ExtractContacts", "data": {"text": "a@example.com"}, "stream": False}
        else:
            data = {"chunks": self._random.randint(1, 40), "delay_ms": self._random.randint(0, 10)}
            work = {"interaction": "SlowWriter", "data": data}
        one.answer = await self._call(client, "create_run", patience, progress=one.progress, tags=[one.tag], **work)
        if one.answer and (run_id := one.answer.structured.get("id")):
            self._ids.append(run_id)

    async def _call(self, client: Client, tool: str, patience: float | None, **arguments: Any) -> Answer | None:
        answer = None
        with anyio.move_on_after(patience):
            answer = await call(client, tool, **arguments)
        how = ", left" if answer is None else ", refused" if answer.failed else ""
        self.calls[f"{tool}{how}"] += 1
        return answer


async def settled(api: httpx.AsyncClient) -> None:
    """Wait until the API executes no more runs."""
    while (await api.get("/runs", params={"status": "processing", "limit": 1})).json():
        await anyio.sleep(0.1)  # the API sends no notification


async def broken_promises(soak: Soak, api: httpx.AsyncClient) -> list[str]:
    """Return the broken promises: a run created twice, a missing run, text of another run, or decreasing progress."""
    broken = []
    for one in soak.created:
        runs = (await api.get("/runs", params={"tag": one.tag, "limit": 10})).json()
        ids = [run["id"] for run in runs]
        if len(ids) > 1:
            broken.append(f"{one.tag}: created {len(ids)} times")
        if one.answer is None:
            continue
        if (answered := one.answer.structured.get("id")) and answered not in ids:
            broken.append(f"{one.tag}: run {answered} was answered, and is lost")
        if not answered and ids and ids[0] not in one.answer.text and "not known" not in one.answer.text:
            broken.append(f"{one.tag}: run {ids[0]} was made, and the caller told: {one.answer.text}")
        result = one.answer.structured.get("result")
        spoken = "".join(text for text in one.progress.messages if text and not text.startswith("[waiting"))
        if isinstance(result, str) and not result.startswith(spoken):
            broken.append(f"{one.tag}: {spoken!r} was shown of {result!r}")
        if sorted(set(one.progress.values)) != one.progress.values:
            broken.append(f"{one.tag}: progress went {one.progress.values}")
    return broken


@asynccontextmanager
async def behind_faults(seed: int, *, share: float = SHARE) -> AsyncIterator[tuple[FaultyProxy, httpx.AsyncClient]]:
    """A proxy in front of a sandbox, and a client of the sandbox itself."""
    async with (
        running(SandboxOptions()) as sandbox,
        signed_in(sandbox.url) as api,
        faulty(sandbox.url, share=share, seed=seed) as proxy,
    ):
        yield proxy, api


def settings_for(url: str) -> dict[str, Any]:
    """The configuration of a server in front of the proxy at `url`."""
    auth = {"kind": "api_key", "value": DEMO_KEY}
    return {**SETTINGS, "api": {**API, "base_url": f"{url}/api/v1", "auth": auth}}


def environment_for(url: str) -> dict[str, str]:
    """The same configuration as environment variables."""
    sections = settings_for(url)
    auth = sections["api"].pop("auth")
    flat = {f"{section}__{name}": value for section, values in sections.items() for name, value in values.items()}
    flat |= {f"api__auth__{name}": value for name, value in auth.items()}
    return {**CLEAN, **{f"RUNS_MCP_{name.upper()}": str(value) for name, value in flat.items()}}


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory and open files of a process."""

    mib: float
    files: int

    @classmethod
    def of(cls, process: psutil.Process) -> "Footprint":
        """Measure `process`: resident memory in MiB, and open files including sockets."""
        return cls(process.memory_info().rss / 2**20, process.num_fds())


async def long_one(minutes: float, seed: int) -> int:
    """Soak a server in a separate process, print the figures, and return 1 if a promise was broken."""
    soak, started = Soak(seed), time.monotonic()
    async with (
        behind_faults(seed) as (proxy, api),
        http_process(("-m", "runs_mcp", "serve"), environment_for(proxy.url)) as (url, process),
        Client(url, mode="legacy", client_info=PATIENT) as client,
    ):
        measured = psutil.Process(process.pid)
        await soak.work(client, 20)
        footprints = [Footprint.of(measured)]
        for _ in range(4):
            await soak.work(client, minutes * 60 / 4)
            await settled(api)
            footprints.append(Footprint.of(measured))
        broken = await broken_promises(soak, api)
    print(
        f"{sum(soak.calls.values()):,} calls, {len(soak.created):,} of them creates, {time.monotonic() - started:.0f} s"
    )
    for name, number in [*sorted(soak.calls.items()), *sorted(proxy.met.items())]:
        print(f"  {number:7,} {name}")
    print("after 20 s and four quarters:", *(f"{one.mib:.0f} MiB, {one.files} files;" for one in footprints))
    print(*broken or ["no create carried out twice, no run lost, no text out of order"], sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Soak the server behind a faulty proxy.")
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    sys.exit(anyio.run(partial(long_one, chosen.minutes, chosen.seed)))
