"""Resolution of names of interactions and environments to the ids that the API expects."""

import difflib
import re
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pydantic import MISSING

from runs_mcp.api import REFUSALS, FilterOption, InvalidArgumentError, Ref, RunsApiError, RunsClient
from runs_mcp.observability.mask import one_line

Named = Literal["interaction", "environment"]

REMEMBERED_S = 60.0
REREAD_S = 2.0
"""Seconds after which names are read again for a name that is not among them; a misspelled name may be repeated."""
MOST_CANDIDATES = 8
NEWEST_RUNS = 100
STORED = "oid:"
"""Prefix of a stored interaction, in front of its id or name; runs hold the id alone."""
PATTERNS = frozenset({"$regex", "$regularExpression"})
VERSION = "@"
"""Separates the name of an interaction from a version or tag."""
_SURELY_AN_ID = re.compile(r"[0-9a-fA-F]{24}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(sys|app|tmp):.+")


class UnclearNameError(Exception):
    """A name that is unknown or ambiguous; the message lists the candidates."""

    def __init__(self, text: str, field: Named, given: str, candidates: Sequence[FilterOption] = ()) -> None:
        super().__init__(text)
        self.field = field
        self.given = given
        self.candidates = candidates


class NameLikeIdError(Exception):
    """Filters hold names that have the form of an id; `ids` are the ids that they stand for, by filter."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        super().__init__(f"the ids are {dict(ids)}")
        self.ids = ids


@dataclass(frozen=True, slots=True)
class Directory:
    """Ids and names from one source."""

    options: Sequence[FilterOption]
    unknown: str
    """Start of the message about a name that is not among the options."""
    complete: bool = True
    """False: a name that is not among the options may still exist."""


Source = Callable[[Named], Awaitable[Directory]]


class NameResolver:
    """Resolves names of interactions and environments by the first source that answers; cached for a minute."""

    def __init__(self, runs: RunsClient, *, now: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._now = now
        self._remembered: dict[tuple[Named, bool], tuple[float, Directory]] = {}

    async def id_of(self, field: Named, given: str | MISSING, *, must_exist: bool = True) -> str | MISSING:
        """Return the id for `given`, which is an id or a name.

        With `must_exist`, the name must occur in runs; otherwise a name in the catalogue of the project is sufficient.

        Raises:
            UnclearNameError: the name is unknown or ambiguous, or the credential may read no source of names.
            RunsApiError: no source of names answers.
        """
        if given is MISSING:
            return given
        given = given.removeprefix(STORED)
        if _SURELY_AN_ID.fullmatch(given):
            return given
        found, directory = await self._look_up(field, given, must_exist=must_exist)
        if found is None and field == "interaction" and VERSION in given:
            return await self._version(given)
        if found is None:
            # The first run that uses it may be newer than the names in memory.
            found, directory = await self._look_up(field, given, must_exist=must_exist, within_s=REREAD_S)
        # An unknown name is never sent: the API would return an empty list, which reads as "no runs".
        if found is None:
            raise UnclearNameError(f"`{field}`: {_unknown(given, directory)}", field, given)
        return found

    async def in_filters(self, filters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the filters of a list or search with names of interactions and environments replaced by their ids.

        Raises:
            UnclearNameError: see `id_of`.
            RunsApiError: see `id_of`.
        """
        given = dict(filters)
        for field in get_args(Named):
            if field in given:
                given[field] = await self.id_of(field, given[field])
        return given

    async def check_ids(self, filters: Mapping[str, Any]) -> None:
        """Check that no id in `filters`, by which no run was found, is the name of an interaction or environment.

        Raises:
            NameLikeIdError: some are names.
            UnclearNameError: such a name is ambiguous.
        """
        ids: dict[str, str] = {}
        for field in get_args(Named):
            given = filters.get(field)
            if isinstance(given, str) and _SURELY_AN_ID.fullmatch(given):
                found = _only(field, given, _exact(given, await self.known(field)))
                if found and found != given:
                    ids[field] = found
        if ids:
            raise NameLikeIdError(ids)

    async def ids_in(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Return a MongoDB filter with names of interactions and environments replaced by their ids.

        Raises:
            InvalidArgumentError: the filter has a pattern for names.
            UnclearNameError: see `id_of`.
            RunsApiError: see `id_of`.
        """
        return {name: await self._ids_in_condition(name, condition) for name, condition in query.items()}

    async def by_id(self, *fields: Named) -> dict[str, dict[str, str]]:
        """Return the known names of the values of each field by their ids."""
        return {
            field: {option.id: option.name for option in await self.known(field) if option.id and option.name}
            for field in fields
        }

    def remembered(self, *fields: Named) -> dict[str, dict[str, str]]:
        """Return the names by id that earlier look-ups have read, without a request; none before the first."""
        return {
            field: {
                option.id: option.name
                for used in (False, True)
                if (field, used) in self._remembered
                for option in self._remembered[field, used][1].options
                if option.id and option.name
            }
            for field in fields
        }

    async def known(self, field: Named) -> Sequence[FilterOption]:
        """Return the ids and names that runs have used; none if no source answers."""
        try:
            return (await self._directory(field)).options
        except (RunsApiError, UnclearNameError):
            return ()

    async def _look_up(
        self, field: Named, given: str, *, must_exist: bool, within_s: float = REMEMBERED_S
    ) -> tuple[str | None, Directory]:
        """Return the id of the only match, None without a match, and the names that were searched.

        Names that were read more than `within_s` seconds ago are read again.

        Raises:
            UnclearNameError: there are several matches, or the credential may read no source of names.
            RunsApiError: no source of names answers.
        """
        directory = await self._directory(field, within_s=within_s)
        matches = _exact(given, directory.options)
        if not matches:
            similar = _similar(given, directory.options)
            # An interaction or environment that no run has used may have the exact name.
            if similar or not must_exist:
                directory = await self._catalogue_or(directory, field, within_s=within_s)
            matches = _exact(given, directory.options) or [*similar, *_similar(given, directory.options)]
        return _only(field, given, matches), directory

    async def _version(self, given: str) -> str:
        """Return the id of a version of an interaction, such as `Review@3`. Each version has its own id.

        Raises:
            UnclearNameError: the API does not return the id.
        """
        try:
            resolved = await self._runs.catalog.resolve_interaction(given)
        except REFUSALS:
            resolved = None
        if resolved is None or not resolved.id:
            text = f"`interaction`: the id of {given!r} is unknown. Pass the id of the version, or the name without it."
            raise UnclearNameError(text, "interaction", given)
        return resolved.id.removeprefix(STORED)

    async def _ids_in_condition(self, name: str, condition: Any) -> Any:
        match name, condition:
            case (("$and" | "$or" | "$nor"), list()):
                return [await self.ids_in(part) if isinstance(part, Mapping) else part for part in condition]
            case ("interaction" | "environment") as field, _:
                return await self._ids_of(field, condition)
            case _:
                return condition

    async def _ids_of(self, field: Named, condition: Any) -> Any:
        match condition:
            case str():
                return await self.id_of(field, condition)
            case list():
                return [await self._ids_of(field, part) for part in condition]
            case Mapping():
                if PATTERNS & condition.keys():
                    raise InvalidArgumentError(await self._refusal_of_patterns(field))
                compared = ("$eq", "$ne", "$in", "$nin", "$not")
                return {
                    operator: await self._ids_of(field, value) if operator in compared else value
                    for operator, value in condition.items()
                }
            case _:
                return condition

    async def _refusal_of_patterns(self, field: Named) -> str:
        text = f"`{field}`: runs hold its id, which no pattern of a name matches. Pass ids or names, several by $in"
        known = await self.known(field)
        return f"{text}. {_known(known)}" if known else text

    async def _directory(self, field: Named, *, used: bool = True, within_s: float = REMEMBERED_S) -> Directory:
        """Return the names from the first source that answers, read within the last `within_s` seconds.

        `used`: prefer names that runs have used.
        """
        when, directory = self._remembered.get((field, used), (float("-inf"), Directory((), "")))
        if self._now() - when > within_s:
            directory = await self._read(field, used=used)
            self._remembered[field, used] = (self._now(), directory)
        return directory

    async def _read(self, field: Named, *, used: bool) -> Directory:
        sources = (self._filter_options, self._catalogue, self._newest_runs)
        failures = []
        for source in sources if used else (self._catalogue, self._newest_runs):
            try:
                directory = await source(field)
            except RunsApiError as error:
                failures.append(error)
                continue
            if directory.complete or directory.options:
                return directory
        # A source that the credential may not read is expected; any other failure is reported.
        for failure in failures:
            if not isinstance(failure, REFUSALS):
                raise failure
        raise UnclearNameError(f"`{field}`: names cannot be looked up with this credential. Pass the id.", field, "")

    async def _catalogue_or(self, used: Directory, field: Named, *, within_s: float) -> Directory:
        """Return the names in the catalogue of the project; those that runs have `used` if the catalogue is closed."""
        try:
            return await self._directory(field, used=False, within_s=within_s)
        except (RunsApiError, UnclearNameError):
            return replace(used, complete=False)

    async def _filter_options(self, field: Named) -> Directory:
        options = await self._runs.get_filter_options(field)
        # Values without names cannot resolve a name.
        named = not options or any(option.name for option in options)
        return Directory(options if named else (), "no run has used", complete=named)

    async def _catalogue(self, field: Named) -> Directory:
        return Directory(await self._runs.list_names(field), f"there is no {field} with the name")

    async def _newest_runs(self, field: Named) -> Directory:
        runs = await self._runs.list_runs(limit=NEWEST_RUNS)
        references = [run.interaction if field == "interaction" else run.environment for run in runs]
        return Directory(_options(references), f"none of the newest {len(runs)} runs has used", complete=False)


def _options(references: Sequence[Ref | None]) -> Sequence[FilterOption]:
    by_id = {reference.id: reference for reference in references if reference and reference.id and reference.name}
    return [FilterOption(reference.id, reference.name) for reference in by_id.values()]


def _exact(given: str, options: Sequence[FilterOption]) -> Sequence[FilterOption]:
    """Return the option with the id `given`, else the options with that name in Unicode's composed form (NFC)."""
    by_id = [option for option in options if option.id == given]
    return by_id or [option for option in options if option.name and composed(option.name) == composed(given)]


def _similar(given: str, options: Sequence[FilterOption]) -> Sequence[FilterOption]:
    """Return the options whose name differs from `given` at most in case."""
    wanted = composed(given).casefold()
    return [option for option in options if option.name and composed(option.name).casefold() == wanted]


def _only(field: Named, given: str, matches: Sequence[FilterOption]) -> str | None:
    """Return the id of the only match; None without a match.

    Raises:
        UnclearNameError: there are several.
    """
    by_id = {option.id: option for option in matches if option.id}
    if len(by_id) > 1:
        candidates = list(by_id.values())
        text = f"`{field}`: {len(candidates)} have the name {given}: {_listed(candidates)}. Pass an id."
        raise UnclearNameError(text, field, given, candidates)
    return next(iter(by_id), None)


def is_in_code(interaction: str) -> bool:
    """Return True if a selector names an interaction that is not stored: `sys:…`, `app:…` or `tmp:…`."""
    return interaction.startswith(("sys:", "app:", "tmp:"))


def composed(name: str | None) -> str:
    """Return `name` in Unicode's composed form (NFC), in which equal names are compared."""
    return unicodedata.normalize("NFC", name or "")


def _known(options: Sequence[FilterOption]) -> str:
    """Return the first of the names that runs have used."""
    return f"Known: {_listed(options[:MOST_CANDIDATES])}"


def _unknown(given: str, directory: Directory) -> str:
    text = f"{directory.unknown} {given!r}."
    by_name = {option.name or option.id or "": option for option in directory.options}
    near = difflib.get_close_matches(given, by_name, n=3, cutoff=0.5)
    if near:
        text += f" Did you mean {_listed([by_name[name] for name in near])}?"
    elif directory.options:
        text += f" {_known(directory.options)}."
    return text if directory.complete else f"{text} If it exists, pass its id."


def _listed(options: Sequence[FilterOption]) -> str:
    return ", ".join(_described(option) for option in options)


def _described(option: FilterOption) -> str:
    used = "" if option.count is None else f", {option.count} runs"
    return f"{one_line(option.name or option.id or '')} ({option.id}{used})"
