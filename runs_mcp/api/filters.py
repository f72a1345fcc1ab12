"""Arguments of the operations, and the query or body in which each edition expects them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from pydantic import MISSING

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import InvalidArgumentError
from runs_mcp.api.payloads import drop_unset, format_timestamp


class ListFilters(TypedDict, total=False):
    """Filters of `list_runs` and `get_filter_options`. A filter that is absent or `MISSING` is not sent."""

    interaction: str | MISSING
    """Id of the interaction."""
    status: str | Sequence[str] | MISSING
    """`created`, `processing`, `completed` or `failed`; several only where `edition.current_filters`."""
    model: str | Sequence[str] | MISSING
    """Id of the model; several only where `edition.current_filters`."""
    environment: str | MISSING
    """Id of the environment."""
    tag: str | Sequence[str] | MISSING
    """A tag that the runs carry; several, of which they carry any, only where `edition.current_filters`."""
    parent: str | Literal[False] | MISSING
    """Id of the parent run; False: only runs without a parent."""


class SearchFilters(TypedDict, total=False):
    """Filters of `search_runs` and `compute_facets`. A filter that is absent or `MISSING` is not sent."""

    query: str | MISSING
    """Full text to search for."""
    name: str | MISSING
    """Name of the interaction."""
    status: str | MISSING
    """`created`, `processing`, `completed` or `failed`."""
    interaction: str | MISSING
    """Id of the interaction."""
    environment: str | MISSING
    """Id of the environment."""
    model: str | MISSING
    """Id of the model."""
    tags: Sequence[str] | MISSING
    """Tags of which the runs carry all."""
    parent: Sequence[str] | MISSING
    """Ids of parent runs."""
    object: str | MISSING
    """Id of the content object that the runs are about."""
    start: datetime | MISSING
    """Earliest creation time, inclusive. A time without a zone is local time."""
    end: datetime | MISSING
    """Latest creation time, exclusive. A time without a zone is local time."""
    exclude_tags: Sequence[str] | MISSING
    """Tags of which the runs carry none. This and the following only where `edition.current_filters`."""
    finish_reason: str | MISSING
    """Reason why the model stopped writing."""
    created_by: str | MISSING
    """Id of the user or key that created the runs."""
    is_root: bool | MISSING
    """True: only runs without a parent; False: only runs with one. Not together with `parent`."""
    run_ids: Sequence[str] | MISSING
    """Ids of runs."""
    workflow_run_ids: Sequence[str] | MISSING
    """Ids of executions of workflows."""


CURRENT_SEARCH_FILTERS = frozenset(
    {"exclude_tags", "finish_reason", "created_by", "is_root", "run_ids", "workflow_run_ids"}
)
"""Filters of a search that only the current contract has."""
EXCLUSIVE = frozenset({"is_root", "parent"})
"""Filters of a search that exclude each other."""
REPEATABLE = ("status", "model", "tag")
"""Filters of a list that take several values in the current contract."""


def list_query(edition: Edition, filters: ListFilters, **page: Any) -> dict[str, Any]:
    """Return the query parameters of `list_runs` and `get_filter_options`.

    Raises:
        InvalidArgumentError: a filter has several values, and the edition takes one.
    """
    query = {name: _single(edition, name, value) for name, value in drop_unset(**page, **filters).items()}
    if query.get("parent") is False:
        del query["parent"]
        name, value = edition.roots_filter
        query[name] = value
    return query


def search_query(edition: Edition, filters: SearchFilters) -> dict[str, Any]:
    """Return the `query` of a search or facets body.

    Raises:
        InvalidArgumentError: the edition lacks a filter, or two filters exclude each other.
    """
    given = drop_unset(**filters)
    unknown = [] if edition.current_filters else [name for name in given if name in CURRENT_SEARCH_FILTERS]
    if unknown:
        raise InvalidArgumentError(f"The {edition.name} edition has no filter {', '.join(unknown)}")
    if given.keys() >= EXCLUSIVE:
        raise InvalidArgumentError("Give either `is_root` or `parent`")
    return {name: format_timestamp(value) if isinstance(value, datetime) else value for name, value in given.items()}


def _single(edition: Edition, name: str, value: Any) -> Any:
    """Return the value of a filter; a list of one value as that value.

    Raises:
        InvalidArgumentError: there are several, and the edition takes one.
    """
    if not isinstance(value, list | tuple) or (edition.current_filters and len(value) > 1):
        return value
    if len(value) > 1:
        raise InvalidArgumentError(f"`{name}`: the {edition.name} edition takes one value, not {len(value)}")
    return value[0]


def search_options(edition: Edition, select: Sequence[str] | MISSING, sort: str | MISSING) -> dict[str, Any]:
    """Return the `select` and `sort` of a search body.

    Raises:
        InvalidArgumentError: the search of the edition has neither.
    """
    if select is MISSING and sort is MISSING:
        return {}
    if not edition.search_options:
        raise InvalidArgumentError(f"The search of the {edition.name} edition takes no `select` and no `sort`")
    options: dict[str, Any] = {} if select is MISSING else {"select": " ".join(select)}
    if sort is not MISSING:
        options["sort"] = [{"field": sort.removeprefix("-"), "order": "desc" if sort.startswith("-") else "asc"}]
    return options


def facet_fields(edition: Edition, names: Sequence[str] | MISSING) -> list[dict[str, str]]:
    """Return the `facets` of a facets body: those named, or all of the edition.

    Raises:
        InvalidArgumentError: the edition lacks a facet that was named.
    """
    wanted = list(edition.facets) if names is MISSING else list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in edition.facets]:
        offered = ", ".join(edition.facets)
        raise InvalidArgumentError(
            f"`facets`: the {edition.name} edition has no facet {', '.join(unknown)}; it has {offered}"
        )
    return [{"name": name, "field": field} for name, field in (edition.facets[name] for name in wanted)]
