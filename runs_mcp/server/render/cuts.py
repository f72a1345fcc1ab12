"""Cuts that fit a run into a budget of characters: the largest fields first, their head and tail kept."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from runs_mcp.server.render.portable_json import compact_json
from runs_mcp.server.runs.uris import uri_of

SMALLEST_CUT_CHARS = 200


class Cut(NamedTuple):
    """A document that fits, and the resource that holds each field that was cut, by the field's name."""

    document: dict[str, Any]
    fields: dict[str, str]


def fit(document: dict[str, Any], budget: int, run_id: str) -> Cut:
    """Return `document` in about `budget` characters of JSON.

    All fields share the budget: fields below their share stay whole, and none is cut below 200 characters. A field is
    cut only if that makes it shorter, because the note on a cut takes characters as well.
    """
    if len(compact_json(document)) <= budget:
        return Cut(document, {})
    texts = {name: text_of(value) for name, value in document.items()}
    share = max(fair_share([len(text) for text in texts.values()], budget), SMALLEST_CUT_CHARS)
    long = {name: text for name, text in texts.items() if len(text) > share}
    shortened = {name: _shortened(text, share, uri_of(run_id, name)) for name, text in long.items()}
    cut = {name: text for name, text in shortened.items() if len(text) < len(long[name])}
    return Cut({**document, **cut}, {name: uri_of(run_id, name) for name in cut})


def keep_tail(document: Mapping[str, Any], names: Collection[str], chars: int, run_id: str) -> Cut:
    """Return `document` with only the last `chars` characters of each longer field among `names`."""
    kept, where = dict(document), {}
    for name in names:
        text = text_of(document.get(name, ""))
        if len(text) > chars:
            kept[name], where[name] = text[-chars:], uri_of(run_id, name)
    return Cut(kept, where)


def text_of(value: Any) -> str:
    """Return a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else compact_json(value).decode()


def fair_share(sizes: Iterable[int], budget: int) -> int:
    """Return the size that no text may exceed if all of them together are to fit the budget."""
    left, remaining = budget, sorted(sizes)
    while remaining and remaining[0] <= left // len(remaining):
        left -= remaining.pop(0)
    return left // len(remaining) if remaining else budget


def _shortened(text: str, size: int, resource: str) -> str:
    head, tail = size * 2 // 3, size // 3
    cut = len(text) - head - tail
    return f"{text[:head]}\n[… {cut:,} characters cut; whole in {resource} (or ?offset=&limit=) …]\n{text[-tail:]}"
