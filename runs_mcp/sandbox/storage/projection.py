"""The `select` of search and find: the fields that a response contains."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]


class InvalidSelectError(ValueError):
    """The `select` both includes and excludes fields."""


def projection(select: str | None) -> Callable[[Document], dict[str, Any]]:
    """Return a function that keeps the fields in `select`, or drops the fields in `select` that have a minus.

    The id is kept unless it is dropped by name.

    Raises:
        InvalidSelectError: `select` both includes and excludes fields.
    """
    names = (select or "").split()
    excluded = [name[1:] for name in names if name.startswith("-")]
    included = [name for name in names if not name.startswith("-")]
    if included and [name for name in excluded if name not in ("id", "_id")]:
        raise InvalidSelectError("select cannot both include and exclude fields")
    if included:
        kept = included if excluded else ["id", *included]
        return lambda document: _included(document, ["id" if name == "_id" else name for name in kept])
    return lambda document: _excluded(document, excluded)


def _included(document: Document, names: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in names:
        head, _, rest = name.partition(".")
        if head not in document:
            continue
        inner = document[head]
        if not rest:
            result[head] = inner
        elif isinstance(inner, Mapping) and (chosen := _included(inner, [rest])):
            result[head] = {**result.get(head, {}), **chosen}
    return result


def _excluded(document: Document, names: Sequence[str]) -> dict[str, Any]:
    result = dict(document)
    for name in names:
        head, _, rest = name.partition(".")
        if not rest:
            result.pop(head, None)
        elif isinstance(result.get(head), Mapping):
            result[head] = _excluded(result[head], [rest])
    return result
