"""The values of a filter: those that runs have, and environments and models that no run has used yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from runs_mcp.api import REFUSALS, FilterOption, RunsApiError, RunsClient
from runs_mcp.server.aggregate.groups import READERS, Dimension
from runs_mcp.server.params import RunStatus

NEWEST_RUNS = 100
IN_ENVIRONMENTS = ("environment", "model")
DIMENSIONS: Mapping[str, Dimension] = {
    "interaction": "interaction",
    "environment": "environment",
    "model": "model",
    "status": "status",
    "tag": "tag",
    "tags": "tag",
    "finish_reason": "finish_reason",
}
"""The dimension of runs that each filter selects by."""


@dataclass(frozen=True, slots=True)
class FilterValues:
    """The values of a filter."""

    options: Sequence[FilterOption]
    complete: bool = True
    """False: the API closes the list of values, and these are those of the catalogue and of the newest runs."""


async def of(runs: RunsClient, field: str, filters: Mapping[str, Any]) -> FilterValues:
    """Return the values of the filter `field` among the runs that match `filters`.

    Without filters, the environments and models of the project that no run has used are added, with a count of 0.

    Raises:
        RunsApiError: the values cannot be read.
    """
    try:
        used = await runs.get_filter_options(field, **filters)
    except REFUSALS:
        known = await _known(runs, field, filters)
        if known is None:
            raise
        return FilterValues(known, complete=False)
    if filters or field not in IN_ENVIRONMENTS:
        return FilterValues(used)
    return FilterValues(_merged(used, await _catalogued(runs, field, count=0)))


async def _known(runs: RunsClient, field: str, filters: Mapping[str, Any]) -> Sequence[FilterOption] | None:
    """Return the values in the catalogue and in the newest runs that match; None if neither can be read."""
    if field not in DIMENSIONS:
        return None
    catalogued = [] if filters else await _catalogued(runs, field, count=None)
    try:
        newest = await runs.list_runs(limit=NEWEST_RUNS, **filters)
    except RunsApiError:
        return catalogued or None
    values = [value for run in newest for value in READERS[DIMENSIONS[field]](run) if value.id]
    return _merged(catalogued, (FilterOption(value.id, value.name) for value in values))


async def _catalogued(runs: RunsClient, field: str, *, count: int | None) -> list[FilterOption]:
    """Return the values that the project offers; none where the credential may not read them."""
    if field == "status":
        return [FilterOption(status, None, count) for status in get_args(RunStatus)]
    try:
        if field == "interaction":
            return list(await runs.list_names("interaction"))
        environments = await runs.catalog.list_environments() if field in IN_ENVIRONMENTS else []
    except RunsApiError:
        return []
    if field == "environment":
        return [FilterOption(environment.id, environment.name, count) for environment in environments]
    return [
        FilterOption(model, None, count)
        for model in dict.fromkeys(m for environment in environments for m in environment.models)
    ]


def _merged(first: Iterable[FilterOption], further: Iterable[FilterOption]) -> list[FilterOption]:
    """Return the options of both; of those with the same id, the first."""
    by_id: dict[str | None, FilterOption] = {}
    for option in (*first, *further):
        by_id.setdefault(option.id, option)
    return list(by_id.values())
