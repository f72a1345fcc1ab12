"""Tool calls that have not been answered yet, and those among them that wait for runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class CallsInFlight:
    """The tool calls that have not been answered yet. `with calls:` counts a call for the duration of the block."""

    def __init__(self) -> None:
        self.count = 0
        self._idle = anyio.Event()

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if not self.count:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until every call has been answered."""
        while self.count:
            if self._idle.is_set():
                self._idle = anyio.Event()
            await self._idle.wait()


class WaitingCalls:
    """The calls that wait for runs, each until its deadline or until the server is about to stop."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._over = False

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Leave the block at `deadline`, a time of anyio's clock, or when the server is about to stop."""
        with anyio.CancelScope(deadline=deadline) as scope:
            if self._over:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.remove(scope)

    @property
    def over(self) -> bool:
        """True once calls may no longer wait."""
        return self._over

    def end(self) -> None:
        """Make all current and future calls return the state of their runs without waiting."""
        self._over = True
        for scope in self._scopes:
            scope.cancel()
