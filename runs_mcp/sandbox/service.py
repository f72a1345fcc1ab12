"""Serving the sandbox: in an event loop that has other things to do, or alone."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import uvicorn
from anyio.abc import TaskGroup
from starlette.applications import Starlette
from typing_extensions import override

from runs_mcp.sandbox import samples
from runs_mcp.sandbox.app import Api, build
from runs_mcp.sandbox.credentials import LIFETIME_S, Tokens
from runs_mcp.sandbox.execution import Database, Executions
from runs_mcp.sandbox.store import Store
from runs_mcp.startup import Announcing

SHUTDOWN_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """What kind of sandbox."""

    data: Path | None = None
    """File to keep the runs in; None: memory."""
    seed_runs: int = 200
    """How many runs an empty sandbox starts with."""
    events: Literal["message", "chunk"] = "message"
    """How streams name their chunks."""
    max_executing: int = 64
    """How many runs may execute at once; more are answered 429."""
    token_lifetime_s: float = LIFETIME_S
    """How long a token is good for."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that is being served."""

    url: str
    """Its root, e.g. `http://127.0.0.1:8090`; the API is below `/api/v1`."""


class _Guest(Announcing):
    """Leaves signals to whoever started it."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(
    options: SandboxOptions | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Sandbox]:
    """Serve a sandbox in this event loop while the block lasts; port 0 is any that is free.

    Raises:
        OSError: the port is taken, or the file cannot be opened.
    """
    async with _application(options or SandboxOptions()) as app:
        with _listening(host, port) as listener:
            async with anyio.create_task_group() as serving:
                ready = anyio.Event()
                server = _Guest(_config(app), ready.set)
                serving.start_soon(server.serve, [listener])
                await ready.wait()
                try:
                    yield _sandbox(host, listener)
                finally:
                    server.should_exit = server.force_exit = True


async def serve(options: SandboxOptions, *, host: str, port: int, tell: Callable[[Sandbox], None]) -> None:
    """Serve a sandbox until the process is told to stop; `tell` is told of it once it can be reached.

    Raises:
        OSError: the port is taken, or the file cannot be opened.
    """
    async with _application(options) as app:
        with _listening(host, port) as listener:
            await Announcing(_config(app), partial(tell, _sandbox(host, listener))).serve([listener])


@asynccontextmanager
async def _application(options: SandboxOptions) -> AsyncIterator[Starlette]:
    store = Store(options.data)
    try:
        async with anyio.create_task_group() as tasks:
            yield build(await _api(options, store, tasks))
            tasks.cancel_scope.cancel()
    finally:
        store.close()


async def _api(options: SandboxOptions, store: Store, tasks: TaskGroup) -> Api:
    database = Database(store)
    executions = Executions(database, tasks)
    await executions.recover()
    if await database.run(store.is_empty):
        await database.run(store.add, samples.generate(options.seed_runs, now=datetime.now(UTC)))
    return Api(database, executions, Tokens(options.token_lifetime_s), options.events, options.max_executing)


def _config(app: Starlette) -> uvicorn.Config:
    # Access logs would hold access_token.
    return uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=SHUTDOWN_S)


def _sandbox(host: str, listener: socket.socket) -> Sandbox:
    return Sandbox(url=f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket for uvicorn; named TCP, without which asyncio leaves Nagle's algorithm on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        yield listener
