"""MongoDB extended JSON in filters, such as `{"$date": …}`, which the API does not read: it takes plain JSON."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from runs_mcp.api.errors import InvalidArgumentError
from runs_mcp.api.payloads import MS_PER_S, format_timestamp, parse_timestamp

WITHOUT_PLAIN_FORM = frozenset(
    "$binary $uuid $timestamp $minKey $maxKey $undefined $symbol $code $scope $dbPointer".split()
)


def plain_filter(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a MongoDB filter with values of extended JSON replaced by plain JSON: dates by texts in ISO 8601.

    Raises:
        InvalidArgumentError: a value has no plain form.
    """
    _require_plain(query)
    return {name: _plain(value) for name, value in query.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1 and (read := READERS.get(next(iter(value)))):
        [(name, written)] = value.items()
        return _read(read, name, written)
    _require_plain(value)
    return {name: _plain(inner) for name, inner in value.items()}


def _require_plain(value: Mapping[str, Any]) -> None:
    if unknown := (WITHOUT_PLAIN_FORM | READERS.keys()) & value.keys():
        raise InvalidArgumentError(f"MongoDB filter: {min(unknown)} of extended JSON cannot be sent; use plain JSON")


def _read(read: Callable[[Any], Any], name: str, written: Any) -> Any:
    try:
        return read(written)
    except (TypeError, ValueError, KeyError, OverflowError, OSError):
        text = f"MongoDB filter: {name} does not hold a value of extended JSON; use plain JSON"
        raise InvalidArgumentError(text) from None


def _date(written: Any) -> str:
    """Return a date, which is written as a text in ISO 8601, or as milliseconds since 1970."""
    if isinstance(written, Mapping):
        written = _whole(written["$numberLong"])
    if isinstance(written, int) and not isinstance(written, bool):
        return format_timestamp(datetime.fromtimestamp(written / MS_PER_S, UTC))
    moment = parse_timestamp(written)
    if moment is None:
        raise ValueError(written)
    return format_timestamp(moment)


def _whole(written: Any) -> int:
    """Return a whole number, which is written as a text in canonical form."""
    if isinstance(written, bool | float):
        raise TypeError(written)
    return int(written)


def _finite(written: Any) -> float:
    """Return a number that JSON has: not infinite, and not NaN."""
    number = float(written)
    if isinstance(written, bool) or not isfinite(number):
        raise ValueError(written)
    return number


def _text(written: Any) -> str:
    if not isinstance(written, str):
        raise TypeError(written)
    return written


def _pattern(written: Any) -> dict[str, str]:
    options = {"$options": _text(written["options"])} if written.get("options") else {}
    return {"$regex": _text(written["pattern"]), **options}


READERS: Mapping[str, Callable[[Any], Any]] = {
    "$date": _date,
    "$oid": _text,
    "$numberInt": _whole,
    "$numberLong": _whole,
    "$numberDouble": _finite,
    "$numberDecimal": _finite,
    "$regularExpression": _pattern,
}
"""Readers of the values that have a plain form, by their only key."""
