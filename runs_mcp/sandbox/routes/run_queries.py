"""The filters and facets of a request."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import MISSING

from runs_mcp.sandbox.content import samples
from runs_mcp.sandbox.storage.run_filters import Filters
from runs_mcp.sandbox.storage.run_store import Breakdown, Count
from runs_mcp.sandbox.wire.contract import FACET_FIELDS, Contract
from runs_mcp.sandbox.wire.refusal import bad_request, invalid
from runs_mcp.sandbox.wire.request_bodies import Facet, ListParameters, RunQuery

Document = dict[str, Any]


def list_filters(parameters: ListParameters, contract: Contract) -> Filters:
    """Return the filters of list and filter-options."""
    if contract.strict:
        roots, parents = _roots(parameters.is_root, parameters.parent), parameters.parent
    else:
        # The reference document selects runs without a parent by `parent=false`.
        roots = parameters.parent == ["false"] or None
        parents = [] if roots else parameters.parent
    return Filters(
        interactions=parameters.interaction,
        statuses=parameters.status,
        models=parameters.model,
        environments=parameters.environment,
        any_tags=parameters.tag,
        parents=parents,
        roots=roots,
        workflow_run_ids=parameters.workflow_run_ids,
        workflow_ids=parameters.workflow_ids,
    )


def search_filters(query: RunQuery, *, from_root: Any = MISSING) -> Filters:
    """Return the filters of the `query` of search and facets."""
    values = {name: value for name, value in query if value is not MISSING}
    single = {name: [values[name]] for name in ("interaction", "status", "model", "environment") if name in values}
    return Filters(
        interactions=single.get("interaction", []),
        statuses=single.get("status", []),
        models=single.get("model", []),
        environments=single.get("environment", []),
        tags=query.tags,
        exclude_tags=values.get("exclude_tags", []),
        parents=query.parent,
        run_ids=values.get("run_ids", []),
        workflow_run_ids=values.get("workflow_run_ids", []),
        workflow_ids=values.get("workflow_ids", []),
        is_agent=values.get("is_agent"),
        from_root=optional(from_root),
        roots=_roots(values.get("is_root", MISSING), query.parent),
        text=values.get("query"),
        text_field=values.get("default_query_path"),
        name=values.get("name"),
        object=values.get("object"),
        finish_reason=values.get("finish_reason"),
        created_by=values.get("created_by"),
        start=_time("query.start", values.get("start")),
        end=_time("query.end", values.get("end")),
    )


def optional(value: Any) -> Any:
    """Return a value of a request; None if the request does not contain it."""
    return None if value is MISSING else value


def facet_fields(facets: Sequence[Facet], contract: Contract) -> Mapping[str, str]:
    """Return the fields in the store to count, by the names of the facets.

    Raises:
        Refusal: a facet does not exist, or there are too many.
    """
    if contract.facets is not None and len(facets) > len(contract.facets):
        raise bad_request(f"At most {len(contract.facets)} facets are allowed.")
    return {facet.name: _facet_field(facet, contract) for facet in facets}


def facet_counts(breakdown: Breakdown, fields: Mapping[str, str], contract: Contract) -> Document:
    """Return the buckets of each facet, and the total; only the strict contract has a bucket for no value."""
    facets: Document = {
        name: [_bucket(count) for count in breakdown.counts(field) if contract.strict or count.id is not None]
        for name, field in fields.items()
    }
    return {**facets, "total": breakdown.total}


def _facet_field(facet: Facet, contract: Contract) -> str:
    if facet.name == "total":
        raise bad_request("A facet cannot be named total.")
    if contract.facets is not None:
        pair = contract.facets.get(facet.name)
        if pair is None or pair[0] != facet.field:
            offered = ", ".join(f"{name}/{field}" for name, (field, _) in contract.facets.items())
            raise bad_request(f"Unknown facet: {facet.name}/{facet.field}. The facets are {offered}.")
        return pair[1]
    if facet.field not in FACET_FIELDS:
        raise bad_request(f"Unknown field: {facet.field}. The fields are {', '.join(FACET_FIELDS)}.")
    return FACET_FIELDS[facet.field]


def _bucket(count: Count) -> Document:
    named = {"name": count.name} if count.name != count.id else {}
    return {"_id": count.id, "count": count.count, **named}


def _roots(is_root: Any, parents: Sequence[str]) -> bool | None:
    if is_root is MISSING:
        return None
    if parents:
        raise bad_request("is_root and parent are mutually exclusive.")
    return bool(is_root)


def _time(name: str, value: str | None) -> str | None:
    """Return a time in the format of runs, which can be compared as text; None if `value` is None."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return samples.timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise invalid(f"{name}: not ISO 8601") from None
