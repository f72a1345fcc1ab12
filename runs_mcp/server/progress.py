"""Progress notifications with the text of a run: joined, in order, strictly increasing, over before the result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import get_args

import anyio
from mcp_types import LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParams

from runs_mcp.api import RunsApiError
from runs_mcp.config.settings import StreamingSettings
from runs_mcp.server.context import Call
from runs_mcp.server.runs.run_stream import RunStream

SETTLE_S = 0.02
"""Seconds between the last progress and the answer: clients of the TypeScript SDK drop progress that they read together
with the answer."""
LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""From `debug` to `emergency`."""

_CURRENT: ContextVar["Progress"] = ContextVar("progress of the call being answered")


class Progress:
    """The progress of one call; says nothing to a client that did not ask for it, nor after the call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._count = 0
        self._over = False
        self._last_said: float | None = None

    @classmethod
    def of(cls, call: Call) -> "Progress":
        """The progress of `call`, which is one however many report to it."""
        return _CURRENT.get(None) or cls(call)

    @classmethod
    @asynccontextmanager
    async def during(cls, call: Call) -> AsyncIterator[None]:
        """Report to `call` what happens while the block lasts, waits of the API's client included."""
        progress = cls(call)
        token = _CURRENT.set(progress)
        try:
            yield
            if progress._last_said is not None:
                await anyio.sleep_until(progress._last_said + SETTLE_S)
        finally:
            progress._over = True
            _CURRENT.reset(token)

    async def say(self, message: str | None = None) -> None:
        """Send `message`, or a heartbeat without one, so that joined messages are the text and nothing else."""
        if self._over:
            return
        self._count += 1
        request = self._call.request_context
        shown = message and request.lifespan_context.runs.redact(message)
        await request.session.report_progress(self._count, message=shown)
        self._last_said = anyio.current_time()

    async def log(self, level: LoggingLevel, text: str) -> None:
        """Send `text` as a log message, if the client has asked for such."""
        wanted = self._call.log_level
        if self._over or wanted is None or LEVELS.index(level) < LEVELS.index(wanted):
            return
        request = self._call.request_context
        params = LoggingMessageNotificationParams(
            level=level, logger="runs-mcp", data=request.lifespan_context.runs.redact(text)
        )
        await request.session.send_notification(LoggingMessageNotification(params=params), request.request_id)


async def announce_wait(seconds: float, error: RunsApiError) -> None:
    """Tell the call that has to wait, if there is one, why and for how long."""
    if progress := _CURRENT.get(None):
        text = f"waiting {seconds:.1f} s to ask again: {error}"
        await progress.say(f"[{text}]\n")
        await progress.log("warning", text)


async def forward(follower: RunStream, progress: Progress, settings: StreamingSettings, *, offset: int = 0) -> None:
    """Send what `follower` reads, from character `offset` of the text, until the run has ended."""
    position = 0
    while not (follower.ended.is_set() and position == follower.position):
        with anyio.move_on_after(settings.heartbeat_s) as quiet:
            await follower.wait_beyond(position)
        text, position = follower.take(position)
        fresh, offset = text[offset:], max(offset - len(text), 0)
        if fresh or quiet.cancelled_caught:
            await progress.say(fresh or None)
        if settings.flush_ms:
            with anyio.move_on_after(settings.flush_ms / 1000):
                await follower.ended.wait()


@asynccontextmanager
async def heartbeats(progress: Progress, settings: StreamingSettings) -> AsyncIterator[None]:
    """Send a heartbeat every `heartbeat_s` seconds while the block lasts."""

    async def beat() -> None:
        while True:
            await anyio.sleep(settings.heartbeat_s)
            await progress.say()

    failure = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below, where no group wraps it
            failure = error
        tasks.cancel_scope.cancel()
    if failure:
        raise failure
