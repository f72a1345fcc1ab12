"""Times in MongoDB filters, which may be written as in the arguments of other tools: as an age, `24h`, or an epoch."""

from collections.abc import Mapping
from typing import Any

from runs_mcp.api import InvalidArgumentError
from runs_mcp.api.payloads import format_timestamp, parse_timestamp
from runs_mcp.server.params import moment

TIME_FIELDS = ("created_at", "updated_at")
COMPARISONS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$not")


def with_iso_times(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a MongoDB filter in which the times are texts in ISO 8601, as the API compares them.

    Raises:
        InvalidArgumentError: a value compared with a time names none. The API would find no run by it.
    """
    return {field: _condition(field, condition) for field, condition in query.items()}


def _condition(field: str, condition: Any) -> Any:
    if field in ("$and", "$or", "$nor") and isinstance(condition, list):
        return [with_iso_times(part) if isinstance(part, Mapping) else part for part in condition]
    return _iso_time(field, condition) if field in TIME_FIELDS else condition


def _iso_time(field: str, value: Any) -> Any:
    match value:
        case Mapping():
            return {
                operator: _iso_time(field, operand) if operator in COMPARISONS else operand
                for operator, operand in value.items()
            }
        case list():
            return [_iso_time(field, item) for item in value]
        case None:
            return value
        case str() if parse_timestamp(value):
            return value
    try:
        return format_timestamp(moment(value))
    except ValueError as error:
        raise InvalidArgumentError(f"`{field}`: {error} (got {value!r})") from None
