"""Parameters that tools share: type, bounds and description of each."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import MISSING, AfterValidator, BeforeValidator, Field, WithJsonSchema

from runs_mcp.api.payloads import since_epoch
from runs_mcp.server.runs.uris import SCHEME

Value = TypeVar("Value")

MAX_PAGE = 100
MAX_BATCH = 50
"""Most runs in one call."""
MAX_FOUND = 1_000
MAX_AGE = timedelta(days=36_500)
_AGE = re.compile(r"(?P<number>\d{1,9})\s*(?P<unit>[smhdw]|[SHDW])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,199}")


def run_id(text: str) -> str:
    """Return `text` if it can be the id of a run.

    Raises:
        ValueError: it is empty, too long, or contains characters that could change the path of a request.
    """
    if not _RUN_ID.fullmatch(text):
        raise ValueError(
            "not a run id (up to 200 letters, digits and the characters - _ . : @, beginning with a letter or digit)"
        )
    return text


def named_run(text: str) -> str:
    """Return the id of the run that `text` names: by its id, or by its resource `runs://{run_id}`.

    Raises:
        ValueError: as `run_id`.
    """
    return run_id(text.strip().removeprefix(SCHEME))


def moment(value: Any) -> datetime:
    """Return the time that `value` names: ISO 8601, an age such as `24h`, or epoch seconds or milliseconds.

    ISO 8601 without a time zone is UTC. Ages use s, m (minutes), h, d and w, up to 36,500 days.

    Raises:
        ValueError: it is none of these, or out of bounds.
    """
    text = str(value).strip()
    if age := _AGE.fullmatch(text):
        return _ago(int(age["number"]), age["unit"].lower())
    if re.fullmatch(r"\d{10,14}(\.\d+)?", text):
        if known := since_epoch(float(text)):
            return known
        raise ValueError("epoch seconds have 10 digits, epoch milliseconds 13")
    # `m` is minutes. Models write `3M` for three months, and would get the runs of three minutes without a warning.
    if re.fullmatch(r"\d+\s*M", text):
        raise ValueError("M is ambiguous: write 90m for minutes, or a number of days such as 30d for months")
    try:
        parsed = datetime.fromisoformat(text)
        parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "neither an ISO 8601 date or time, nor an age such as 24h or 7d, nor epoch seconds or milliseconds; "
            f"it is {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        ) from None


def _ago(number: int, unit: str) -> datetime:
    try:
        age = timedelta(**{_UNITS[unit]: number})
    except OverflowError:
        age = timedelta.max
    if age > MAX_AGE:
        raise ValueError(f"an age is at most {MAX_AGE.days:,} days")
    return datetime.now(UTC) - age


def listed(value: Any) -> Any:
    """Return a list with one item for a bare string, which some models send in place of a list."""
    return [value] if isinstance(value, str) else value


def short_list(description: str) -> WithJsonSchema:
    """Return the published schema of a list of texts, without their bounds, which cost tokens."""
    return WithJsonSchema({"type": "array", "items": {"type": "string"}, "description": description})


def given(value: Value | MISSING) -> Value | None:
    """Return `value`, or None for a parameter that was not set."""
    return None if value is MISSING else value


def lower(value: Any) -> Any:
    """Return a text in lower case, since some models write `COMPLETED`; other values unchanged."""
    return value.lower() if isinstance(value, str) else value


FREE_TEXT = "free text"
"""Metadata of parameters in which every text is literal, so that "null" does not mean "not set"."""
NULLABLE = "nullable"
"""Metadata of parameters for which null is a value."""
Name = Annotated[str, Field(min_length=1, max_length=500)]

RunId = Annotated[Name, AfterValidator(named_run), Field(description="Id of a run")]
RunIds = Annotated[
    list[Annotated[Name, AfterValidator(named_run)]],
    BeforeValidator(listed),
    Field(min_length=1, max_length=MAX_BATCH, description="Run ids, 1 to 50"),
]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="Maximum runs")]
FoundLimit = Annotated[int, Field(ge=1, le=MAX_FOUND, description="Maximum runs; over 100 only with select")]
Offset = Annotated[int, Field(ge=0, description="Runs to skip")]
Tail = Annotated[int, Field(ge=1, le=1_000_000, description="Last n characters of large fields")]
RunStatus = Literal["created", "processing", "completed", "failed"]
Status = Annotated[RunStatus, BeforeValidator(lower)]
Interaction = Annotated[Name, Field(description="Id or name")]
Environment = Annotated[Name, Field(description="Id or name")]
Model = Annotated[Name, Field(description="Model id, e.g. gpt-4o")]
Tags = Annotated[list[Name], BeforeValidator(listed), Field(max_length=50)]
Start = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema(
        {"type": "string", "description": "Created at or after: ISO 8601 (UTC if no zone), epoch, or an age: 24h, 7d"}
    ),
]
End = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "description": "Created before: ISO 8601, or an age"}),
]
