"""`find` said as a search, for the edition that closes `find` to most credentials."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import MISSING

SEARCH_NAMES = {"status": "status", "interaction": "interaction", "environment": "environment", "modelId": "model"}
RANGE_NAMES = {"$gte": "start", "$lt": "end"}


def as_search(query: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `query` of a search that selects the same runs as the MongoDB filter, or None where there is none."""
    search: dict[str, Any] = {}
    for field, condition in query.items():
        match field, condition:
            case (("status" | "interaction" | "environment" | "modelId"), str() | {"$eq": str()}):
                search[SEARCH_NAMES[field]] = condition if isinstance(condition, str) else condition["$eq"]
            case "tags", str():
                search["tags"] = [condition]
            case "tags", {"$all": list(tags), **rest} if not rest:
                search["tags"] = tags
            case "created_at", Mapping() if condition and set(condition) <= set(RANGE_NAMES):
                search |= {RANGE_NAMES[operator]: bound for operator, bound in condition.items()}
            case _:
                return None
    return search


def selected(document: Mapping[str, Any], select: Sequence[str] | MISSING) -> dict[str, Any]:
    """The fields of `document` that a selection asks for."""
    if select is MISSING or not select:
        return dict(document)
    excluded = {name[1:] for name in select if name.startswith("-")}
    if excluded:
        return {name: value for name, value in document.items() if name not in excluded}
    return {name: document[name] for name in (one.split(".")[0] for one in select) if name in document}
