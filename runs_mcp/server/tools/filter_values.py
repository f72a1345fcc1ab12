"""The values of a filter: those that runs have, and environments and models that no run has used yet."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import MISSING

from runs_mcp.api import FilterOption, NotFoundError, PermissionDeniedError, RunsApiError, RunsClient

IN_ENVIRONMENTS = ("environment", "model")


async def of(runs: RunsClient, field: str, filters: Mapping[str, Any]) -> Sequence[FilterOption]:
    """Return the values of the filter `field` among the runs that match `filters`.

    Without filters, the environments and models of the project that no run has used are added, with a count of 0.

    Raises:
        RunsApiError: The values cannot be read.
    """
    if field not in IN_ENVIRONMENTS or any(value is not MISSING for value in filters.values()):
        return await runs.get_filter_options(field, **filters)
    try:
        used = await runs.get_filter_options(field)
    except (PermissionDeniedError, NotFoundError):
        offered = await _offered(runs, field, count=None)
        if not offered:
            raise
        return offered
    known = {one.id for one in used}
    return [*used, *(one for one in await _offered(runs, field, count=0) if one.id not in known)]


async def _offered(runs: RunsClient, field: str, *, count: int | None) -> list[FilterOption]:
    """Return the environments or models of the project; none where the credential may not read them."""
    try:
        environments = await runs.catalog.list_environments()
    except RunsApiError:
        return []
    if field == "environment":
        return [FilterOption(one.id, one.name, count) for one in environments]
    return [FilterOption(model, None, count) for model in dict.fromkeys(m for one in environments for m in one.models)]
