"""The parameters tools share: type, bounds and description, each said once."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

MAX_PAGE = 100
_AGE = re.compile(r"(?P<number>\d{1,6})\s*(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,199}")


def run_id(text: str) -> str:
    """`text`, if it can only address a run.

    Raises:
        ValueError: it is empty, too long, or holds something a path could be made of.
    """
    if not _RUN_ID.fullmatch(text):
        raise ValueError("not a run id (letters, digits, - and _); list_runs shows the ids there are")
    return text


def moment(value: Any) -> datetime:
    """A point in time, from ISO 8601 (UTC where it names no zone) or an age such as `24h` or `7d`.

    Raises:
        ValueError: it is neither.
    """
    text = str(value).strip()
    if age := _AGE.fullmatch(text.lower()):
        return datetime.now(UTC) - timedelta(**{_UNITS[age["unit"]]: int(age["number"])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("neither an ISO 8601 date or time nor an age such as 24h or 7d") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def listed(value: Any) -> Any:
    """A list of one, where a model sent a bare string for a list."""
    return [value] if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _parent(value: Any) -> Any:
    return "false" if value is False else value


FREE_TEXT = "free text"
"""Metadata of parameters in which every text is meant literally, so that "null" does not mean "not set"."""
Name = Annotated[str, Field(min_length=1, max_length=500)]

RunId = Annotated[Name, AfterValidator(run_id), Field(description="Id of a run")]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="How many runs at most")]
Offset = Annotated[int, Field(ge=0, description="How many runs to skip")]
Status = Annotated[Literal["created", "processing", "completed", "failed"], BeforeValidator(_lower)]
Interaction = Annotated[Name, Field(description="Interaction id or name")]
Environment = Annotated[Name, Field(description="Environment id or name")]
Model = Annotated[Name, Field(description="Model id, e.g. gpt-4o")]
Tag = Annotated[Name, Field(description="Only runs with this tag")]
Tags = Annotated[list[Name], BeforeValidator(listed), Field(max_length=50)]
Parent = Annotated[
    Name,
    BeforeValidator(_parent),
    Field(description="Id of the parent run, or false: only runs without a parent"),
]
Start = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "description": "Created at or after: ISO 8601, or an age such as 24h or 7d"}),
]
End = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "description": "Created before: ISO 8601, or an age"}),
]
