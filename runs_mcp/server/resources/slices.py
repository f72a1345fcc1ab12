"""Slices of a large document: the value at a JSON pointer, and a window into that value."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

DEFAULT_CHARS = 10_000
DEFAULT_ITEMS = 100


def at(document: Any, path: str) -> Any:
    """Return the value at the JSON pointer `path` (RFC 6901) in `document`; the whole document for an empty path.

    Raises:
        ValueError: there is no such value; the message lists what exists at that point.
    """
    if path and not path.startswith("/"):
        raise ValueError(f"`path` {path!r} is not a JSON pointer: a pointer starts with a slash, e.g. /{path}")
    value = document
    for step in (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]):
        match value:
            case Mapping() if step in value:
                value = value[step]
            case list() if step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            case _:
                raise ValueError(f"`path` {path!r}: there is no {step!r} in {_described(value)}")
    return value


def cut(value: Any, uri: str, path: str, *, offset: int, limit: int | None) -> dict[str, Any]:
    """Return `limit` characters of a text, or items of a list, from `offset` on.

    Returns `value`, `offset`, `total`, and `next`, the URI of the following slice, unless this slice is the last.
    `uri` addresses the document and `path` the value in it.

    Raises:
        ValueError: `value` is neither a text nor a list, or the window is empty.
    """
    if not isinstance(value, str | list):
        raise ValueError(f"offset and limit apply to texts and lists; this is {_described(value)}: add a path")  # noqa: TRY004 - of the request
    size = limit if limit is not None else DEFAULT_CHARS if isinstance(value, str) else DEFAULT_ITEMS
    if offset < 0 or size < 1:
        raise ValueError("offset must be 0 or more, limit 1 or more")
    end = offset + size
    following = {**({"path": path} if path else {}), "offset": end, "limit": size}
    # Templates of URIs (RFC 6570) decode `%20` alone; `+` would stay a plus.
    more = {"next": f"{uri}?{urlencode(following, quote_via=quote)}"} if end < len(value) else {}
    return {"value": value[offset:end], "offset": offset, "total": len(value), **more}


def _described(value: Any) -> str:
    match value:
        case Mapping():
            return f"an object with {', '.join(map(str, value)) or 'nothing in it'}"
        case list():
            return f"a list of {len(value)} items"
        case str():
            return f"a text of {len(value)} characters"
        case _:
            return repr(value)
