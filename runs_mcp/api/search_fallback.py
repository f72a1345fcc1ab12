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
        match field, condition:
            case (("status" | "interaction" | "environment" | "modelId"), str() | {"$eq": str()}):
                search[SEARCH_NAMES[field]] = condition if isinstance(condition, str) else condition["$eq"]
            case "tags", str():
                search["tags"] = [condition]
            case "tags", {"$all": list(tags), **rest} if not rest:
                search["tags"] = tags
            case "created_at", Mapping() if (
                condition and set(condition) <= set(RANGE_NAMES) and all(isinstance(b, str) for b in condition.values())
            ):
                search |= {RANGE_NAMES[operator]: bound for operator, bound in condition.items()}
            case _:
                return None
    return search


def select_fields(document: Mapping[str, Any], select: Sequence[str] | MISSING) -> dict[str, Any]:
    """Return the fields of `document` that a selection names; `-name` leaves a field out."""
    if select is MISSING or not select:
        return dict(document)
    excluded = {name[1:] for name in select if name.startswith("-")}
    if excluded:
        return {name: value for name, value in document.items() if name not in excluded}
    return {name: document[name] for name in (path.split(".")[0] for path in select) if name in document}
