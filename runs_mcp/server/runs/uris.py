"""URIs of runs as resources."""

from collections.abc import Sequence

SCHEME = "runs://"
PARTS = ("result", "parameters", "prompt")
"""Fields of a run that are resources of their own, `runs://{run_id}/{part}`."""


def uri_of(run_id: str, part: str | None = None) -> str:
    """Return the URI of a field of a run; the URI of the run if the field is not a resource of its own."""
    return f"{SCHEME}{run_id}/{part}" if part in PARTS else f"{SCHEME}{run_id}"


def uris_of(run_id: str) -> Sequence[str]:
    """Return every URI of a run that a client can subscribe to."""
    return [uri_of(run_id), *(uri_of(run_id, part) for part in PARTS)]
