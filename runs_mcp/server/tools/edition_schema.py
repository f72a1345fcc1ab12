"""Input schemas without the parameters and values that the configured edition of the API does not offer."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from runs_mcp.api import EDITIONS, Edition
from runs_mcp.api.filters import CURRENT_SEARCH_FILTERS, REPEATABLE
from runs_mcp.server.aggregate.groups import PROFILE
from runs_mcp.server.tools.operation import Operation


def fit_to_edition(operation: Operation, edition: str) -> Operation:
    """Return `operation` with the parameters and values that `edition` offers."""
    schema = deepcopy(operation.published.input_schema)
    _fit(operation.name, schema["properties"], EDITIONS[edition])
    published = operation.published.model_copy(update={"input_schema": schema})
    nullable = operation.nullable if EDITIONS[edition].null_schema else frozenset[str]()
    return replace(operation, published=published, nullable=nullable)


def _fit(tool: str, properties: dict[str, Any], edition: Edition) -> None:
    if facets := properties.get("facets"):
        facets["items"]["enum"] = [name for name in facets["items"]["enum"] if name in edition.facets]
    if (by := properties.get("by")) and not edition.inference_profiles:
        by["items"]["enum"] = [name for name in by["items"]["enum"] if name != PROFILE]
    if edition.current_filters:
        return
    if CURRENT_SEARCH_FILTERS.issubset(properties):
        for name in CURRENT_SEARCH_FILTERS:
            del properties[name]
    if tool == "list_runs":
        for name in REPEATABLE:
            several = properties[name]
            described = {} if "enum" in several["items"] else {"description": several["description"]}
            properties[name] = {**several["items"], **described}
