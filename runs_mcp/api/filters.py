"""Arguments of the operations, and the query or body that each edition wants for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from pydantic import MISSING

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import InvalidArgumentError
from runs_mcp.api.payloads import drop_unset, format_timestamp

GENERATION_SETTINGS = frozenset(
    {"temperature", "max_tokens", "top_p", "top_k", "presence_penalty", "frequency_penalty", "stop_sequence"}
)
"""Settings that the `vertesia` edition takes only inside `model_options`."""


class ListFilters(TypedDict, total=False):
    """Filters of `list_runs` and `get_filter_options`. A filter that is absent or `MISSING` is not sent."""

    interaction: str | MISSING
    """Id of the interaction."""
    status: str | MISSING
    """`created`, `processing`, `completed` or `failed`."""
    model: str | MISSING
    """Id of the model."""
    environment: str | MISSING
    """Id of the environment."""
    tag: str | MISSING
    """A tag that the runs carry."""
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


def quote_segment(text: str) -> str:
    """Return `text` percent-encoded as one segment of a path.

    Raises:
        InvalidArgumentError: `text` is empty, `.` or `..`, which servers do not keep as a segment.
    """
    if text in ("", ".", ".."):
        raise InvalidArgumentError(f"{text!r} cannot be part of a path")
    return quote(text, safe="")


def list_query(edition: Edition, filters: ListFilters, **page: Any) -> dict[str, Any]:
    """Return the query parameters of `list_runs` and `get_filter_options`."""
    query = drop_unset(**page, **filters)
    if query.get("parent") is False:
        del query["parent"]
        name, value = edition.roots_filter
        query[name] = value
    return query


def search_query(filters: SearchFilters) -> dict[str, Any]:
    """Return the `query` of a search or facets body."""
    return {
        name: format_timestamp(value) if isinstance(value, datetime) else value
        for name, value in drop_unset(**filters).items()
    }


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


def run_config(edition: Edition, settings: Mapping[str, Any] | MISSING, **chosen: Any) -> dict[str, Any]:
    """Return the `config` of a create body, with generation settings where the edition expects them."""
    config = {**drop_unset(**({} if settings is MISSING else settings)), **drop_unset(**chosen)}
    if not edition.model_options or "model_options" in config:
        return config
    options = {name: config.pop(name) for name in sorted(GENERATION_SETTINGS & set(config))}
    return {**config, "model_options": {"_option_id": "text-fallback", **options}} if options else config
