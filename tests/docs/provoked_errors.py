"""Errors that the documents quote, provoked in a terminal, by a tool call, or over HTTP."""

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anyio
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response

from runs_mcp.cli.check.findings import Finding
from runs_mcp.cli.check.report import lines
from runs_mcp.cli.check.runner import CHECKS, examine
from runs_mcp.config.http_settings import Scope
from runs_mcp.config.settings import Config
from runs_mcp.http.auth import keys
from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, call
from tests.clients.processes import CLEAN
from tests.docs.machine import BIN
from tests.http.service import ACCEPT, INITIALIZE, SESSION, Endpoint, configured, running
from tests.http.test_workers import worker
from tests.http_client import http_client
from tests.ports import free_ports
from tests.upstream import TOKEN, Replies, reply

Settings = Mapping[str, Any]
HEADERS = {**ACCEPT, "Content-Type": "application/json"}
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()


class Provoked(Protocol):
    """A way to provoke an error."""

    async def says(self, folder: Path) -> str:
        """Provoke the error in an empty folder; return the output of the program."""


def _written(folder: Path, settings: Settings | str) -> Path:
    file = folder / "config.json"
    file.write_text(settings if isinstance(settings, str) else json.dumps(settings), encoding="utf-8")
    return file


@dataclass(frozen=True, slots=True)
class Terminal:
    """A shell script, with a config.json and variables."""

    script: str
    settings: Settings | str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    async def says(self, folder: Path) -> str:
        """Return the printed text."""
        if self.settings is not None:
            _written(folder, self.settings)
        path = f"{BIN}{os.pathsep}{CLEAN['PATH']}"
        environment = {**CLEAN, "PATH": path, "HOME": str(folder), **self.environment}
        finished = await anyio.run_process(
            ["/bin/bash", "-c", self.script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False
        )
        return (finished.stdout + finished.stderr).decode()


@dataclass(frozen=True, slots=True)
class Tool:
    """A call of a tool, to a server with `settings` in front of an API with `replies`."""

    name: str
    arguments: Settings
    replies: Replies = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    before: Settings | None = None
    """The arguments of an earlier call of the tool."""

    async def says(self, folder: Path) -> str:
        """Return the answer, or the protocol error in its place."""
        del folder
        async with upstream.serving(self.replies) as api:
            given = {"base_url": f"{api.url}/api/v1", "auth": {"value": TOKEN}, "max_retries": 0}
            config = Config.model_validate({**self.settings, "api": {**given, **self.settings.get("api", {})}})
            async with Client(build_server(config).mcp, client_info=PATIENT) as client:
                if self.before is not None:
                    await call(client, self.name, **self.before)
                try:
                    return (await call(client, self.name, **self.arguments)).text
                except MCPError as error:
                    return str(error)


@dataclass(frozen=True, slots=True)
class CutOff:
    """A create whose call is cancelled while the API creates the run, and is then repeated."""

    async def says(self, folder: Path) -> str:
        """Return the answer to the repeated call."""
        del folder
        sent, released = anyio.Event(), anyio.Event()

        async def create(request: StarletteRequest) -> Response:
            sent.set()
            await released.wait()
            return await reply({"id": "r1", "status": "completed"})(request)

        async with (
            upstream.serving({"POST /runs": create, "GET /runs/r1": reply({"id": "r1", "status": "completed"})}) as api,
            Client(build_server(configured(api)).mcp, client_info=PATIENT) as client,
        ):
            create_run = partial(call, client, "create_run", interaction="66a1f0c2e4b0a1b2c3d40001")
            async with anyio.create_task_group() as callers:
                callers.start_soon(create_run)
                await sent.wait()
                callers.cancel_scope.cancel()
            released.set()
            return (await create_run()).text


@dataclass(frozen=True, slots=True)
class Check:
    """Checks that run before a server starts, with the given replies or settings of the API."""

    replies: Replies = field(default_factory=dict)
    api: Settings = field(default_factory=dict)

    async def says(self, folder: Path) -> str:
        """Return the printed text."""
        found: dict[str, Finding] = {}
        async with upstream.serving(self.replies) as api:
            given = {"base_url": f"{api.url}/api/v1", "auth": {"value": TOKEN}, **self.api}
            file = _written(folder, {"api": given})
            await examine(
                file,
                on_finding=found.__setitem__,
                checks=[check for check in CHECKS if not check.name.startswith("protocol")],
            )
        return "\n".join(lines(found))


@dataclass(frozen=True, slots=True)
class Untrusted:
    """An API whose certificate is not trusted."""

    by: Callable[[Settings], Provoked]
    """Provokes the error with these settings of the API."""

    async def says(self, folder: Path) -> str:
        """Return the printed text."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        url = f"https://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/api/v1"

        async def greet(connection: SocketStream) -> None:
            async with connection:
                with suppress(
                    anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError
                ):  # the client does not trust the certificate
                    await TLSStream.wrap(connection, ssl_context=context, standard_compatible=False)

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, greet)
            said = await self.by({"base_url": url}).says(folder)
            tasks.cancel_scope.cancel()
        return said


@dataclass(frozen=True, slots=True)
class Taken:
    """A command that is to serve on a port in use."""

    script: str

    async def says(self, folder: Path) -> str:
        """Return the printed text."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            return await Terminal(f"{self.script} --port {taken.getsockname()[1]}").says(folder)


@dataclass(frozen=True, slots=True)
class Request:
    """A request over HTTP with `body`, or a call of `tool`; `KEY` in a header stands for a key."""

    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/mcp"
    body: bytes = PING
    tool: str = ""
    times: int = 1
    rate_limit: int | None = None
    scopes: Sequence[Scope] = ("runs:read",)
    server: Settings = field(default_factory=dict)
    profiles: Settings = field(default_factory=dict)

    async def says(self, folder: Path) -> str:
        """Return the status and the body of the last answer."""
        file = folder / "keys.json"
        key = keys.add(file, "caller", self.scopes)
        http = {"auth": {"kind": "bearer", "keys_file": file}, "rate_limit": self.rate_limit}
        server = {"http": http, **self.server}
        config = Config.model_validate({"api": {"auth": {"value": TOKEN}}, "server": server, "profiles": self.profiles})
        headers = {**HEADERS, **{name: value.replace("KEY", key) for name, value in self.headers.items()}}
        async with running(config) as service:
            if self.tool:
                answer = await service.ask("tools/call", name=self.tool, **headers)
            else:
                post = partial(service.http.post, service.url + self.path, content=self.body, headers=headers)
                answer = [await post() for _ in range(self.times)][-1]
        return f"{answer.status_code} {answer.text}"


@dataclass(frozen=True, slots=True)
class Full:
    """A second request to a server that serves at most one at a time."""

    async def says(self, folder: Path) -> str:
        """Return the status and the body of the second answer."""
        del folder
        refused: list[str] = []

        async def meanwhile(asked: StarletteRequest) -> Response:
            answer = await service.ask("tools/list")
            refused.append(f"{answer.status_code} {answer.text}")
            return await reply([])(asked)

        async with (
            upstream.serving({"GET /runs": meanwhile}) as api,
            running(configured(api, max_requests=1)) as service,
        ):
            await service.ask("tools/call", name="list_runs")
        return refused[0]


@dataclass(frozen=True, slots=True)
class EndedWorker:
    """A request to one worker in the session of another worker that has ended."""

    async def says(self, folder: Path) -> str:
        """Return the status and the body of the answer."""
        del folder
        headers = {SESSION: "1.abc", "mcp-protocol-version": "2025-11-25"}
        async with (
            upstream.serving({}) as api,
            http_client() as http,
            worker(configured(api), 0, [0, *free_ports(1)]) as url,
        ):
            answer = await Endpoint(url, http).post(INITIALIZE, **headers)
        return f"{answer.status_code} {answer.text}"
