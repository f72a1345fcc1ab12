"""The audit log: one line for each run that the server starts, updates or deletes."""

import logging
from collections.abc import Sequence
from typing import Any

from runs_mcp.observability.logs import FIELDS, current

log = logging.getLogger(__name__)
LOCAL = "local"
"""The caller of a server without authentication: the user of the machine, over stdio or loopback."""


def record_start(run_id: str, *, interaction: str | None, model: str | None) -> None:
    """Log that a run was started, with its interaction and model, the caller, and the id of the request if known."""
    _record("run started", run_id=run_id, interaction=interaction, model=model)


def record_update(run_id: str, *, added: Sequence[str], removed: Sequence[str]) -> None:
    """Log that tags of a run were changed, with the tags, the caller, and the id of the request if known."""
    _record("run updated", run_id=run_id, added=list(added) or None, removed=list(removed) or None)


def record_deletion(run_id: str) -> None:
    """Log that a run was deleted, with the caller, and the id of the request if known."""
    _record("run deleted", run_id=run_id)


def _record(event: str, **fields: Any) -> None:
    known = {name: value for name, value in fields.items() if value is not None}
    log.info(event, extra={FIELDS: {**known, "caller": current("caller") or LOCAL}})
