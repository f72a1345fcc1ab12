"""The time that clients wait for an answer. Some give up after a few seconds, while their run continues and costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from runs_mcp.config.settings import StreamingSettings

API_GRACE_S = 2.0
"""Seconds after the wait within which a response of the API is still useful. Most clients time out only after 60 s."""
IMPATIENT_GRACE_S = 0.25
"""The same for clients whose wait is set by their name."""
IMPATIENT: Mapping[str, float] = {
    "openai-agents*": 4,
    "google-adk*": 4,
    "agno*": 8,
}
"""Seconds to wait for runs, by the names of clients that give up early. Some versions of openai-agents (5 s) and agno
(10 s) send `mcp`, the default name of the Python SDK, which patient clients send as well; operators can set it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The time that a client waits for an answer."""

    wait_s: float
    """Seconds to wait for a run."""
    grace_s: float = API_GRACE_S
    """Further seconds to wait for a response of the API."""


def patience_of(client: str, settings: StreamingSettings) -> Patience:
    """Return the patience of the client with a name: that of `streaming.clients`, the built-in one, or `max_wait_s`."""
    if (wait_s := _by_name(client, settings.clients)) is not None:
        return Patience(wait_s, IMPATIENT_GRACE_S)
    wait_s = _by_name(client, IMPATIENT)
    if wait_s is not None and wait_s < settings.max_wait_s:
        return Patience(wait_s, IMPATIENT_GRACE_S)
    return Patience(settings.max_wait_s)


def _by_name(client: str, waits: Mapping[str, float]) -> float | None:
    """Return the value of the first pattern that `client` matches, in any case."""
    name = client.lower()
    return next((wait_s for pattern, wait_s in waits.items() if fnmatchcase(name, pattern.lower())), None)
