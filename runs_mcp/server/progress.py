"""Progress notifications with the text of a run: joined, in order, and complete before the result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar, Token
from typing import Self, get_args

import anyio
from mcp_types import LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParams

from runs_mcp.api import RunsApiError
from runs_mcp.config.settings import StreamingSettings
from runs_mcp.server.context import Call
from runs_mcp.server.runs.run_stream import RunStream

SETTLE_S = 0.02
"""Seconds between the last progress and the result. Clients of the TypeScript SDK remove the progress handler when they
receive the result, and drop notifications that they read together with it."""
BACK_OFF = 5
LONGEST_BACK_OFF_S = 2
"""A busy process joins more text: a pause is five times as long as the previous pause was late, up to two seconds.
With 1,000 streams and 200 agents, it then answers twice as many calls, and chunks arrive no later."""
LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""From `debug` to `emergency`."""

_CURRENT: ContextVar["Progress"] = ContextVar("progress of the call being answered")


class Progress:
    """The progress of a call. Nothing is sent if the client did not request progress, or after the call.

    MCP ("Progress", "Behavior Requirements"): `progress` increases with each notification, and notifications stop after
    completion.
    """

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call
        """None after the call, since the tasks of the runs that it follows keep this object in their context."""
        self._count = 0
        self._last_sent: float | None = None
        self._token: Token[Progress]

    @classmethod
    def of(cls, call: Call) -> "Progress":
        """Return the progress of `call`, the same object for every caller during the call."""
        return _CURRENT.get(None) or cls(call)

    async def __aenter__(self) -> Self:
        """Send progress, including delays of the API client, for the duration of the block."""
        self._token = _CURRENT.set(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._last_sent is not None:
                await anyio.sleep_until(self._last_sent + SETTLE_S)
        finally:
            self._call = None
            _CURRENT.reset(self._token)

    async def say(self, message: str | None = None) -> None:
        """Send `message`, or a heartbeat without a message, so that concatenated messages are exactly the text."""
        if self._call is None:
            return
        self._count += 1
        request = self._call.request_context
        shown = message and request.lifespan_context.runs.redact(message)
        await request.session.report_progress(self._count, message=shown)
        self._last_sent = anyio.current_time()

    async def log(self, level: LoggingLevel, text: str) -> None:
        """Send `text` as a log message, if the client has requested messages of this `level`."""
        if self._call is None or (wanted := self._call.log_level) is None or LEVELS.index(level) < LEVELS.index(wanted):
            return
        request = self._call.request_context
        params = LoggingMessageNotificationParams(
            level=level, logger="runs-mcp", data=request.lifespan_context.runs.redact(text)
        )
        await request.session.send_notification(LoggingMessageNotification(params=params), request.request_id)


async def announce_wait(seconds: float, error: RunsApiError) -> None:
    """Report a delay and its reason to the call in progress, if any."""
    if progress := _CURRENT.get(None):
        text = f"waiting {seconds:.1f} s to ask again: {error}"
        await progress.say(f"[{text}]\n")
        await progress.log("warning", text)


async def forward(follower: RunStream, progress: Progress, settings: StreamingSettings, *, offset: int = 0) -> None:
    """Send the text that `follower` reads, from character `offset`, until the run has ended."""
    position, late_s = 0, 0.0
    while not (follower.ended.is_set() and position == follower.position):
        with anyio.move_on_after(settings.heartbeat_s):
            await follower.wait_beyond(position)
        text, position = follower.take(position)
        fresh, offset = text[offset:], max(offset - len(text), 0)
        if fresh or not (text or follower.ended.is_set()):
            await progress.say(fresh or None)
        if settings.flush_ms:
            due = anyio.current_time() + pause_s(settings, late_s)
            with anyio.CancelScope(deadline=due):
                await follower.ended.wait()
            late_s = anyio.current_time() - due


def pause_s(settings: StreamingSettings, late_s: float) -> float:
    """Return the seconds between two notifications, if the last pause lasted `late_s` seconds longer than it should."""
    return max(settings.flush_ms / 1000, min(BACK_OFF * late_s, LONGEST_BACK_OFF_S))


@asynccontextmanager
async def heartbeats(progress: Progress, settings: StreamingSettings) -> AsyncIterator[None]:
    """Send a heartbeat every `heartbeat_s` seconds for the duration of the block."""

    async def beat() -> None:
        while True:
            await anyio.sleep(settings.heartbeat_s)
            await progress.say()

    failure = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, outside of the task group's ExceptionGroup
            failure = error
        tasks.cancel_scope.cancel()
    if failure:
        raise failure
