"""A client that does as little as it can, so that what is measured is the server: the same for all of them.

Messages go by pipes (`pipes.py`) or by HTTP (`endpoint.py`), in either era of the protocol.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles
from time import perf_counter
from typing import Any, Literal

import anyio
import psutil
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

Era = Literal["2025-11-25", "2026-07-28"]
Listener = Callable[[bytes], None]
"""What is told of each notification that belongs to a request."""
Message = Mapping[str, Any]

LEGACY: Era = "2025-11-25"
MODERN: Era = "2026-07-28"
ABOUT = {"name": "benchmark", "version": "1"}
ENVELOPE = {PROTOCOL_VERSION_META_KEY: MODERN, CLIENT_INFO_META_KEY: ABOUT, CLIENT_CAPABILITIES_META_KEY: {}}
MIB = 2**20
_OURS = re.compile(rb'"b(\d+)"')
_ENDS = 160
"""Bytes at either end of a message in which its id and its method are."""


class CallError(Exception):
    """A call was answered with an error."""


@dataclass(slots=True)
class Turn:
    """How a number of calls went."""

    taken_ms: list[float] = field(default_factory=list)
    seconds: float = 0
    busy_s: float = 0
    """Seconds for which the server kept a processor busy."""
    answer_bytes: int = 0

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return len(self.taken_ms)

    @property
    def calls_s(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of a processor that the server spent on a call."""
        return self.busy_s * 1_000 / self.calls

    def percentile(self, percent: int) -> float:
        """The milliseconds that so many of a hundred calls took at most."""
        return percentile(self.taken_ms, percent)

    def add(self, other: "Turn") -> None:
        """Count what `other` saw as well."""
        self.taken_ms += other.taken_ms
        self.seconds += other.seconds
        self.busy_s += other.busy_s
        self.answer_bytes = other.answer_bytes


class Usage:
    """What a process, with those that it started, takes of the machine."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process = psutil.Process(pid)

    def busy_s(self) -> float:
        """Seconds for which it has kept a processor busy."""
        times = [one.cpu_times() for one in self._family()]
        return sum(one.user + one.system for one in times)

    def memory_mib(self) -> float:
        """Its resident memory."""
        return float(sum(one.memory_info().rss for one in self._family())) / MIB

    def files(self) -> int:
        """How many files and connections it has open."""
        return sum(one.num_fds() for one in self._family())

    def _family(self) -> list[psutil.Process]:
        # Node is started by a small process of its package.
        return [self._process, *self._process.children(recursive=True)]


class Session(ABC):
    """A session with a server. Answers are matched by their ids and not parsed."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self._numbers = count()

    @abstractmethod
    async def exchange(self, number: int, message: Message, heard: Listener | None) -> bytes:
        """The line that answers the request `message`, whose id is `number` as `identity` writes it."""

    @abstractmethod
    async def tell(self, message: Message) -> None:
        """Send a notification."""

    async def greet(self) -> None:
        """The handshake, in the era that has one."""
        if self.era == LEGACY:
            await self.ask("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": ABOUT})
            await self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def ask(self, method: str, params: Mapping[str, Any], heard: Listener | None = None) -> bytes:
        """The line a request is answered with; `heard` is told of its progress."""
        number = next(self._numbers)
        meta: dict[str, Any] = {**ENVELOPE} if self.era == MODERN else {}
        if heard:
            meta["progressToken"] = identity(number)
        params = {**params, "_meta": meta} if meta else params
        request = {"jsonrpc": "2.0", "id": identity(number), "method": method, "params": params}
        return await self.exchange(number, request, heard)

    async def call(self, tool: str, arguments: Mapping[str, Any], heard: Listener | None = None) -> bytes:
        """The line a call is answered with.

        Raises:
            CallError: it is an error.
        """
        answer = await self.ask("tools/call", {"name": tool, "arguments": arguments}, heard)
        if b'"isError":true' in answer or b'"error":{' in answer[:_ENDS]:
            raise CallError(f"{tool} failed: {answer[:300]!r}")
        return answer

    async def measure(
        self, tool: str, arguments: Mapping[str, Any], *, callers: int, seconds: float = 0, calls: int = 1
    ) -> Turn:
        """Call `tool` by so many callers at once for so many seconds, and at least so many times each."""
        turn = Turn()

        async def caller() -> None:
            made = 0
            while made < calls or perf_counter() < over:
                sent = perf_counter()
                turn.answer_bytes = len(await self.call(tool, arguments))
                turn.taken_ms.append((perf_counter() - sent) * 1_000)
                made += 1

        started = perf_counter()
        over = started + seconds
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(caller)
        turn.seconds = perf_counter() - started
        return turn


def identity(number: int) -> str:
    """A request's id, which is the token of its progress as well."""
    return f"b{number}"


def number_in(line: bytes) -> int | None:
    """The number of the request that a message belongs to."""
    # It comes first or last, after what may be a long result.
    found = _OURS.search(line, 0, _ENDS) or _OURS.search(line, max(len(line) - _ENDS, 0)) or _OURS.search(line)
    return int(found[1]) if found else None


def is_progress(line: bytes) -> bool:
    """Whether a message is a notification of progress."""
    return b'"notifications/progress"' in line[:_ENDS] or b'"notifications/progress"' in line[-_ENDS:]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred are at most."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
