"""JSON that every host reads: numbers that JavaScript or JSON cannot hold are written as texts."""

from collections.abc import Mapping
from math import isfinite, isnan
from typing import Any

import orjson
from pydantic_core import to_json

LARGEST_EXACT = 2**53 - 1
"""The largest integer up to which JavaScript keeps every digit."""


def compact_json(value: Any) -> bytes:
    """Return `value` as JSON that is measured or searched, but not sent: NaN and infinities may be null."""
    # orjson takes a third of the time of pydantic, but rejects integers beyond 64 bits and models.
    try:
        return orjson.dumps(value)
    except TypeError:
        return to_json(value, inf_nan_mode="constants", serialize_unknown=True)


def for_javascript(document: dict[str, Any]) -> dict[str, Any]:
    """Return `document` with NaN, infinities, and integers beyond 2^53 as texts."""
    if _is_portable(document):
        return document
    return {name: _portable(value) for name, value in document.items()}


def _is_portable(document: Mapping[str, Any]) -> bool:
    # Hardly any document needs a change. orjson finds large integers in a tenth of the time of a walk through it.
    try:
        encoded = orjson.dumps(document, option=orjson.OPT_STRICT_INTEGER)
    except TypeError:
        return False
    if b"null" not in encoded:  # which orjson also writes for NaN and infinities
        return True
    exact = to_json(document, inf_nan_mode="constants")
    return b"NaN" not in exact and b"Infinity" not in exact


def _portable(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= LARGEST_EXACT else str(value)
        case float():
            return value if isfinite(value) else _named(value)
        case Mapping():
            return {str(name): _portable(item) for name, item in value.items()}
        case list() | tuple():
            return [_portable(item) for item in value]
        case _:
            return value


def dumps(value: Any) -> str:
    """Return `value` as JSON with every digit of its integers; NaN and infinities, which JSON lacks, as texts."""
    return to_json(value, inf_nan_mode="strings").decode()


def _named(number: float) -> str:
    if isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"
