"""Input schemas without the values that the configured edition of the API does not offer."""

from copy import deepcopy
from dataclasses import replace

from runs_mcp.api import EDITIONS
from runs_mcp.server.tools.operation import Operation


def fit_to_edition(operation: Operation, edition: str) -> Operation:
    """Return `operation` with a published schema that lists only the facets of `edition`."""
    facets = operation.published.input_schema["properties"].get("facets")
    if facets is None:
        return operation
    schema = deepcopy(operation.published.input_schema)
    offered = [name for name in facets["items"]["enum"] if name in EDITIONS[edition].facets]
    schema["properties"]["facets"]["items"]["enum"] = offered
    return replace(operation, published=operation.published.model_copy(update={"input_schema": schema}))
