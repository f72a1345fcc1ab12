"""Translation between the filters of a search and MongoDB filters, where both can select the same runs."""

from collections.abc import Mapping
from typing import Any

from pydantic import MISSING

from runs_mcp.api import Edition
from runs_mcp.api.extended_json import plain_filter
from runs_mcp.api.filters import EXCLUSIVE
from runs_mcp.api.payloads import parse_timestamp
from runs_mcp.api.search_fallback import conditions_of, search_for
from runs_mcp.server.aggregate.time_slices import TimeSlice

FIND_FIELDS = {"status": "status", "interaction": "interaction", "environment": "environment", "model": "modelId"}
"""Filters of a search, and the fields of a MongoDB filter that mean the same."""
Filters = Mapping[str, Any]


def mongo_filter(filters: Filters) -> dict[str, Any] | None:
    """Return the MongoDB filter that selects the same runs, without the creation times; None if no filter does."""
    query: dict[str, Any] = {}
    for name, value in filters.items():
        if value is MISSING:
            continue
        if name in FIND_FIELDS:
            query[FIND_FIELDS[name]] = value
        elif name == "tags":
            query["tags"] = {"$all": list(value)}
        elif name == "parent":
            query["parent"] = {"$in": list(value)}
        else:
            return None
    return query


def joined(query: Filters, other: Filters) -> dict[str, Any]:
    """Return a MongoDB filter that selects the runs which both select."""
    return {"$and": [dict(query), dict(other)]} if query.keys() & other.keys() else {**query, **other}


def with_search_filters(
    edition: Edition, filters: Filters, span: TimeSlice, where: Filters
) -> tuple[Filters, TimeSlice, Filters]:
    """Return `filters` and `span` with the conditions of `where` that a search expresses, and the other conditions."""
    searched, rest = dict(filters), dict[str, Any]()
    for field, condition in conditions_of(plain_filter(where)):
        search = search_for(edition, {field: condition})
        if search and field == "created_at":
            span = span.within(_slice(search))
        elif search and _fit(searched, search):
            searched |= search
        else:
            rest = joined(rest, {field: condition})
    return searched, span, rest


def _fit(filters: Filters, others: Filters) -> bool:
    """Return True if one search can have both."""
    agree = all(filters.get(name, value) == value for name, value in others.items())
    return agree and not {*filters, *others} >= EXCLUSIVE


def _slice(search: Filters) -> TimeSlice:
    """Return the creation times of a search."""
    bounds = {name: parse_timestamp(text) for name, text in search.items()}
    return TimeSlice(bounds.get("start"), bounds.get("end"))
