"""Groups of runs by up to two dimensions, each with its tally."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, Literal

from runs_mcp.api import Ref, Run
from runs_mcp.server.aggregate.measures import FAILED, Measure, Number, Observation, Tally
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.name_resolver import Named

PROFILE: Literal["inference_profile"] = "inference_profile"
Dimension = Literal[
    "model",
    "interaction",
    "environment",
    "inference_profile",
    "status",
    "error",
    "tag",
    "finish_reason",
    "hour",
    "day",
    "week",
]
NAMED: Sequence[Named] = ("interaction", "environment")
"""The dimensions whose values have an id and a name that the API can look up."""
TIMES: frozenset[Dimension] = frozenset({"hour", "day", "week"})
FIELDS: Mapping[Dimension, str] = {
    "model": "modelId",
    "interaction": "interaction",
    "environment": "environment",
    PROFILE: PROFILE,
    "error": "error",
    "tag": "tags",
    "finish_reason": "finish_reason",
}
"""The field that each dimension needs, besides those that every scan reads."""
NONE = "none"
"""The label of the group of runs that lack the field."""
LONGEST_WHOLE_ID = 9

Key = tuple[str, ...]
NamesById = Mapping[str, Mapping[str, str]]
"""Names by id, for each dimension whose values have both."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group as it is reported."""

    by: Mapping[str, str]
    """The label of the group in each dimension."""
    ids: Mapping[str, str]
    """The id behind each label that is not an id itself."""
    values: Mapping[str, Number]


class Groups:
    """Tallies of runs by group, and of all runs together.

    `without` counts the runs that belong to no group because they have no error or no tag, by that dimension.
    """

    def __init__(self, by: Sequence[Dimension]) -> None:
        self.by = tuple(by)
        self.total = Tally()
        self.tallies: dict[Key, Tally] = {}
        self.without: Counter[Dimension] = Counter()
        self._names: dict[Dimension, dict[str, str]] = {dimension: {} for dimension in (*NAMED, PROFILE)}

    def add(self, run: Run, observation: Observation) -> None:
        """Count `run` in each group that it belongs to, and once in the total."""
        self.total.add(observation)
        if not self.by:
            return
        values_by = {dimension: READERS[dimension](run) for dimension in self.by}
        self.without.update(dimension for dimension, values in values_by.items() if not values)
        for values in product(*(values_by[dimension] for dimension in self.by)):
            for dimension, value in zip(self.by, values, strict=True):
                self.name(dimension, value)
            key = tuple(value.id or NONE for value in values)
            tally = self.tallies.get(key)
            if tally is None:
                tally = self.tallies[key] = Tally()
            tally.add(observation)

    def name(self, dimension: Dimension, value: Ref) -> None:
        """Remember the name of a value."""
        if value.id and value.name and dimension in self._names:
            self._names[dimension][value.id] = value.name

    def report(self, measures: Sequence[Measure], sort: str | None, names: NamesById) -> list[Group]:
        """Return the groups in order: by `sort`, else in time, else by the first measure, largest first.

        Args:
            measures: What to report of each group.
            sort: A measure, with `-` in front for descending order. It may be absent from `measures`.
            names: Names by id, in addition to those that the runs themselves gave.
        """
        labels = {dimension: self._labels(dimension, names) for dimension in self.by}
        order = sort or f"-{measures[0]}"
        ranked: Any = order.lstrip("-")
        groups = []
        for key, tally in self.tallies.items():
            by: dict[str, str] = {
                dimension: labels[dimension][value] for dimension, value in zip(self.by, key, strict=True)
            }
            ids = {name: value for (name, label), value in zip(by.items(), key, strict=True) if label != value}
            rank = tally.values([ranked])[ranked]
            groups.append((rank, Group(by, ids, tally.values(measures))))
        groups.sort(key=lambda entry: tuple(entry[1].by.values()))
        groups.sort(key=lambda entry: _place(entry[0], descending=order.startswith("-")))
        if not sort and (times := [name for name in self.by if name in TIMES]):
            groups.sort(key=lambda entry: [entry[1].by[name] for name in times])
        return [group for _, group in groups]

    def _labels(self, dimension: Dimension, names: NamesById) -> dict[str, str]:
        """Return the label of each value: its name, with its id where several values share the name."""
        place = self.by.index(dimension)
        values = {key[place] for key in self.tallies}
        known = {**names.get(dimension, {}), **self._names.get(dimension, {})}
        named = {value: known.get(value, value) for value in values}
        shared = {name for name, count in Counter(named.values()).items() if count > 1}
        short = Counter((named[value], _shortened(value)) for value in values)
        return {
            value: f"{name} ({_shortened(value) if short[name, _shortened(value)] == 1 else value})"
            if name in shared
            else name
            for value, name in named.items()
        }


def named(dimensions: Collection[Dimension]) -> Sequence[Named]:
    """Return those of the `dimensions` whose values have a name that the API can look up."""
    return [dimension for dimension in NAMED if dimension in dimensions]


def fields_of(dimensions: Iterable[Dimension]) -> list[str]:
    """Return the fields of a run that a scan for `dimensions` reads."""
    return ["id", "status", "created_at", *(FIELDS[dimension] for dimension in dimensions if dimension in FIELDS)]


def _place(rank: Number, *, descending: bool) -> tuple[bool, float]:
    """Return the sort key of a measure: groups without a value come last in either order."""
    value = rank or 0
    return rank is None, -value if descending else value


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST_WHOLE_ID else f"{value[:4]}…{value[-4:]}"


def _one(value: str | None) -> Sequence[Ref]:
    return (Ref(value),)


def _reference(value: Ref | None) -> Sequence[Ref]:
    return (value or Ref(None),)


def _error(run: Run) -> Sequence[Ref]:
    """Return the error code. Runs that did not fail belong to no group."""
    if run.error is None and (run.status or "").lower() != FAILED:
        return ()
    return _one(run.error.code if run.error else None)


def _tags(run: Run) -> Sequence[Ref]:
    """Return the tags. Runs without tags belong to no group."""
    return [Ref(tag) for tag in dict.fromkeys(run.tags) if not own_tags.is_own(tag)]


def _hour(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _week(moment: datetime) -> str:
    week = moment.isocalendar()
    return f"{week.year}-W{week.week:02}"


def _created(written: Callable[[datetime], str]) -> Callable[[Run], Sequence[Ref]]:
    """Return a reader of the creation time, which `written` turns into a bucket."""

    def read(run: Run) -> Sequence[Ref]:
        created = run.created_at
        return _one(written(created) if created else None)

    return read


READERS: Mapping[Dimension, Callable[[Run], Sequence[Ref]]] = {
    "model": lambda run: _one(run.model_id),
    "interaction": lambda run: _reference(run.interaction),
    "environment": lambda run: _reference(run.environment),
    PROFILE: lambda run: _reference(run.inference_profile),
    "status": lambda run: _one(run.status),
    "error": _error,
    "tag": _tags,
    "finish_reason": lambda run: _one(run.finish_reason),
    "hour": _created(_hour),
    "day": _created(_day),
    "week": _created(_week),
}
"""Reads the values of a run in each dimension: usually one, several for tags."""
