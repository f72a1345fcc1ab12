"""What is sent: arguments that were set, as each operation and edition wants them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import MISSING

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import InvalidArgumentError

GENERATION_SETTINGS = frozenset(
    {"temperature", "max_tokens", "top_p", "top_k", "presence_penalty", "frequency_penalty", "stop_sequence"}
)
"""Settings that today's contract takes only inside `model_options`."""


def present(**arguments: Any) -> dict[str, Any]:
    """The arguments that were set; nothing is ever sent as null, nor empty."""
    return {
        name: value
        for name, value in arguments.items()
        if value is not MISSING and value is not None and value not in ({}, [])
    }


def segment(text: str) -> str:
    """`text` as one segment of a path.

    Raises:
        InvalidArgumentError: it would not stay one.
    """
    if text in ("", ".", ".."):
        raise InvalidArgumentError(f"{text!r} cannot be part of a path")
    return quote(text, safe="")


def listing(edition: Edition, parent: str | Literal[False] | MISSING, **filters: Any) -> dict[str, Any]:
    """The query of `list` and `filter-options`."""
    query = present(**filters)
    if parent is False:
        name, value = edition.roots_filter
        query[name] = value
    elif parent is not MISSING:
        query["parent"] = parent
    return query


def searching(start: datetime | MISSING, end: datetime | MISSING, **filters: Any) -> dict[str, Any]:
    """The `query` of `search` and `facets`."""
    query = present(**filters)
    if start is not MISSING:
        query["start"] = timestamp(start)
    if end is not MISSING:
        query["end"] = timestamp(end)
    return query


def search_options(edition: Edition, select: Sequence[str] | MISSING, sort: str | MISSING) -> dict[str, Any]:
    """Return the `select` and `sort` of a search.

    Raises:
        InvalidArgumentError: the search of this edition has neither.
    """
    if select is MISSING and sort is MISSING:
        return {}
    if not edition.search_options:
        raise InvalidArgumentError(f"The search of the {edition.name} edition takes no `select` and no `sort`")
    options: dict[str, Any] = {} if select is MISSING else {"select": " ".join(select)}
    if sort is not MISSING:
        options["sort"] = [{"field": sort.removeprefix("-"), "order": "desc" if sort.startswith("-") else "asc"}]
    return options


def facets(edition: Edition, names: Sequence[str] | MISSING) -> list[dict[str, str]]:
    """The `facets` of a facets request; all of the edition's unless named.

    Raises:
        InvalidArgumentError: the edition does not offer one of them.
    """
    wanted = list(edition.facets) if names is MISSING else list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in edition.facets]:
        offered = ", ".join(edition.facets)
        raise InvalidArgumentError(
            f"`facets`: the {edition.name} edition has no facet {', '.join(unknown)}; it has {offered}"
        )
    return [{"name": name, "field": field} for name, field in (edition.facets[one] for one in wanted)]


def configuration(edition: Edition, settings: Mapping[str, Any] | MISSING, **chosen: Any) -> dict[str, Any]:
    """The `config` of a create request, generation settings where the edition wants them."""
    config = {**present(**({} if settings is MISSING else settings)), **present(**chosen)}
    if not edition.model_options or "model_options" in config:
        return config
    options = {name: config.pop(name) for name in sorted(GENERATION_SETTINGS & set(config))}
    return {**config, "model_options": {"_option_id": "text-fallback", **options}} if options else config


def timestamp(moment: datetime) -> str:
    """`moment` as the API writes times: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
