"""Logs: to stderr, one JSON line an event, with what looks like a credential masked."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from runs_mcp.masking import mask

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


def configure(level: str) -> None:
    """Log to stderr from `level` up. Call it before the server is built: `mcp` configures the root logger too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # httpx2 and httpcore2 write whole URLs, queries included, below WARNING; the others tell of every start and call.
    for name in ("httpx2", "httpcore2", "uvicorn", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)
