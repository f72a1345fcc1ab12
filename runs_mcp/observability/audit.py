"""The audit log: a line for each run that the server starts, and for each change of a run."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from runs_mcp.api import RunsApiError
from runs_mcp.observability.logs import FIELDS, current

log = logging.getLogger(__name__)
LOCAL = "local"
"""The caller of a server that does not distinguish callers."""
DONE, UNKNOWN = "done", "unknown"
"""Outcomes of a change that was sent."""


def record_start(run_id: str, *, interaction: str | None, model: str | None) -> None:
    """Log that a run was started, with its interaction and model, the caller, and the id of the request if known."""
    _record("run started", run_id=run_id, interaction=interaction, model=model)


@contextmanager
def recorded_update(run_id: str, *, added: Sequence[str], removed: Sequence[str]) -> Iterator[None]:
    """Log the change of the tags of a run that the block sends, with the tags, the caller and the outcome."""
    with _recorded_change("run update", run_id=run_id, added=list(added) or None, removed=list(removed) or None):
        yield


@contextmanager
def recorded_deletion(run_id: str) -> Iterator[None]:
    """Log the deletion of a run that the block sends, with the caller and the outcome."""
    with _recorded_change("run deletion", run_id=run_id):
        yield


@contextmanager
def _recorded_change(event: str, **fields: Any) -> Iterator[None]:
    """Log `event` at the end of the block, unless the API refused the change.

    The outcome is `unknown` if the answer of the API was lost, or the call was cancelled before the answer.
    """
    outcome: str | None = UNKNOWN
    try:
        yield
        outcome = DONE
    except RunsApiError as error:
        outcome = UNKNOWN if error.outcome_unknown else None
        raise
    finally:
        if outcome:
            _record(event, **fields, outcome=outcome)


def _record(event: str, **fields: Any) -> None:
    known = {name: value for name, value in fields.items() if value is not None}
    log.info(event, extra={FIELDS: {**known, "caller": current("caller") or LOCAL}})
