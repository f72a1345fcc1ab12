"""The rejection of conditions on content that is not shown: their answers would reveal it piece by piece."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import MISSING

from runs_mcp.api import InvalidArgumentError
from runs_mcp.config.settings import ServerSettings
from runs_mcp.server.privacy.content_policy import FACTS

LOGICAL = ("$and", "$or", "$nor")


def reject_conditions_on_content(
    settings: ServerSettings, *, text: str | MISSING = MISSING, where: Mapping[str, Any] | MISSING = MISSING
) -> None:
    """Reject a full-text query, or a MongoDB filter on content, if `server.content` is `none`.

    Raises:
        InvalidArgumentError: a condition is on content, or may be.
    """
    if settings.content == "full":
        return
    if text is not MISSING:
        raise InvalidArgumentError(
            "`query`: full text searches the content of runs, which is not shown (server.content is none); "
            "use name, tags, dates and the other filters"
        )
    if where is not MISSING and (field := next(_on_content(where), None)):
        raise InvalidArgumentError(
            f"`{field}`: conditions on the content of runs are rejected (server.content is none); "
            "use status, modelId, interaction, environment, tags, times, token_use or error.code"
        )


def _on_content(where: Mapping[str, Any]) -> Iterator[str]:
    for name, condition in where.items():
        if name in LOGICAL and isinstance(condition, list):
            for part in condition:
                if isinstance(part, Mapping):
                    yield from _on_content(part)
        elif name.partition(".")[0] not in FACTS and name != "error.code":
            yield name
