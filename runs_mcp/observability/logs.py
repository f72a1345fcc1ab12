"""Logs: to stderr, one JSON line an event, with what looks like a credential masked.

A host that starts the server and never reads what it logs would hold it up once the pipe is full: what finds no room
there is dropped, and counted in the next line that does.
"""

import json
import logging
import os
import select
import stat
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from runs_mcp.observability.masking import mask

FIELDS = "fields"
"""Key in the `extra` of a record: what its line says beside the event."""
request_id: ContextVar[str | None] = ContextVar("id of the HTTP request being answered", default=None)
"""What is logged meanwhile carries it."""


class _JsonLine(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if current := request_id.get():
            event["request_id"] = current
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return mask(json.dumps(event, ensure_ascii=False))


class _PipeHandler(logging.Handler):
    """Writes to a pipe, never waiting for whoever reads it."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLOUT)
        self._dropped = 0
        self._cut = False

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._dropped:
            setattr(record, FIELDS, {**getattr(record, FIELDS, {}), "dropped_before": self._dropped})
        try:
            line = self.format(record).encode(errors="replace") + b"\n"
            self._write(b"\n" + line if self._cut else line)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)

    def _write(self, line: bytes) -> None:
        for start in range(0, len(line), select.PIPE_BUF):
            if not self._poll.poll(0):  # a pipe that has room takes this much at once
                self._dropped += 1
                self._cut = start > 0 or self._cut
                return
            os.write(self._pipe, line[start : start + select.PIPE_BUF])
        self._dropped, self._cut = 0, False


def _handler() -> logging.Handler:
    try:
        stderr = sys.stderr.fileno()
    except (OSError, ValueError):
        return logging.StreamHandler(sys.stderr)
    is_pipe = sys.platform != "win32" and stat.S_ISFIFO(os.fstat(stderr).st_mode)
    return _PipeHandler(stderr) if is_pipe else logging.StreamHandler(sys.stderr)


def configure(level: str) -> None:
    """Log to stderr from `level` up. Call it before the server is built: `mcp` configures the root logger too."""
    handler = _handler()
    handler.setFormatter(_JsonLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The HTTP clients log whole URLs with their queries below WARNING; uvicorn and mcp log every start and call.
    for name in ("httpx", "httpx2", "httpcore2", "uvicorn", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)
