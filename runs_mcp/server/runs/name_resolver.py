"""Names in place of ids: what the API wants an id for may be called by its name, where that is unambiguous."""

import difflib
import re
import time
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import MISSING

from runs_mcp.api import FilterOption, RunsApiError, RunsClient

Named = Literal["interaction", "environment"]

REMEMBERED_S = 60.0
MOST_CANDIDATES = 8
_SURELY_AN_ID = re.compile(r"[0-9a-f]{24}|\w+:.+")


class UnclearNameError(Exception):
    """A name that stands for nothing, or for more than one thing, which are the candidates; the text lists them."""

    def __init__(self, text: str, field: Named, given: str, candidates: Sequence[FilterOption] = ()) -> None:
        super().__init__(text)
        self.field = field
        self.given = given
        self.candidates = candidates


class Names:
    """The names of interactions and environments, from filter options, remembered briefly."""

    def __init__(self, runs: RunsClient, *, now: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._now = now
        self._remembered: dict[Named, tuple[float, Sequence[FilterOption]]] = {}

    async def id_of(self, field: Named, given: str | MISSING, *, must_exist: bool = True) -> str | MISSING:
        """The id that `given`, an id or a name, stands for; `given` itself where the API cannot tell.

        `must_exist`: refuse a name that no run has used; else it is left to the API.

        Raises:
            UnclearNameError: the name stands for several things, or must exist and does not.
        """
        if given is MISSING or _SURELY_AN_ID.fullmatch(given):
            return given
        options = await self.known(field)
        if any(option.id == given for option in options):
            return given
        named = [option for option in options if (option.name or "").casefold() == given.casefold()]
        if len(named) == 1:
            return named[0].id or given
        if named:
            text = f"`{field}`: {len(named)} have the name {given}: {_listed(named)}. Pass one's id."
            raise UnclearNameError(text, field, given, named)
        if must_exist and options:
            text = f"`{field}`: no run has used {given!r}. {_candidates(given, options)}"
            raise UnclearNameError(text, field, given)
        return given

    async def by_id(self, *fields: Named) -> dict[str, dict[str, str]]:
        """Return the names of the values of each field by their ids, as far as the API tells them."""
        return {
            field: {option.id: option.name for option in await self.known(field) if option.id and option.name}
            for field in fields
        }

    async def known(self, field: Named) -> Sequence[FilterOption]:
        """What runs have used; nothing where the API does not say."""
        when, options = self._remembered.get(field, (float("-inf"), ()))
        if self._now() - when > REMEMBERED_S:
            try:
                options = await self._runs.get_filter_options(field)
            except RunsApiError:
                return ()  # without them ids still work, and the call itself will say what is wrong
            self._remembered[field] = (self._now(), options)
        return options


def _candidates(given: str, options: Sequence[FilterOption]) -> str:
    by_name = {option.name or option.id or "": option for option in options}
    near = difflib.get_close_matches(given, by_name, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {_listed([by_name[name] for name in near])}?"
    return f"There are {_listed(options[:MOST_CANDIDATES])}."


def _listed(options: Sequence[FilterOption]) -> str:
    return ", ".join(f"{option.name or option.id} ({option.id}, {option.count} runs)" for option in options)
