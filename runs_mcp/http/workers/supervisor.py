"""The supervisor: starts the workers, replaces those that end, and stops all of them.

The supervisor and each worker share a pipe. An answer of the worker shows that its event loop runs; the end of the pipe
tells the worker to drain, also if the supervisor was killed.
"""

import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import anyio

from runs_mcp.http.workers.worker_metrics import WorkerMetrics
from runs_mcp.observability.logs import FIELDS
from runs_mcp.server.stdio.stdio_service import DRAIN_S

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""Seconds between two messages to a worker."""
HUNG_S = 60.0
"""Seconds without an answer after which a worker is replaced."""
STOP_S = 2 * DRAIN_S
"""Seconds that a worker has to drain and to close its connections."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Seconds before a worker is replaced: twice as many each time, until a worker has run for the longest pause."""
StartProcess = Callable[[int, Connection], Awaitable[BaseProcess]]
"""Starts the worker of this number with its end of a pipe."""


class Supervisor:
    """The workers of a service."""

    def __init__(self, start: StartProcess, workers: int, metrics: WorkerMetrics, *, hung_s: float = HUNG_S) -> None:
        self._start = start
        self._hung_s = hung_s
        self._serving = [anyio.Event() for _ in range(workers)]
        self._processes: list[BaseProcess] = []
        self._metrics = metrics
        self._failed: int | None = None
        """The exit code of a worker that has never served."""

    async def run(self, started: Callable[[], object]) -> None:
        """Keep the workers running until the process gets a signal; call `started` when all of them serve.

        Raises:
            ChildProcessError: a worker ended before it could serve.
        """
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as running:
                tasks.start_soon(self._stop_on_signal, running)
                async with anyio.create_task_group() as workers:
                    for number in range(len(self._serving)):
                        workers.start_soon(self._keep, number, running)
                    for serving in self._serving:
                        await serving.wait()
                    started()
            tasks.cancel_scope.cancel()
        if self._failed is not None:
            raise ChildProcessError(f"A worker could not start: exit code {self._failed}; its log lines name the cause")

    async def _stop_on_signal(self, running: anyio.CancelScope) -> None:
        """Stop the workers at the first signal, and kill them at the second."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for _ in signals:
                if running.cancel_called:
                    for process in self._processes:
                        process.kill()
                running.cancel()

    async def _keep(self, number: int, running: anyio.CancelScope) -> None:
        """Keep a worker running, and replace it when it ends."""
        pause = FIRST_PAUSE_S
        ending: dict[str, object]
        while True:
            began = anyio.current_time()
            try:
                exit_code = await self._run(number)
            except OSError as error:
                if not self._serving[number].is_set():
                    raise
                # The system has no memory, process or descriptor left, which must not end the other workers.
                event, ending = "a worker could not be started", {"error": error.strerror}
            else:
                if not self._serving[number].is_set():
                    self._failed = exit_code
                    running.cancel()
                    return
                event, ending = "a worker ended and is replaced", {"exit_code": exit_code}
            if anyio.current_time() - began > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S
            log.error(event, extra={FIELDS: {"worker": number, **ending, "pause_s": pause}})
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            self._metrics.restarts.inc()

    async def _run(self, number: int) -> int | None:
        """Run a worker until it ends, and return its exit code."""
        link, link_of_worker = Pipe()
        process = await self._start(number, link_of_worker)
        link_of_worker.close()
        self._processes.append(process)
        try:
            with link, suppress(EOFError, OSError):
                await self._watch(number, link, process)
        finally:
            self._metrics.remove(number)
            with anyio.CancelScope(shield=True):
                await _end(process)
            self._processes.remove(process)
        return process.exitcode

    async def _watch(self, number: int, link: Connection, process: BaseProcess) -> None:
        """Ask a worker for its metrics again and again.

        Raises:
            EOFError, OSError: the worker has ended, or was killed because it did not answer.
        """
        while True:
            link.send_bytes(b"")
            with anyio.move_on_after(self._hung_s) as answering:
                await anyio.wait_readable(link)
            if answering.cancelled_caught:
                log.error("a worker does not answer and is killed", extra={FIELDS: {"worker": number}})
                process.kill()
            self._metrics.update(number, link.recv())
            self._serving[number].set()
            await anyio.sleep(BEAT_S)


async def _end(process: BaseProcess) -> None:
    """Wait for a worker to end, and kill it if it takes too long."""
    with anyio.move_on_after(STOP_S):
        await anyio.wait_readable(process.sentinel)
    process.kill()  # without effect on a process that has ended
    await anyio.to_thread.run_sync(process.join)
