"""The audit log: one line for each run that the server starts."""

import logging

from runs_mcp.observability.logs import FIELDS, current

log = logging.getLogger(__name__)
LOCAL = "local"
"""The caller of a server without authentication: the user of the machine, over stdio or loopback."""


def record_start(run_id: str, *, interaction: str | None, model: str | None) -> None:
    """Log that a run was started, with its interaction and model, the caller, and the id of the request if known."""
    fields = {"run_id": run_id, "interaction": interaction, "model": model, "caller": current("caller") or LOCAL}
    log.info("run started", extra={FIELDS: {name: value for name, value in fields.items() if value is not None}})
