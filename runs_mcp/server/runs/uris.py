"""The URIs of runs as resources."""

from collections.abc import Sequence

SCHEME = "runs://"
PARTS = ("result", "parameters", "prompt")
"""What of a run is a resource of its own, below it."""


def uri_of(run_id: str, part: str | None = None) -> str:
    """The URI of a part of a run; of the run, where the part is none of its own."""
    return f"{SCHEME}{run_id}/{part}" if part in PARTS else f"{SCHEME}{run_id}"


def uris_of(run_id: str) -> Sequence[str]:
    """Every URI that a run can be watched by."""
    return [uri_of(run_id), *(uri_of(run_id, part) for part in PARTS)]
