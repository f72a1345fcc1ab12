"""The interactions that a server knows: those of the catalogue, or, without permission, those that runs have used."""

import difflib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from runs_mcp.api import REFUSALS, Interaction, Ref, RunsApiError, RunsClient
from runs_mcp.server.runs.name_resolver import MOST_CANDIDATES, STORED, VERSION, UnclearNameError, composed

REMEMBERED_S = 60.0
NEWEST_RUNS = 100
Source = Literal["catalogue", "names", "runs"]


@dataclass(frozen=True, slots=True)
class Listing:
    """The interactions known at one time."""

    interactions: Sequence[Interaction]
    source: Source = "catalogue"
    """`names`: the credential may read only the names, without inputs; `runs`: these are the names that runs used."""

    def find(self, given: str) -> Interaction:
        """Return the interaction with this endpoint, id or name; a version after `@` is ignored.

        Raises:
            UnclearNameError: none or several have it.
        """
        wanted, base = _with_and_without_version(given)
        found = self._named(wanted) or self._named(base) or self._named(wanted, base, fold=True)
        if len(found) == 1:
            return found[0]
        raise UnclearNameError(self._advice(given, found), "interaction", given)

    def require(self, given: str) -> None:
        """Raise unless an interaction has exactly this endpoint, id or name; a version after `@` is ignored.

        Raises:
            UnclearNameError: none has it; the message suggests similar names.
        """
        if not self._named(*_with_and_without_version(given)):
            raise UnclearNameError(
                f"`interaction`: there is no {given!r}.{self._suggestion(given)}", "interaction", given
            )

    def _named(self, *texts: str, fold: bool = False) -> list[Interaction]:
        """Return the interactions with one of `texts` as endpoint, id or name; `fold`: in upper or lower case."""
        form: Callable[[str], str] = str.casefold if fold else str
        wanted = {form(text) for text in texts}
        return [
            interaction
            for interaction in self.interactions
            if wanted & {form(composed(text)) for text in (interaction.endpoint, interaction.id, interaction.name)}
        ]

    def _advice(self, given: str, found: Sequence[Interaction]) -> str:
        if found:
            candidates = ", ".join(f"{interaction.endpoint} ({interaction.id})" for interaction in found)
            return f"`interaction`: {given!r} stands for {len(found)} interactions: {candidates}. Pass one of the ids."
        unknown = f"no known run has used {given!r}" if self.source == "runs" else f"there is no {given!r}"
        return f"`interaction`: {unknown}.{self._suggestion(given)}"

    def _suggestion(self, given: str) -> str:
        endpoints = [interaction.endpoint for interaction in self.interactions]
        near = [interaction.endpoint for interaction in self._named(*_with_and_without_version(given), fold=True)]
        near = near or difflib.get_close_matches(given, endpoints, n=3, cutoff=0.5)
        some = ", ".join(endpoints[:MOST_CANDIDATES])
        return f" Did you mean {', '.join(near)}?" if near else f" Known: {some}." if some else ""


class KnownInteractions:
    """The interactions of a project, remembered for a minute."""

    def __init__(self, runs: RunsClient, *, now: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._now = now
        self._remembered: tuple[float, Listing] | None = None

    async def listing(self, *, within_s: float = REMEMBERED_S) -> Listing:
        """Return the interactions, read again if they were read more than `within_s` seconds ago.

        Raises:
            RunsApiError: neither the catalogue nor the runs can be read.
        """
        if self._remembered is None or self._now() - self._remembered[0] > within_s:
            self._remembered = (self._now(), await self._read())
        return self._remembered[1]

    async def _read(self) -> Listing:
        with suppress(*REFUSALS):
            return Listing(await self._runs.catalog.list_interactions())
        with suppress(RunsApiError):
            return Listing(
                _named(Ref(name.id, name.name) for name in await self._runs.list_names("interaction")), "names"
            )
        return Listing(_named(await self._used_by_runs()), "runs")

    async def _used_by_runs(self) -> Sequence[Ref]:
        try:
            return [Ref(option.id, option.name) for option in await self._runs.get_filter_options("interaction")]
        except RunsApiError:
            newest = await self._runs.list_runs(limit=NEWEST_RUNS)
        return [run.interaction for run in newest if run.interaction]


def _with_and_without_version(given: str) -> tuple[str, str]:
    wanted = composed(given.removeprefix(STORED))
    return wanted, wanted.partition(VERSION)[0]


def _named(references: Iterable[Ref]) -> Sequence[Interaction]:
    found = {
        reference.id or reference.label: Interaction(
            id=reference.id or reference.label, name=reference.label, endpoint=reference.label
        )
        for reference in references
    }
    return [interaction for interaction in found.values() if interaction.name]
