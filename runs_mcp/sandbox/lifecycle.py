"""The life of a sandbox: served in an event loop with other tasks, or as the only task of a process."""

import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import anyio
import uvicorn
from anyio.abc import TaskGroup
from starlette.applications import Starlette
from typing_extensions import override

from runs_mcp.sandbox.access import Tokens
from runs_mcp.sandbox.catalog.environment_catalog import EnvironmentCatalog
from runs_mcp.sandbox.catalog.interaction_catalog import InteractionCatalog
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.content import samples
from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS, PROVIDER_MODELS
from runs_mcp.sandbox.content.demo_interactions import IN_CODE, INTERACTIONS, ODD_INTERACTIONS, VERSIONS
from runs_mcp.sandbox.execution import Database, Executions, recover
from runs_mcp.sandbox.routes.application import build
from runs_mcp.sandbox.routes.run_creation import RunFactory
from runs_mcp.sandbox.routes.run_routes import RunRoutes
from runs_mcp.sandbox.sandbox_options import SandboxOptions
from runs_mcp.sandbox.schema_check import SchemaChecker
from runs_mcp.sandbox.storage.run_store import RunStore
from runs_mcp.uvicorn_server import NotifyingServer

SHUTDOWN_S = 1


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that is being served."""

    url: str
    """Its root, for example `http://127.0.0.1:8090`; the API is below `/api/v1`."""


class _EmbeddedServer(NotifyingServer):
    """A server that leaves signals to the program that embeds it."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(
    options: SandboxOptions | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Sandbox]:
    """Serve a sandbox in this event loop for the duration of the block; port 0 is any free port.

    Raises:
        OSError: the port is taken or the file cannot be opened.
    """
    async with _application(options or SandboxOptions()) as (app, _):
        with _listening(host, port) as listener:
            async with anyio.create_task_group() as serving:
                ready = anyio.Event()
                server = _EmbeddedServer(_config(app), ready.set)
                serving.start_soon(_serve_to_the_end, server, listener)
                try:
                    await ready.wait()
                    yield _sandbox(host, listener)
                finally:
                    server.should_exit = server.force_exit = True


async def _serve_to_the_end(server: uvicorn.Server, listener: socket.socket) -> None:
    # A failure of the block must not cancel this: uvicorn would leave the closed listener in the event loop, where a
    # later socket with the same number would get no events.
    with anyio.CancelScope(shield=True):
        await server.serve([listener])


async def serve(options: SandboxOptions, *, host: str, port: int, on_start: Callable[[Sandbox], None]) -> None:
    """Serve a sandbox until the process receives SIGINT, SIGTERM or SIGHUP; call `on_start` when it is ready.

    Raises:
        OSError: the port is taken or the file cannot be opened.
        KeyboardInterrupt: the signal was SIGINT.
    """
    received: list[signal.Signals] = []
    async with _application(options) as (app, executing):
        with _listening(host, port) as listener:
            ready = partial(on_start, _sandbox(host, listener))
            if sys.platform == "win32":  # its event loop cannot handle signals
                await NotifyingServer(_config(app), ready).serve([listener])
                return
            server = _EmbeddedServer(_config(app), ready)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_at_signals, server, executing, received)
                await server.serve([listener])
                tasks.cancel_scope.cancel()
    if signal.SIGINT in received:
        raise KeyboardInterrupt


async def _stop_at_signals(
    server: uvicorn.Server, executing: anyio.CancelScope, received: list[signal.Signals]
) -> None:
    """Stop the runs that are executing and the server at a signal.

    uvicorn would end the process by the signal itself, before the workers that check schemas are stopped.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for number in signals:
            executing.cancel()  # first: a response waits for its run to end, and the server for its responses
            server.should_exit, server.force_exit = True, bool(received)  # a second signal waits for no request
            received.append(number)


@asynccontextmanager
async def _application(options: SandboxOptions) -> AsyncIterator[tuple[Starlette, anyio.CancelScope]]:
    """Yield the application and the scope in which its runs execute."""
    database = Database(RunStore(options.data), partial(_fill, options))
    try:
        async with anyio.create_task_group() as tasks:
            yield _build(options, database, tasks), tasks.cancel_scope
            tasks.cancel_scope.cancel()
    finally:
        database.close()


def _build(options: SandboxOptions, database: Database, tasks: TaskGroup) -> Starlette:
    catalog, checker = new_catalog(odd=options.odd_interactions), SchemaChecker()
    executions, factory = Executions(database, tasks, catalog.interactions, checker), RunFactory(catalog, checker)
    runs = RunRoutes(database, executions, catalog, factory, options.events, options.max_executing)
    return build(runs, checker, Tokens(options.token_lifetime_s), options.answers)


def new_catalog(*, odd: bool = False) -> SandboxCatalog:
    """Return the catalog of a new sandbox; with `odd`, also interactions whose names or schemas are hard to handle."""
    interactions = (*INTERACTIONS, *VERSIONS, *(ODD_INTERACTIONS if odd else ()), *IN_CODE)
    return SandboxCatalog(InteractionCatalog(interactions), EnvironmentCatalog(ENVIRONMENTS, PROVIDER_MODELS))


def _fill(options: SandboxOptions, store: RunStore) -> None:
    """Fail the runs of a process that was killed, and add sample runs to an empty store."""
    recover(store)
    if store.is_empty():
        store.add(samples.generate(options.seed_runs, now=datetime.now(UTC), seed=options.seed))


def _config(app: Starlette) -> uvicorn.Config:
    # Access logs would contain the query parameter `access_token`.
    return uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=SHUTDOWN_S)


def _sandbox(host: str, listener: socket.socket) -> Sandbox:
    return Sandbox(url=f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket for uvicorn, created as TCP: otherwise asyncio leaves Nagle's algorithm on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        yield listener
