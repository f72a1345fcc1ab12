"""Pages of runs that know whether more runs follow: each request fetches one row more than the page."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runs_mcp.api import Run

Fetch = Callable[..., Awaitable[Sequence[Run]]]
"""A list operation of the client that takes `limit` and `offset`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

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
    """Return True if the API has truncated `runs` at its own limit, which only another request reveals."""
    # Agents rely on "no more results", so a short page alone is not taken as the end.
    following = await fetch(limit=1, offset=offset + len(runs))
    # An API that ignores offsets returns the first run again.
    return bool(following) and following[0].id != runs[0].id
