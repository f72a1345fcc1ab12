"""No output contains the credentials of callers or of the API, and the API receives no credentials of callers."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import jwt
import psutil
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.http.app import PATH
from runs_mcp.http.auth import keys
from tests import upstream
from tests.calls import call
from tests.clients.processes import CLEAN, SERVING
from tests.http.issuer import RESOURCE, issuing
from tests.http.service import Endpoint, bearer, connected
from tests.http_client import http_client
from tests.upstream import Replies

pytestmark = pytest.mark.anyio

CREDENTIAL = jwt.encode({"exp": 4_000_000_000, "name": "upstream"}, "k" * 32, algorithm="HS256")


@dataclass(frozen=True, slots=True)
class Callers:
    """Credentials of two callers, and the server's settings for them."""

    good: str
    bad: str
    auth: dict[str, Any]


@asynccontextmanager
async def by_key(folder: Path) -> AsyncIterator[Callers]:
    file = folder / "keys.json"
    good, gone = (keys.add(file, name, ["runs:read"]) for name in ("ci", "gone"))
    keys.remove(file, "gone")
    yield Callers(good, gone, {"kind": "bearer", "keys_file": str(file)})


@asynccontextmanager
async def by_jwt(_: Path) -> AsyncIterator[Callers]:
    async with issuing() as issuer:
        auth = {"kind": "jwt", "issuer": issuer.url, "resource_url": RESOURCE, "jwks_url": f"{issuer.url}/jwks"}
        yield Callers(issuer.token(), issuer.token(aud="https://other.example.com"), auth)


def settings(api: str, auth: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that logs everything."""
    return {
        "log_level": "debug",
        "api": {"base_url": f"{api}/api/v1", "auth": {"value": CREDENTIAL}, "max_retries": 0},
        "server": {"http": {"auth": auth}},
    }


class Server:
    """The server as a process, and its log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.log = ""
        self.url = ""
        self._ready = anyio.Event()

    async def read_log(self) -> None:
        """Read the log until the server ends."""
        assert self.process.stderr
        async for text in TextReceiveStream(self.process.stderr):
            self.log += text
            if found := SERVING.search(self.log):
                self.url = found[1]
                self._ready.set()

    async def ready(self) -> None:
        """Wait until the server can be called."""
        await self._ready.wait()


@pytest.mark.parametrize("known", [by_key, by_jwt], ids=["keys", "tokens"])
@pytest.mark.slow
async def test_no_credential_is_emitted_or_forwarded(tmp_path: Path, mode: str, known: Any) -> None:
    shown: list[str] = []

    async def careless(request: Request) -> Response:
        """Answer once, then repeat the credential in an error."""
        shown.append(f"{request.url} {request.headers.items()} {await request.body()!r}")
        said = f"bad token {request.headers['authorization']}"
        return JSONResponse([{"id": "r1"}]) if len(shown) == 1 else JSONResponse({"message": said}, 401)

    replies: Replies = {"GET /runs": careless, "GET /runs/r1": careless}
    emitted: list[str] = []
    async with upstream.serving(replies) as api, known(tmp_path) as callers:
        file = anyio.Path(tmp_path / "config.json")
        await file.write_text(json.dumps(settings(api.url, callers.auth)))
        command = [sys.executable, "-m", "runs_mcp", "serve", "--http", "--port", "0", "--config", str(file)]
        async with (
            await anyio.open_process(command, stdout=DEVNULL, stderr=PIPE, env=CLEAN) as process,
            anyio.create_task_group() as tasks,
            http_client() as http,
        ):
            server = Server(process)
            tasks.start_soon(server.read_log)
            await server.ready()
            at = Endpoint(server.url.removesuffix(PATH), http)
            for credential in ({}, bearer(callers.bad), bearer(callers.good + "x")):
                refused = await at.ping(**credential)
                assert refused.status_code == 401
                emitted += [refused.text, str(refused.headers)]
            async with connected(at, mode, bearer(callers.good)) as client:
                emitted += [(await call(client, "list_runs")).result.model_dump_json() for _ in range(3)]
                with pytest.raises(MCPError) as failed:
                    await client.read_resource("runs://r1")
                emitted += [str(failed.value), client.instructions or ""]
            emitted.append(str(psutil.Process(process.pid).cmdline()))
            process.terminate()
        emitted.append(server.log)
    everything = "".join("".join(emitted).split())
    assert '"level":"debug"' in everything, "debug logs are on"
    assert "acallerwasrefused" in everything, "refusals are logged"
    for secret in (callers.good, callers.bad, CREDENTIAL):
        assert secret not in everything
        assert secret.split(".")[-1] not in everything, "not even the signature of a token"
    assert len(shown) > 1
    for text in shown:
        assert CREDENTIAL in text
        assert callers.good not in text
