"""MongoDB filters over runs: rejected if they cannot be evaluated, otherwise decided run by run."""

from collections.abc import Callable, Mapping
from typing import Any

from mgqpy import InvalidQuery, Query
from typing_extensions import override

Document = Mapping[str, Any]

OPERATORS = frozenset(
    "$eq $ne $in $nin $gt $gte $lt $lte $exists $regex $options $and $or $nor $not $all $size $elemMatch $date".split()
)
MAX_DEPTH = 20
"""Maximum nesting of a filter: mgqpy recurses for each level."""
MAX_LIST = 10_000
"""Maximum number of values in a list."""
REFERENCES = frozenset({"interaction", "environment", "account", "project"})
"""Fields that hold an object in a run and an id in a filter."""


class UnsupportedFilterError(ValueError):
    """The filter is malformed or uses an operator that the sandbox does not evaluate; the text names it."""


class _Pattern:
    """A regular expression that compares equal to each text it matches, in time linear in the text.

    mgqpy evaluates `$regex` with `re`, whose backtracking can take forever. RE2 does not backtrack.
    """

    def __init__(self, pattern: Any, options: Any) -> None:
        import re2  # noqa: PLC0415 - only filters with $regex need it

        if not isinstance(pattern, str) or not isinstance(options, str) or set(options) - set("imsu"):
            raise UnsupportedFilterError("malformed $regex: a text, and $options of the letters i, m, s and u")
        flags = options.replace("u", "")  # RE2 always reads text as Unicode
        settings = re2.Options()
        settings.log_errors = False
        try:
            self._compiled = re2.compile(f"(?{flags}){pattern}" if flags else pattern, settings)
        except re2.error as error:
            raise UnsupportedFilterError(f"malformed $regex: {error.args[0].decode()}") from None

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._compiled.search(other) is not None

    @override
    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, _: Any) -> "_Pattern":
        return self  # mgqpy copies filters, and a compiled pattern is immutable


def build_matcher(query: Document) -> Callable[[Document], bool]:
    """Return a function that decides whether a document matches `query`, as MongoDB does.

    Raises:
        UnsupportedFilterError: the query cannot be evaluated.
    """
    _check(query, 0)
    try:
        compiled = Query(_with_patterns(normalized(query)))
    except InvalidQuery as error:
        raise UnsupportedFilterError(str(error)) from None
    return lambda document: compiled.test(dict(document))


def normalized(query: Document) -> dict[str, Any]:
    """Return `query` with ids in place of references, and dates in the format of runs."""
    result: dict[str, Any] = {}
    for field, condition in query.items():
        if field in ("$and", "$or", "$nor") and isinstance(condition, list):
            result[field] = [normalized(inner) if isinstance(inner, Mapping) else inner for inner in condition]
        elif field == "_id":
            result["id"] = _plain(condition)
        elif field in REFERENCES and (not isinstance(condition, Mapping) or _is_expression(condition)):
            result[f"{field}.id"] = _plain(condition)
        else:
            result[field] = _plain(condition)
    return result


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnsupportedFilterError(f"the query is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key.startswith("$") and key not in OPERATORS:
                raise UnsupportedFilterError(f"unsupported operator: {key}")
            _check(inner, depth + 1)
    elif isinstance(value, list):
        if len(value) > MAX_LIST:
            raise UnsupportedFilterError(f"a list holds more than {MAX_LIST} values")
        for inner in value:
            _check(inner, depth + 1)


def _with_patterns(value: Any) -> Any:
    """Return `value` with each `$regex` as a condition that a pattern equals the text."""
    if isinstance(value, list):
        return [_with_patterns(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    result = {key: _with_patterns(inner) for key, inner in value.items()}
    if "$regex" not in result:
        return result
    pattern = _Pattern(result.pop("$regex"), result.pop("$options", ""))
    if "$eq" not in result:
        return {**result, "$eq": pattern}
    if "$in" not in result:
        return {**result, "$in": [pattern]}
    raise UnsupportedFilterError("$regex cannot be combined with both $eq and $in")  # both operators are taken


def _is_expression(condition: Mapping[str, Any]) -> bool:
    return any(key.startswith("$") for key in condition)


def _plain(condition: Any) -> Any:
    if isinstance(condition, Mapping):
        if set(condition) == {"$date"} and isinstance(condition["$date"], str):
            return condition["$date"]
        return {key: _plain(value) for key, value in condition.items()}
    return [_plain(inner) for inner in condition] if isinstance(condition, list) else condition
