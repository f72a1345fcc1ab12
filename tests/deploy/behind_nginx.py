"""Two replicas behind a real nginx with `deploy/nginx.conf`. Run by name; needs nginx, which CI installs."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

import anyio
import httpx
import pytest

from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.settings import Config
from runs_mcp.http.auth import keys
from tests import ROOT, upstream
from tests.calls import Notifications, call
from tests.http.service import Endpoint, Running, configured, connected, running
from tests.ports import free_ports, wait_for_server
from tests.upstream import CLOSE, Upstream, chunk, events, reply

pytestmark = pytest.mark.anyio

CALLERS = [f"caller-{number}" for number in range(30)]
CREATED = {"id": "r1", "status": "created"}
DONE = {"id": "r1", "status": "completed", "result": "one two "}


@dataclass(frozen=True, slots=True)
class Proxied(Endpoint):
    """The address that clients reach, their keys, and the replicas behind it."""

    bearer: Sequence[str]
    replicas: Sequence[Running]


@asynccontextmanager
async def nginx(folder: Path, urls: Sequence[str]) -> AsyncIterator[str]:
    """Run nginx in front of `urls` and yield its URL; only names, ports and paths of the configuration are changed."""
    [port] = free_ports(1)
    servers = "".join(f"server {url.removeprefix('http://')} \\1;" for url in urls)
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"server runs-mcp:8000 (.*);", servers, text)
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/tmp/", f"{folder}/")
    file = folder / "nginx.conf"
    file.write_text(text.replace("/dev/stdout", f"{folder}/access.log"), encoding="utf-8")
    # By default, the workers of nginx run as a user who cannot enter the folder of a test.
    command = ["nginx", "-c", str(file), "-g", "daemon off; user root;"]
    async with await anyio.open_process(command, stdout=DEVNULL, stderr=None) as process:
        try:
            await wait_for_server(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def proxied(api: Upstream, folder: Path) -> AsyncIterator[Proxied]:
    """Two replicas in front of `api`, behind nginx, and thirty callers."""
    file = folder / "keys.json"
    bearer = [keys.add(file, name, ("runs:read", "runs:create")) for name in CALLERS]
    auth = BearerAuthSettings(kind="bearer", keys_file=file)
    config: Config = configured(api, auth=auth, metrics="127.0.0.1:0")
    async with (
        running(config) as first,
        running(config) as second,
        nginx(folder, [first.url, second.url]) as url,
        httpx.AsyncClient(timeout=30) as http,
    ):
        yield Proxied(url, http, [f"Bearer {key}" for key in bearer], [first, second])


def answered(replica: Running) -> float:
    """Return the number of requests that a replica has answered with 200."""
    assert replica.service.metrics
    return replica.service.metrics.registry.get_sample_value("runs_mcp_http_responses_total", {"status": "200"}) or 0


async def test_each_chunk_comes_through_before_the_next_is_written(tmp_path: Path, mode: str) -> None:
    first = anyio.Event()

    class Live(Notifications):
        async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
            await super().__call__(progress, total, message)
            if self.text.startswith("one "):
                first.set()

    replies = {
        "POST /runs": reply(CREATED),
        "GET /runs/r1": reply(DONE),
        "GET /runs/r1/stream": events(chunk("one "), first, chunk("two "), CLOSE),
    }
    progress = Live()
    async with (
        upstream.serving(replies) as api,
        proxied(api, tmp_path) as at,
        connected(at, mode, {"authorization": at.bearer[0]}) as client,
    ):
        answer = await call(client, "create_run", interaction="i", progress=progress)
    assert not answer.failed
    assert progress.text == "one two "


async def test_callers_are_spread_over_the_replicas_and_each_stays_with_its_replica(tmp_path: Path) -> None:
    async with upstream.serving({"GET /runs": reply([])}) as api, proxied(api, tmp_path) as at:
        for bearer in at.bearer:
            assert (await at.ask("tools/list", authorization=bearer)).status_code == 200
        assert all(answered(replica) for replica in at.replicas)
        for bearer in at.bearer[:3]:
            async with connected(at, "legacy", {"authorization": bearer}) as client:
                for _ in range(3):
                    assert not (await call(client, "list_runs")).failed


async def test_callers_of_a_replica_that_is_gone_are_served_by_another(tmp_path: Path) -> None:
    async with upstream.serving({}) as api, httpx.AsyncClient(timeout=30) as http:
        async with running(configured(api)) as gone:
            pass
        async with running(configured(api)) as left, nginx(tmp_path, [gone.url, left.url]) as url:
            at = Endpoint(url, http)
            statuses = [(await at.ask("tools/list", authorization=f"Bearer {name}")).status_code for name in CALLERS]
    assert statuses == [200] * len(CALLERS)


async def test_nothing_but_mcp_and_health_gets_through(tmp_path: Path) -> None:
    async with upstream.serving({"GET /runs": reply([])}) as api, proxied(api, tmp_path) as at:
        statuses = {
            path: (await at.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics", "/", "/mcp/x")
        }
        too_large = await at.http.post(at.endpoint, content=b"x" * 9_000_000)
        asked = await at.get("/mcp?access_token=private")
    log = await anyio.Path(tmp_path / "access.log").read_text()
    assert statuses == {"/healthz": 200, "/readyz": 200, "/metrics": 404, "/": 404, "/mcp/x": 404}
    assert (too_large.status_code, asked.status_code) == (413, 401)
    assert "/metrics 404" in log
    assert "private" not in log
