"""The containers without an engine: their commands, environments and health checks, run as processes."""

import json
import re
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import httpx
import pytest
import yaml
from anyio.abc import Process

from tests import ROOT
from tests.calls import Notifications, call
from tests.http.service import Endpoint, bearer, connected
from tests.ports import free_ports

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

INSTALLED = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
NOWHERE_TO_WRITE = {"PATH": str(INSTALLED), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}


def words(instruction: str) -> list[str]:
    """Return the words of `instruction` in the Dockerfile, in its exec form."""
    [found] = re.findall(rf"^{instruction}(?: [^\n]*\\\n\s+CMD)? (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return [str(word) for word in json.loads(found)]


class Containers:
    """A runner of the containers' commands, with names, ports and paths of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = dict(zip(("8000", "8090", "9464"), map(str, free_ports(3)), strict=True))
        self._here = {
            **self.ports,
            "http://sandbox": "http://127.0.0.1",
            "/run/secrets/api-key": str(ROOT / "deploy" / "sandbox-key"),
            "/var/lib/runs-mcp": str(folder),
        }

    def _of_this_machine(self, text: str) -> str:
        there = "|".join(map(re.escape, self._here))
        return re.sub(there, lambda found: self._here[found[0]], text)

    async def open(self, command: Iterable[str], environment: Mapping[str, Any]) -> Process:
        """Start a process."""
        program, *arguments = (self._of_this_machine(word) for word in command)
        variables = {name: self._of_this_machine(str(value)) for name, value in environment.items()}
        return await anyio.open_process(
            [str(INSTALLED / program), *arguments],
            cwd="/",
            env={**NOWHERE_TO_WRITE, **variables},
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, command: Iterable[str], environment: Mapping[str, Any]) -> tuple[int, str]:
        """Run a process; return its exit code and output."""
        async with await self.open(command, environment) as process:
            assert process.stdout
            said = b"".join([piece async for piece in process.stdout])
        return process.returncode or 0, said.decode().strip()

    @asynccontextmanager
    async def healthy(
        self, command: Iterable[str], check: Iterable[str], environment: Mapping[str, Any]
    ) -> AsyncIterator[Process]:
        """Yield a process whose health check has passed, and stop the process as an engine stops a container."""
        checked = list(check)
        async with await self.open(command, environment) as process:
            while (await self.run(checked, {}))[0]:
                assert process.returncode is None
            yield process
            process.terminate()
            await process.wait()


async def test_the_compose_services_are_healthy_and_serve_a_caller_with_a_key(tmp_path: Path) -> None:
    containers = Containers(tmp_path)
    sandbox, service, keys = SERVICES["sandbox"], SERVICES["runs-mcp"], SERVICES["keys"]
    environment = dict(service["environment"])
    assert environment.pop("RUNS_MCP_SERVER__REDIS_URL") == "redis://redis:6379/0"  # with_redis.py tests a real Redis
    sandbox_command = [*words("ENTRYPOINT"), *sandbox["command"]]
    command = [*words("ENTRYPOINT"), *words("CMD")]
    wanted = ["add", "me", "--scope", "runs:read", "--scope", "runs:create"]
    code, key = await containers.run([*keys["entrypoint"], *wanted], keys["environment"])
    assert code == 0
    async with (
        containers.healthy(sandbox_command, sandbox["healthcheck"]["test"][1:], {}),
        containers.healthy(command, words("HEALTHCHECK"), environment) as process,
        httpx.AsyncClient() as http,
    ):
        at = Endpoint(f"http://127.0.0.1:{containers.ports['8000']}", http)
        assert (await at.get("/readyz")).json() == {"status": "ready"}
        assert (await at.ask("tools/list")).status_code == 401
        progress = Notifications()
        async with connected(at, "auto", bearer(key)) as client:
            slow = {"interaction": "SlowWriter", "data": {"chunks": 5, "delay_ms": 1}}
            run = await call(client, "create_run", progress=progress, **slow)
        assert progress.text == run.structured["result"]
        metrics = await http.get(f"http://127.0.0.1:{containers.ports['9464']}/metrics")
        assert 'runs_mcp_calls_total{outcome="ok",tool="create_run"} 1.0' in metrics.text
    assert process.returncode == 0
    assert [file.name async for file in anyio.Path(tmp_path).iterdir()] == ["keys.json"], "nothing else was written"


async def test_a_health_check_fails_without_a_server(tmp_path: Path) -> None:
    code, _ = await Containers(tmp_path).run(words("HEALTHCHECK"), {})
    assert code == 1


def test_the_image_runs_without_privileges_and_contains_only_the_package() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert let_in == {name for names in copied for name in names.split()}


def test_every_container_has_a_read_only_file_system_and_no_privileges() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
