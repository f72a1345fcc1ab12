"""MongoDB filters: refused where they cannot be evaluated, narrowed by SQL, decided run by run."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mgqpy.operators.regex
import re2
from mgqpy import InvalidQuery, Query

Document = Mapping[str, Any]
Clause = tuple[str, list[Any]]

OPERATORS = frozenset(
    "$eq $ne $in $nin $gt $gte $lt $lte $exists $regex $options $and $or $nor $not $all $size $elemMatch $date".split()
)
DEEPEST = 20
LARGEST_LIST = 10_000
LONGEST_SQL = 10_000  # well below the depth of an expression that SQLite parses
REFERENCES = frozenset({"interaction", "environment", "account", "project"})
"""Fields that hold an object in a run and an id in a filter."""
COLUMNS = {
    "id": "id",
    "status": "status",
    "modelId": "model",
    "interaction.id": "interaction",
    "environment.id": "environment",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
LISTED = "SELECT value FROM json_each(?)"
COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class UnsupportedFilterError(ValueError):
    """The filter is malformed, or holds an operator that is not evaluated here; the text names it."""


class _Re2:
    """What mgqpy uses of `re`, by an engine that no pattern can stall."""

    Pattern = re.Pattern
    error = re.error
    I = IGNORECASE = re.IGNORECASE  # noqa: E741 - as in re
    M = MULTILINE = re.MULTILINE
    S = DOTALL = re.DOTALL
    X = VERBOSE = re.VERBOSE
    A = ASCII = re.ASCII
    U = UNICODE = re.UNICODE

    @staticmethod
    def compile(pattern: str, flags: int = 0) -> Any:
        if flags & re.VERBOSE:
            raise re.error("option x is not supported")
        letters = "".join(
            letter for letter, flag in (("i", re.IGNORECASE), ("m", re.MULTILINE), ("s", re.DOTALL)) if flags & flag
        )
        options = re2.Options()
        options.log_errors = False
        try:
            return re2.compile(f"(?{letters}){pattern}" if letters else pattern, options)
        except re2.error as error:
            raise re.error(error.args[0].decode() if error.args else "malformed") from None


mgqpy.operators.regex.re = _Re2


def matcher(query: Document) -> Callable[[Document], bool]:
    """Whether a document matches `query`, as MongoDB would have it.

    Raises:
        UnsupportedFilterError: the query cannot be evaluated.
    """
    _refuse(query, 0)
    try:
        compiled = Query(normalized(query))
    except InvalidQuery as error:
        raise UnsupportedFilterError(str(error).replace("malformed regex", "malformed $regex")) from None
    return lambda document: compiled.test(dict(document))


def normalized(query: Document) -> dict[str, Any]:
    """`query` with ids where a run holds an object, and dates as runs write them."""
    result: dict[str, Any] = {}
    for field, condition in query.items():
        if field in ("$and", "$or", "$nor") and isinstance(condition, list):
            result[field] = [normalized(one) if isinstance(one, Mapping) else one for one in condition]
        elif field == "_id":
            result["id"] = _plain(condition)
        elif field in REFERENCES and (not isinstance(condition, Mapping) or _is_operator(condition)):
            result[f"{field}.id"] = _plain(condition)
        else:
            result[field] = _plain(condition)
    return result


def narrowed(query: Document) -> Clause:
    """A condition in SQL that every matching run meets, over `runs r`; runs that do not fit their columns always do."""
    clauses = [clause for field, condition in query.items() if (clause := _clause(field, condition))]
    sql = " AND ".join(f"({text})" for text, _ in clauses)
    if not sql or len(sql) > LONGEST_SQL:
        return "1", []
    return f"(r.odd OR ({sql}))", [value for _, values in clauses for value in values]


def projection(select: str | None) -> Callable[[Document], dict[str, Any]]:
    """What a `select` leaves of a document: the fields it names, or all but those it names with a minus.

    Raises:
        UnsupportedFilterError: it does both.
    """
    names = (select or "").split()
    excluded = [name[1:] for name in names if name.startswith("-")]
    included = [name for name in names if not name.startswith("-")]
    if included and [name for name in excluded if name not in ("id", "_id")]:
        raise UnsupportedFilterError("select cannot both include and exclude fields")
    if included:
        wanted = included if excluded else ["id", *included]
        return lambda document: _included(document, ["id" if name == "_id" else name for name in wanted])
    return lambda document: _excluded(document, excluded)


def _refuse(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise UnsupportedFilterError(f"the query is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key.startswith("$") and key not in OPERATORS:
                raise UnsupportedFilterError(f"unsupported operator: {key}")
            _refuse(inner, depth + 1)
    elif isinstance(value, list):
        if len(value) > LARGEST_LIST:
            raise UnsupportedFilterError(f"a list holds more than {LARGEST_LIST} values")
        for inner in value:
            _refuse(inner, depth + 1)


def _is_operator(condition: Mapping[str, Any]) -> bool:
    return any(key.startswith("$") for key in condition)


def _plain(condition: Any) -> Any:
    if isinstance(condition, Mapping):
        if set(condition) == {"$date"} and isinstance(condition["$date"], str):
            return condition["$date"]
        return {key: _plain(value) for key, value in condition.items()}
    return [_plain(one) for one in condition] if isinstance(condition, list) else condition


def _clause(field: str, condition: Any) -> Clause | None:
    if field == "$and" and isinstance(condition, list):
        inner = [clause for one in condition for key, value in one.items() if (clause := _clause(key, value))]
        return (
            (
                " AND ".join(f"({text})" for text, _ in inner),
                [value for _, values in inner for value in values],
            )
            if inner
            else None
        )
    if field == "tags":
        return _tags_clause(condition)
    column = COLUMNS.get(field)
    return _column_clause(f"r.{column}", condition) if column else None


def _column_clause(column: str, condition: Any) -> Clause | None:
    if isinstance(condition, str):
        return f"{column} = ?", [condition]
    if not isinstance(condition, Mapping):
        return None
    parts: list[Clause] = []
    for operator, value in condition.items():
        if operator == "$eq" and isinstance(value, str):
            parts.append((f"{column} = ?", [value]))
        elif operator == "$in" and isinstance(value, list) and _all_strings(value):
            parts.append((f"{column} IN ({LISTED})", [json.dumps(value)]))
        elif operator in COMPARISONS and isinstance(value, str):
            parts.append((f"{column} {COMPARISONS[operator]} ?", [value]))
    return (" AND ".join(text for text, _ in parts), [one for _, values in parts for one in values]) if parts else None


def _tags_clause(condition: Any) -> Clause | None:
    match condition:
        case str():
            return _tagged([condition])
        case {"$in": list(tags)} | {"$all": list(tags)} if tags and _all_strings(tags):
            return _tagged(tags)
        case _:
            return None


def _all_strings(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _tagged(tags: list[Any]) -> Clause:
    return f"r.rowid IN (SELECT run FROM tags WHERE tag IN ({LISTED}))", [json.dumps(tags)]


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
