"""Sessions over the standard streams of a server."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE

import anyio
from anyio.abc import Process
from typing_extensions import override

from benchmarks.driver import CallError, Era, Listener, Message, Session, is_progress, number_in

START_S = 300
"""Seconds for a start, which takes minutes under valgrind."""


class Pipes(Session):
    """A session over the standard streams of `process`."""

    def __init__(self, process: Process, era: Era) -> None:
        super().__init__(era)
        self._process = process
        self._waiting: dict[int, anyio.Event] = {}
        self._listeners: dict[int, Listener] = {}
        self._answers: dict[int, bytes] = {}

    @override
    async def exchange(self, number: int, message: Message, on_notification: Listener | None) -> bytes:
        answered = self._waiting[number] = anyio.Event()
        if on_notification:
            self._listeners[number] = on_notification
        await self.notify(message)
        await answered.wait()
        self._listeners.pop(number, None)
        return self._answers.pop(number)

    @override
    async def notify(self, message: Message) -> None:
        assert self._process.stdin
        await self._process.stdin.send(json.dumps(message).encode() + b"\n")

    async def listen(self) -> None:
        """Match messages of the server to requests.

        Raises:
            CallError: The server ended.
        """
        assert self._process.stdout
        held = bytearray()
        async for piece in self._process.stdout:
            held += piece
            if b"\n" in piece:
                *lines, held = held.split(b"\n")
                for line in lines:
                    self._take(bytes(line))
        raise CallError("the server ended")

    def _take(self, line: bytes) -> None:
        number = number_in(line)
        if number is None:
            return
        if is_progress(line):
            if on_notification := self._listeners.get(number):
                on_notification(line)
        elif answered := self._waiting.pop(number, None):
            self._answers[number] = line
            answered.set()


@asynccontextmanager
async def started(
    command: Sequence[str], environment: Mapping[str, str], era: Era
) -> AsyncIterator[tuple[Pipes, Process]]:
    """Start a server and complete the handshake."""
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment) as process:
        session = Pipes(process, era)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.listen)
            try:
                with anyio.fail_after(START_S):
                    await session.handshake()
                yield session, process
            finally:
                process.kill()
                tasks.cancel_scope.cancel()
