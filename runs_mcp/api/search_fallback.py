"""Searches that replace `find` in editions that close `find` to most credentials."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import MISSING

SEARCH_NAMES = {"status": "status", "interaction": "interaction", "environment": "environment", "modelId": "model"}
RANGE_NAMES = {"$gte": "start", "$lt": "end"}


def search_for(query: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the search `query` that selects the same runs as a MongoDB filter, or None if no search does."""
    search: dict[str, Any] = {}
    for field, condition in query.items():
        expressed = _search_filters(field, condition)
        if expressed is None:
            return None
        search |= expressed
    return search


def _search_filters(field: str, condition: Any) -> dict[str, Any] | None:
    """Return the search filters that mean the same as one condition, or None. A search ignores empty values."""
    match field, condition:
        case (("status" | "interaction" | "environment" | "modelId"), str(value)) if value:
            return {SEARCH_NAMES[field]: value}
        case _, {"$eq": str(value), **rest} if not rest:
            return _search_filters(field, value)
        case "tags", str(tag) if tag:
            return {"tags": [tag]}
        case "tags", {"$all": [*tags], **rest} if tags and not rest and all(isinstance(tag, str) for tag in tags):
            return {"tags": tags}
        case "created_at", Mapping() if condition and condition.keys() <= RANGE_NAMES.keys():
            texts = all(isinstance(bound, str) for bound in condition.values())
            return {RANGE_NAMES[operator]: bound for operator, bound in condition.items()} if texts else None
        case _:
            return None


def select_fields(document: Mapping[str, Any], select: Sequence[str] | MISSING) -> dict[str, Any]:
    """Return the fields of `document` that a selection names; `-name` leaves a field out."""
    if select is MISSING or not select:
        return dict(document)
    excluded = {name[1:] for name in select if name.startswith("-")}
    if excluded:
        return {name: value for name, value in document.items() if name not in excluded}
    return {name: document[name] for name in (path.split(".")[0] for path in select) if name in document}
