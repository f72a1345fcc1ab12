"""Tags with which the server marks the runs that it creates, to find them again. Results do not show them."""

from collections.abc import Mapping
from typing import Any

PREFIX = "runs-mcp:"


def is_own(tag: str) -> bool:
    """Return True if `tag` is reserved for the server, whatever its case and surrounding spaces."""
    return ":" in tag and tag.strip().casefold().startswith(PREFIX)


def require_free(tags: list[str]) -> list[str]:
    """Return `tags` if a caller may set them.

    Raises:
        ValueError: a tag is reserved for the server.
    """
    if reserved := next(filter(is_own, tags), None):
        raise ValueError(f"{reserved!r} is reserved: tags that begin with {PREFIX} are set by the server alone")
    return tags


def without_own(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run's document without the server's own tags."""
    tags = document.get("tags")
    if not isinstance(tags, list):
        return document
    others = [tag for tag in tags if not (isinstance(tag, str) and is_own(tag))]
    return document if len(others) == len(tags) else {**document, "tags": others}
