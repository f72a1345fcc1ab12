"""Doubts about a MongoDB filter that found no run: fields and values that runs perhaps do not have."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from runs_mcp.observability.mask import one_line
from runs_mcp.server.context import Call
from runs_mcp.server.params import RunStatus
from runs_mcp.server.permissions.offered_tools import offered_tools

ERROR_CODES = 'aggregate_runs(by=["error"]) shows the codes of errors.'
FIELDS = (
    "id _id status interaction environment modelId inference_profile tags parent name created_at updated_at created_by "
    "updated_by execution_time token_use error finish_reason parameters result result_schema prompt config source "
    "account project visibility workflow object ttl"
).split()
"""The fields of runs that MongoDB filters name."""
NUMBERS = ("execution_time", "token_use")
TIMES = ("created_at", "updated_at")
COMPARISONS = ("$eq", "$in", "$gt", "$gte", "$lt", "$lte")
OTHER_NAMES = {"model": "modelId", "tag": "tags", "duration": "execution_time", "tokens": "token_use"}


def doubts(call: Call, query: Mapping[str, Any]) -> str:
    """Return which conditions of a MongoDB filter, by which no run was found, perhaps match no run at all."""
    conditions = [*_conditions_of(query)]
    fields = dict.fromkeys(name.partition(".")[0] for name, _ in conditions)
    reasons = [reason for name, condition in conditions for reason in _reasons(name, condition)]
    errors = ERROR_CODES if "error" in fields and "aggregate_runs" in offered_tools(call.request_context) else ""
    return " ".join(dict.fromkeys(filter(None, [unknown_fields(fields), *reasons, errors])))


def unknown_fields(names: Iterable[str]) -> str:
    """Return which of the fields `names` no run may have, with the names that are probably meant."""
    unknown = {name: _nearest_field(name) for name in names if name not in FIELDS}
    told = [f"{one_line(name)} (did you mean {near}?)" if near else one_line(name) for name, near in unknown.items()]
    return f"Runs may have no field {', '.join(told)}." if told else ""


def _conditions_of(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field that `query` compares, with its condition."""
    for name, condition in query.items():
        if name.startswith("$"):
            parts = condition if isinstance(condition, list) else [condition]
            yield from (found for part in parts if isinstance(part, Mapping) for found in _conditions_of(part))
        else:
            yield name, condition


def _compared(condition: Any) -> Iterator[str]:
    """Yield the texts that a condition compares a field with."""
    operands = [condition.get(name) for name in COMPARISONS] if isinstance(condition, Mapping) else [condition]
    for operand in operands:
        yield from (value for value in (operand if isinstance(operand, list) else [operand]) if isinstance(value, str))


def _reasons(name: str, condition: Any) -> Iterator[str]:
    """Yield why no run may meet a condition on the field `name`."""
    of_text = isinstance(condition, str)
    if name == "error" and (of_text or (isinstance(condition, Mapping) and "$regex" in condition)):
        yield "error holds objects, not texts: compare error.code or error.message."
    if name in TIMES and of_text:
        yield f"{name} equals a single moment: compare it by $gte and $lt."
    yield from (_reason(name.partition(".")[0], value) for value in _compared(condition))


def _reason(field: str, value: str) -> str:
    """Return why no run may have the text `value` in `field`; empty if runs may well have it."""
    if field == "status" and value not in get_args(RunStatus):
        return f"Runs may have no status {one_line(value)}; known: {', '.join(get_args(RunStatus))}."
    if field in NUMBERS:
        return f"{field} holds numbers, not texts."
    return ""


def _nearest_field(name: str) -> str | None:
    near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7)
    return OTHER_NAMES.get(name.lower()) or next(iter(near), None)
