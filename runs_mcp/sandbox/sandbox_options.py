"""The options of a sandbox, with those that make it misbehave for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from runs_mcp.sandbox.access import LIFETIME_S
from runs_mcp.sandbox.demo.samples import SEED

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
    "environments",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedAnswer:
    """An answer that an operation gives to every request, whatever it asks."""

    status: int
    body: str = ""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def closed(*operations: Operation, status: Literal[401, 403, 404, 405] = 403) -> dict[Operation, FixedAnswer]:
    """Return the answers that close `operations` to every credential, as the platform closes its internal ones."""
    phrases = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
    phrase = phrases[status]
    body = f'{{"error":"{phrase}","status":{status},"message":"{phrase}"}}'
    return dict.fromkeys(operations, FixedAnswer(status=status, body=body))


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
    """The number of runs that may execute at once; more are answered with 429."""
    token_lifetime_s: float = LIFETIME_S
    """The lifetime of a token, in seconds."""
    odd_interactions: bool = False
    """Whether to offer interactions with unusable schemas and difficult names as well."""
    answers: Mapping[Operation, FixedAnswer] = field(default_factory=dict)
    """Fixed answers by operation; `closed` makes those of a credential with few permissions."""
