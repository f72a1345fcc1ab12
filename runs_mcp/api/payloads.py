"""JSON, and its texts, numbers and times, as the API reads and writes them."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import MISSING
from pydantic_core import from_json

MS_PER_S = 1_000
EPOCH_S = range(10**9, 10**10)
EPOCH_MS = range(10**12, 10**13)
"""Ten digits of seconds and thirteen digits of milliseconds: the years 2001 to 2286."""
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half of a surrogate pair: JavaScript writes one where it cut a text, and UTF-8 cannot hold it."""


def decode_json(sent: bytes | str) -> Any:
    """Return the value that the JSON text `sent` holds, with halves of surrogate pairs replaced by U+FFFD.

    Raises:
        ValueError: `sent` is not JSON, or it is nested too deeply.
    """
    try:
        return from_json(sent)
    except ValueError:
        raw = sent.encode(errors="replace") if isinstance(sent, str) else sent
        repaired, count = _LONE_SURROGATE.subn(rb"\\ufffd", raw)
        if not count:
            raise
        return from_json(repaired)


def drop_unset(**arguments: Any) -> dict[str, Any]:
    """Return the arguments other than `MISSING`, `None`, `{}` and `[]`: today's API rejects null."""
    return {
        name: value
        for name, value in arguments.items()
        if value is not MISSING and value is not None and value not in ({}, [])
    }


def read_text(value: Any) -> str | None:
    """Return `value` if it is a text, else None."""
    return value if isinstance(value, str) else None


def read_words(value: Any) -> str | None:
    """Return `value` as a text: a text as it is, other values as JSON; None if it is missing or empty."""
    if value in (None, "", [], {}):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_texts(value: Any) -> list[str]:
    """Return the texts in a list, or a single text as a list; an empty list for any other value."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def read_count(value: Any) -> int | None:
    """Return `value` if it is a whole number, else None; true and false are no numbers."""
    return value if type(value) is int else None


def format_timestamp(moment: datetime) -> str:
    """Return `moment` as the API writes times: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(sent: Any) -> datetime | None:
    """Return the time that an ISO 8601 text, or a number since 1970, names, in UTC; None if it names none.

    A text without a time zone is UTC.
    """
    try:
        if isinstance(sent, int | float):
            return since_epoch(sent)
        moment = datetime.fromisoformat(sent)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def since_epoch(number: float) -> datetime | None:
    """Return the time that `number` names in seconds or milliseconds since 1970; None if it is neither."""
    if int(number) in EPOCH_S:
        return datetime.fromtimestamp(number, UTC)
    return datetime.fromtimestamp(number / MS_PER_S, UTC) if int(number) in EPOCH_MS else None
