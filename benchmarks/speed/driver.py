"""A client that does as little as it can, so that what is measured is the server."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from statistics import quantiles
from subprocess import DEVNULL, PIPE
from time import perf_counter
from typing import Any

import anyio
from anyio.abc import Process

OURS = re.compile(rb'"b(\d+)"')
ROOM = 2**25


@dataclass(frozen=True, slots=True)
class Figures:
    """How a number of calls went."""

    p50_ms: float
    p99_ms: float
    calls_s: float
    bytes_a_call: int


class Session:
    """A session with a server over its standard streams. Answers are matched by their ids and not parsed."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._numbers = count()
        self._waiting: dict[int, anyio.Event] = {}
        self._sizes: dict[int, int] = {}
        self._answers: dict[int, bytes] = {}

    async def listen(self) -> None:
        """Match answers to requests until the server ends."""
        assert self._process.stdout
        held = bytearray()
        async for piece in self._process.stdout:
            held += piece
            if b"\n" not in piece:
                continue
            *lines, rest = held.split(b"\n")
            held = rest
            for line in lines:
                # The id comes first or last, after what may be a long result.
                found = OURS.search(line, 0, 64) or OURS.search(line, max(len(line) - 64, 0)) or OURS.search(line)
                if found and (event := self._waiting.pop(int(found[1]), None)):
                    self._answers[int(found[1])] = bytes(line)
                    event.set()

    async def ask(self, method: str, params: Mapping[str, Any]) -> bytes:
        """The line a request is answered with."""
        number = next(self._numbers)
        answered = self._waiting[number] = anyio.Event()
        await self._send({"jsonrpc": "2.0", "id": f"b{number}", "method": method, "params": params})
        await answered.wait()
        return self._answers.pop(number)

    async def greet(self) -> None:
        """The handshake of 2025-11-25."""
        about = {"name": "benchmark", "version": "1"}
        await self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about})
        await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def measure(self, tool: str, arguments: Mapping[str, Any], *, callers: int, calls: int) -> Figures:
        """Call `tool` so many times, by so many callers at once."""
        taken: list[float] = []
        size = 0
        left = iter(range(calls))

        async def caller() -> None:
            nonlocal size
            for _ in left:
                started = perf_counter()
                answer = await self.ask("tools/call", {"name": tool, "arguments": arguments})
                taken.append((perf_counter() - started) * 1_000)
                size = len(answer)
                if b'"isError":true' in answer:
                    raise RuntimeError(f"{tool} failed: {answer[:300]!r}")

        started = perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(caller)
        cuts = quantiles(taken, n=100)
        return Figures(cuts[49], cuts[98], calls / (perf_counter() - started), size)

    async def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        await self._process.stdin.send(json.dumps(message).encode() + b"\n")


@asynccontextmanager
async def session(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[tuple[Session, Process]]:
    """A server just started, past its handshake."""
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment) as process:
        one = Session(process)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.listen)
            with anyio.fail_after(30):
                await one.greet()
            yield one, process
            tasks.cancel_scope.cancel()
        process.kill()


async def cold_start_ms(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Milliseconds from starting the process to its answer to the first `tools/list`."""
    started = perf_counter()
    async with session(command, environment) as (one, _):
        await one.ask("tools/list", {})
        return (perf_counter() - started) * 1_000
