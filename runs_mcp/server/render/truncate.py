"""Cutting a run to a budget: the largest fields first, their head and tail kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from runs_mcp.server.runs.uris import uri_of

SMALLEST_CUT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Cut:
    """A document that fits, and where to read each field that was cut, by its name."""

    document: dict[str, Any]
    fields: dict[str, str]


def fit(document: Mapping[str, Any], budget: int, run_id: str) -> Cut:
    """`document` in about `budget` characters of JSON, fields of equal share or less left whole."""
    if len(to_json(document)) <= budget:
        return Cut(dict(document), {})
    texts = {name: _text(value) for name, value in document.items()}
    share = max(_share([len(text) for text in texts.values()], budget), SMALLEST_CUT_CHARS)
    long = {name for name, text in texts.items() if len(text) > share}
    where = {name: uri_of(run_id, name) for name in document if name in long}
    fitted = {
        name: _shortened(texts[name], share, where[name]) if name in long else value for name, value in document.items()
    }
    return Cut(fitted, where)


def _share(sizes: list[int], budget: int) -> int:
    """The size that no field may exceed, so that all of them together fit the budget."""
    left, remaining = budget, sorted(sizes)
    while remaining and remaining[0] <= left // len(remaining):
        left -= remaining.pop(0)
    return left // len(remaining) if remaining else budget


def _shortened(text: str, size: int, resource: str) -> str:
    head, tail = size * 2 // 3, size // 3
    cut = len(text) - head - tail
    return f"{text[:head]}\n[… {cut:,} characters cut; whole in {resource} (or ?offset=&limit=) …]\n{text[-tail:]}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
