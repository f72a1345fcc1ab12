"""The `select` of `find_runs`: the fields that are requested from the API, and those that are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import MISSING

from runs_mcp.api import InvalidArgumentError

ALWAYS_REQUESTED = ("id", "created_at", "updated_at")
"""Fields that the continuation of a list is made of."""
ID_NAMES = frozenset({"id", "_id"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Fields to include, or fields to leave out; both empty: every field."""

    included: Sequence[str] = ()
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, select: Sequence[str] | MISSING) -> Self:
        """Return the selection that a caller wrote.

        Raises:
            InvalidArgumentError: fields to return are mixed with fields to leave out other than the id.
        """
        names = [] if select is MISSING else select
        excluded = frozenset(name[1:] for name in names if name.startswith("-"))
        included = [name for name in names if not name.startswith("-")]
        if included and excluded - ID_NAMES:
            raise InvalidArgumentError("`select`: either fields to return or fields to leave out; -id goes with both")
        return cls(included, excluded)

    @property
    def requested(self) -> list[str] | MISSING:
        """The `select` to send to the API."""
        if self.included:
            return list(dict.fromkeys([*ALWAYS_REQUESTED, *self.included]))
        left_out = sorted(self.excluded - {*ALWAYS_REQUESTED, *ID_NAMES})
        return [f"-{name}" for name in left_out] or MISSING

    def __bool__(self) -> bool:
        return bool(self.included or self.excluded)

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of `document` that were selected, and the id unless it was left out."""
        hidden = set(self.excluded)
        if self.included:
            hidden |= set(ALWAYS_REQUESTED) - {"id", *self.included}
        if hidden & ID_NAMES:
            hidden |= ID_NAMES
        return {name: value for name, value in document.items() if name not in hidden}
