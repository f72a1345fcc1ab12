"""The options of a sandbox, including options that imitate failures for tests."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Literal, get_args

from runs_mcp.sandbox.access import LIFETIME_S
from runs_mcp.sandbox.content.samples import SEED

Operation = Literal[
    "list_runs",
    "create_run",
    "get_run",
    "update_run",
    "delete_run",
    "stream_run",
    "facets",
    "search",
    "find",
    "filter_options",
    "interactions",
    "interaction_names",
    "interaction_export",
    "interaction_endpoints",
    "interaction_resolve",
    "environments",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
GROUPS: Mapping[Operation, Operation] = {
    "interaction_names": "interactions",
    "interaction_export": "interactions",
    "interaction_endpoints": "interactions",
    "interaction_resolve": "interactions",
}
"""The groups of operations: closing a group closes all its operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedAnswer:
    """The response of an operation to every request, whatever its content."""

    status: int
    body: str = ""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def closed(*operations: Operation, status: int = 403) -> dict[Operation, FixedAnswer]:
    """Return the answers that close `operations` to every credential, as the platform does with internal operations."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps({"error": phrase, "status": status, "message": phrase})
    return dict.fromkeys(operations, FixedAnswer(status=status, body=body))


def closed_operations(texts: Iterable[str]) -> dict[Operation, FixedAnswer]:
    """Return the answers of the operations that `texts` close: `facets` with 403, `facets=404` with 404.

    Raises:
        ValueError: a text names no operation, or a status that is not an error.
    """
    answers: dict[Operation, FixedAnswer] = {}
    for text in texts:
        name, _, status = text.partition("=")
        operation = next((known for known in OPERATIONS if known == name), None)
        if operation is None:
            raise ValueError(f"unknown operation {name}; the operations are {', '.join(OPERATIONS)}")
        if status and not (status.isdecimal() and 400 <= int(status) < 600):  # noqa: PLR2004 - the errors of HTTP
            raise ValueError(f"{status} is not the status of an error")
        answers |= closed(operation, status=int(status or 403))
    return answers


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """The options of a sandbox."""

    data: Path | None = None
    """The file to keep the runs in; None for memory."""
    seed_runs: int = 200
    """The number of sample runs in a new sandbox."""
    seed: int = SEED
    """The seed of the sample runs: the same seed makes the same runs."""
    events: Literal["message", "chunk"] = "message"
    """The event name of chunks in streams."""
    max_executing: int = 64
    """Maximum number of runs that execute at once; further runs are rejected with 429."""
    token_lifetime_s: float = LIFETIME_S
    """The lifetime of a token, in seconds."""
    odd_interactions: bool = False
    """True to offer interactions with unusable schemas and difficult names as well."""
    answers: Mapping[Operation, FixedAnswer] = field(default_factory=dict)
    """Fixed answers by operation; `closed` returns the answers to a credential with few permissions."""
