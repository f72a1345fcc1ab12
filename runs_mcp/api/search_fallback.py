"""Searches that replace `find` where the API closes `find` to the credential."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import MISSING

from runs_mcp.api.editions import Edition
from runs_mcp.api.filters import EXCLUSIVE
from runs_mcp.api.payloads import format_timestamp, parse_timestamp

Search = dict[str, Any]
Translate = Callable[[Any], Search | None]
"""Returns the filters of a search that mean the same as a condition on a field; None if no filters do."""
TICK = timedelta(milliseconds=1)
"""The precision of times in the API."""
MICROSECONDS_PER_TICK = 1_000
BOUNDS: Mapping[str, tuple[str, timedelta]] = {
    "$gte": ("start", timedelta(0)),
    "$gt": ("start", TICK),
    "$lt": ("end", timedelta(0)),
    "$lte": ("end", TICK),
}
"""A search selects from its start on, and before its end."""
NOT_IN_SEARCHES = frozenset({"prompt"})
"""Fields of a run that `find` returns and `search` does not."""


def search_for(edition: Edition, query: Mapping[str, Any]) -> Search | None:
    """Return the search `query` that selects the same runs as a MongoDB filter, or None if no search does."""
    search: Search = {}
    translations = {**TRANSLATIONS, **(CURRENT_TRANSLATIONS if edition.current_filters else {})}
    for field, condition in conditions_of(query):
        translate = translations.get(field)
        translated = translate(condition) if translate else None
        if translated is None or translated.keys() & search.keys():
            return None
        search |= translated
    return None if search.keys() >= EXCLUSIVE else search


def select_fields(document: Mapping[str, Any], select: Sequence[str] | MISSING) -> dict[str, Any]:
    """Return the fields of `document` that a selection names; `-name` leaves a field out."""
    if select is MISSING or not select:
        return dict(document)
    excluded = {name[1:] for name in select if name.startswith("-")}
    if excluded:
        return {name: value for name, value in document.items() if name not in excluded}
    return {name: document[name] for name in (path.split(".")[0] for path in select) if name in document}


def is_in_searches(select: Sequence[str] | MISSING) -> bool:
    """Return True if a search returns every field that a selection names."""
    return select is MISSING or not NOT_IN_SEARCHES & {path.split(".")[0] for path in select}


def conditions_of(query: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield the conditions of a filter by field, with those inside `$and`, all of which have to hold."""
    for field, condition in query.items():
        # An empty list is an error in MongoDB.
        if field == "$and" and condition and isinstance(condition, list) and _are_filters(condition):
            for part in condition:
                yield from conditions_of(part)
        else:
            yield field, condition


def _equal(name: str, condition: Any) -> Search | None:
    match condition:
        case str(value) | {"$eq": str(value)} if value and (isinstance(condition, str) or len(condition) == 1):
            return {name: value}  # a search ignores an empty value
        case _:
            return None


def _among(name: str, condition: Any) -> Search | None:
    """Return the filter of a search that takes several values, one of which a run has to have."""
    if equal := _equal(name, condition):
        return {name: [equal[name]]}
    return _listed(name, "$in", condition)


def _listed(name: str, operator: str, condition: Any) -> Search | None:
    match condition:
        # An empty list matches no run in MongoDB, and is no filter in a search.
        case {**only} if list(only) == [operator] and _are_texts(only[operator]):
            return {name: only[operator]}
        case _:
            return None


def _tags(condition: Any) -> Search | None:
    return {"tags": [condition]} if condition and isinstance(condition, str) else _listed("tags", "$all", condition)


def _current_tags(condition: Any) -> Search | None:
    return _tags(condition) or _listed("exclude_tags", "$nin", condition)


def _created(condition: Any) -> Search | None:
    if not isinstance(condition, Mapping) or not condition or not condition.keys() <= BOUNDS.keys():
        return None
    search: Search = {}
    for operator, bound in condition.items():
        name, later = BOUNDS[operator]
        moment = parse_timestamp(bound)
        if moment is None or name in search or moment.microsecond % MICROSECONDS_PER_TICK:
            return None
        try:
            search[name] = format_timestamp(moment + later)
        except OverflowError:  # the last millisecond of the year 9999
            return None
    return search


def _current_parent(condition: Any) -> Search | None:
    match condition:
        case None:
            return {"is_root": True}
        case {"$ne": None} if len(condition) == 1:
            return {"is_root": False}
        case _:
            return _among("parent", condition)


def _are_filters(parts: list[Any]) -> bool:
    return all(isinstance(part, Mapping) for part in parts)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


TRANSLATIONS: Mapping[str, Translate] = {
    "status": partial(_equal, "status"),
    "interaction": partial(_equal, "interaction"),
    "environment": partial(_equal, "environment"),
    "modelId": partial(_equal, "model"),
    "tags": _tags,
    "created_at": _created,
    "parent": partial(_among, "parent"),
}
CURRENT_TRANSLATIONS: Mapping[str, Translate] = {
    "_id": partial(_among, "run_ids"),
    "id": partial(_among, "run_ids"),
    "finish_reason": partial(_equal, "finish_reason"),
    "created_by": partial(_equal, "created_by"),
    "workflow.run_id": partial(_among, "workflow_run_ids"),
    "tags": _current_tags,
    "parent": _current_parent,
}
