"""Counts of runs by value, and the values that filters take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mcp_types import CallToolResult

from runs_mcp.api import Bucket, Facets, FilterOption
from runs_mcp.server.context import Call, services
from runs_mcp.server.render import results, tables
from runs_mcp.server.runs import own_tags

MOST_VALUES = 50
"""Values shown of one facet: tags can be as many as runs."""
MOST_OPTIONS = 200
NOT_ALL_VALUES = (
    "Others may exist: the credential may not list the values that runs have, so these come from the catalogue and the "
    "newest runs."
)


def facets(call: Call, counts: Facets, *, covered: int | None = None, hint: str = "") -> CallToolResult:
    """Return counts by value, one line for each facet: the most frequent values, without the tags of this server.

    `covered` is the number of runs that were counted where others match as well; None: all are counted. `hint` says how
    to find runs if none match.
    """
    known = {
        name: [bucket for bucket in buckets if not _is_own_tag(bucket)] for name, buckets in counts.buckets.items()
    }
    shown = {name: _most_frequent(buckets) for name, buckets in known.items()}
    left_out = {name: len(known[name]) - len(shown[name]) for name in shown if len(known[name]) > len(shown[name])}
    structured = {
        **({} if counts.total is None else {"total": counts.total}),
        **({} if covered is None else {"covered": covered, "complete": False}),
        "facets": {name: [_sent(bucket) for bucket in shown[name]] for name in shown},
        **({"left_out": left_out} if left_out else {}),
        **({"advice": hint} if hint else {}),
        "workspace": services(call).workspace,
    }
    lines = [f"{_total(counts, covered)} ({results.origin(call)})"]
    for name, buckets in shown.items():
        more = f", and {left_out[name]:,} rarer values" if name in left_out else ""
        lines.append(f"{tables.cell(name)}: {_counted(buckets) or 'none'}{more}")
    return results.answer("\n".join([*lines, hint] if hint else lines), structured)


def options(
    call: Call, field: str, choices: Sequence[FilterOption], *, complete: bool = True, hint: str = ""
) -> CallToolResult:
    """Return the values that a filter can take, at most 200.

    `complete`: there are no others. `hint` says how to find runs if none match.
    """
    shown = choices[:MOST_OPTIONS]
    columns = {
        "id": [option.id or "" for option in shown],
        "name": [option.name or "" for option in shown],
        "runs": ["" if option.count is None else str(option.count) for option in shown],
    }
    cut = len(choices) - len(shown)
    head = f"{len(choices)} values of {field} ({results.origin(call)})"
    structured = {
        "options": [_sent(option) for option in shown],
        **({"left_out": cut} if cut else {}),
        **({} if complete else {"complete": False, "note": NOT_ALL_VALUES}),
        **({"advice": hint} if hint else {}),
        "workspace": services(call).workspace,
    }
    ending = f"{cut:,} more are left out; filters take any of them by id or name." if cut else tables.END
    if not complete:
        ending = NOT_ALL_VALUES
    if not shown:
        return results.answer(
            f"{head}. {' '.join(filter(None, [hint, '' if hint and complete else ending]))}", structured
        )
    return results.answer(f"{head}\n{tables.table(columns)}\n{ending}", structured)


def _total(counts: Facets, covered: int | None) -> str:
    if covered is not None:
        return f"Incomplete: only {covered:,} runs were counted, and more match; narrow the filters, e.g. by start"
    return f"{counts.total if counts.total is not None else 'An unknown number of'} runs"


def _most_frequent(buckets: Sequence[Bucket]) -> Sequence[Bucket]:
    if len(buckets) <= MOST_VALUES:
        return buckets
    return sorted(buckets, key=lambda bucket: -bucket.count)[:MOST_VALUES]


def _counted(buckets: Sequence[Bucket]) -> str:
    """Return each value with its count; values that share a name carry their id."""
    names = Counter(bucket.label for bucket in buckets)
    return ", ".join(
        f"{tables.cell(bucket.label)}{f' ({tables.cell(bucket.id)})' if names[bucket.label] > 1 and bucket.id else ''}"
        f" {bucket.count}"
        for bucket in buckets
    )


def _sent(value: Bucket | FilterOption) -> dict[str, Any]:
    return {name: sent for name, sent in asdict(value).items() if sent is not None}


def _is_own_tag(bucket: Bucket) -> bool:
    return own_tags.is_own(bucket.label)
