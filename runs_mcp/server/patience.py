"""The time that clients wait for an answer. Some give up after a few seconds, while their run continues and costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import MISSING

from runs_mcp.config.settings import StreamingSettings

API_GRACE_S = 2.0
"""Seconds after the wait within which a response of the API is still useful. Most clients time out only after 60 s."""
IMPATIENT_GRACE_S = 0.25
"""The same for clients whose wait is set by their name."""
IMPATIENT: Mapping[str, float] = {
    "openai-agents*": 4,
    "google-adk*": 4,
    "agno*": 8,
    "mcp": 4,
    "fastmcp": 8,
}
"""Seconds to wait for runs, by the names of clients that give up early.

openai-agents (5 s) sends `mcp`, the name that the Python SDK sends by default, and agno (10 s) sends that of FastMCP.
Patient clients send these names as well. They get an early answer, which costs another call; an impatient client that
gets none repeats the create, which costs another run.
"""


@dataclass(frozen=True, slots=True)
class Patience:
    """The time that a client waits for an answer."""

    wait_s: float
    """Seconds to wait for a run."""
    grace_s: float = API_GRACE_S
    """Further seconds to wait for a response of the API."""


def patience_of(client: str, settings: StreamingSettings, *, answers_questions: bool = False) -> Patience:
    """Return the patience of the client with a name: that of `streaming.clients`, the built-in one, or `max_wait_s`.

    No built-in value counts for a client that answers questions: it waits for people, and none of those that give up
    early does so.
    """
    if (wait_s := _by_name(client, settings.clients)) is not None:
        return Patience(wait_s, IMPATIENT_GRACE_S)
    wait_s = None if answers_questions else _by_name(client, IMPATIENT)
    if wait_s is not None and wait_s < settings.max_wait_s:
        return Patience(wait_s, IMPATIENT_GRACE_S)
    return Patience(settings.max_wait_s)


def seconds_to_wait(*, wait: bool | MISSING, wait_s: float | MISSING) -> float:
    """Return how many seconds a call asks to wait: 0 to answer at once, infinity if it sets no bound.

    `wait_s=0` answers at once, like `wait=false`. Next to `wait=true` it means unset: in strict mode, models must send
    every argument, and write 0 for those that they do not want.
    """
    if wait is not MISSING and not wait:
        return 0
    if wait_s is MISSING or (wait is not MISSING and wait_s == 0):
        return math.inf
    return wait_s


def _by_name(client: str, waits: Mapping[str, float]) -> float | None:
    """Return the value of the first pattern that `client` matches, in any case."""
    name = client.lower()
    return next((wait_s for pattern, wait_s in waits.items() if fnmatchcase(name, pattern.lower())), None)
