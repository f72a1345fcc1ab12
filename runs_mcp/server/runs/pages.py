"""Pages of runs whose end is known: one row more than a page is fetched."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runs_mcp.api import Run

Fetch = Callable[..., Awaitable[Sequence[Run]]]
"""A list operation of the client that takes `limit` and `offset`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, and whether the list goes on after it."""

    runs: Sequence[Run]
    offset: int = 0
    more: bool = False

    @property
    def next_offset(self) -> int | None:
        """Offset of the following page; None after the last page."""
        return self.offset + len(self.runs) if self.more else None


class Pages:
    """The pages of one list operation. A page shorter than another was not capped by the API, so it ends the list."""

    def __init__(self) -> None:
        self._longest = 0

    async def fetch(self, fetch: Fetch, *, limit: int, offset: int) -> Page:
        """Return at most `limit` runs from `offset` on.

        Raises:
            RunsApiError: from `fetch`.
        """
        runs = await fetch(limit=limit + 1, offset=offset)
        self._longest = max(self._longest, len(runs))
        if len(runs) > limit:
            return Page(runs[:limit], offset, more=True)
        may_be_capped = bool(runs) and len(runs) == self._longest
        return Page(runs, offset, more=may_be_capped and await _goes_on(fetch, runs, offset))


async def _goes_on(fetch: Fetch, runs: Sequence[Run], offset: int) -> bool:
    """Return whether the API has cut `runs` short by a limit of its own, which only another request shows."""
    following = await fetch(limit=1, offset=offset + len(runs))
    # An API that ignores offsets answers with the first run again.
    return bool(following) and following[0].id != runs[0].id
