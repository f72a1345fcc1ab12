"""Logs: a JSON line for each event on stderr, with text that looks like a credential masked.

A host that starts the server and never reads its log would block it once the pipe is full. Lines that do not fit into
the pipe are therefore dropped, and counted in the next line that fits (docs/decisions/logging.md).
"""

import json
import logging
import os
import re
import select
import stat
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from typing_extensions import override

from runs_mcp.observability.mask import mask

FIELDS = "fields"
"""Key in the `extra` of a record for additional fields of its line."""
_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar(
    "fields of every line logged in the block", default=MappingProxyType({})
)
# Format and control characters, lone surrogates and private use could reorder, hide or forge text on a terminal.
_INVISIBLE = re.compile(
    r"[\x7f-\x9f\xad\u0600-\u0605\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff]"
)


class Context:
    """A block that adds fields, such as the caller or the run, to every line that is logged in it."""

    # A generator with `contextmanager` would take 0.5 KiB more for each open stream, and twice in a call.
    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token = _CONTEXT.set({**_CONTEXT.get(), **self._fields})

    def __exit__(self, *_: object) -> None:
        _CONTEXT.reset(self._token)


def current(field: str) -> str | None:
    """Return the value that `Context` gave `field`; None if it is not set."""
    return _CONTEXT.get().get(field)


def visible(text: str) -> str:
    """Return `text` with characters that can reorder, hide or forge text replaced by their JSON escapes."""
    return text if text.isascii() else _INVISIBLE.sub(lambda match: json.dumps(match[0])[1:-1], text)


class _JsonLine(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_CONTEXT.get(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        # Masked after encoding, so that no field of the line is left out.
        return mask(visible(json.dumps(event, ensure_ascii=False)))


class _PipeHandler(logging.Handler):
    """A log handler that writes to a pipe without waiting for its reader.

    `O_NONBLOCK` is not an option: it belongs to the open file, which the process shares with its parent.
    """

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLOUT)
        self._dropped = 0
        self._is_line_cut = False

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._dropped:
            setattr(record, FIELDS, {**getattr(record, FIELDS, {}), "dropped_before": self._dropped})
        try:
            line = self.format(record).encode(errors="replace") + b"\n"
            self._write(b"\n" + line if self._is_line_cut else line)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)

    def _write(self, line: bytes) -> None:
        for start in range(0, len(line), select.PIPE_BUF):
            # POSIX: a write of at most PIPE_BUF bytes to a writable pipe neither blocks nor is split.
            if not self._poll.poll(0):
                self._dropped += 1
                self._is_line_cut = start > 0 or self._is_line_cut
                return
            os.write(self._pipe, line[start : start + select.PIPE_BUF])
        self._dropped, self._is_line_cut = 0, False


def _handler() -> logging.Handler:
    try:
        stderr = sys.stderr.fileno()
    except (OSError, ValueError):  # stderr was replaced by an object without a descriptor, as in tests
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
