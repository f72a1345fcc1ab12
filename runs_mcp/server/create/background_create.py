"""Create requests that outlive their calls.

A create request that was sent cannot be undone, so it runs in a task of the server. A caller that disconnects or times
out does not cancel it, and the run is followed, and thereby executed, in any case.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from anyio.abc import TaskGroup

from runs_mcp.api import Run, RunsApiError
from runs_mcp.server.create.idempotent_create import (
    CreateTags,
    IdempotentCreate,
    RequestKeyConflictError,
    may_exist,
)
from runs_mcp.server.create.run_request import RunRequest
from runs_mcp.server.runs.run_stream import RunStream

log = logging.getLogger(__name__)

Create = Callable[[], Awaitable[Run]]
"""Sends a create request, and returns its run."""
Follow = Callable[[Run], RunStream | None]
"""Starts to follow a created run; returns None for a run that has ended."""


class CreateContinuesError(Exception):
    """The API has not answered a create within the time of a call; the request continues in the background."""

    def __init__(self, tags: CreateTags, seconds: float) -> None:
        super().__init__(f"a create has not been answered within {seconds:g} s, and continues")
        self.tags = tags
        self.seconds = seconds


class NotSentError(Exception):
    """A call reached its deadline before it sent this create."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a create was not sent within {seconds:g} s")
        self.seconds = seconds


class PendingCreate:
    """A create request in progress."""

    def __init__(self, tags: CreateTags) -> None:
        self.tags = tags
        self._done = anyio.Event()
        self._created: tuple[Run, RunStream | None] | None = None
        self._error: Exception = RunsApiError("The server is stopping", outcome_unknown=True)

    async def carry_out(self, create: Create, follow: Follow) -> None:
        """Send the request, follow its run, and keep the outcome for waiting callers."""
        try:
            run = await create()
            self._created = run, follow(run)
        except Exception as error:  # noqa: BLE001 - raised in the callers
            log.info("a create failed: %s", type(error).__name__)
            self._error = error
        finally:
            self._done.set()

    @property
    def run_id(self) -> str | None:
        """Id of the created run; None if the request has not been answered, or has failed."""
        return self._created[0].id if self._created else None

    @property
    def may_have_run(self) -> bool:
        """False once the request has failed without creating a run."""
        return self._created is not None or may_exist(self._error)

    async def finished(self) -> None:
        """Wait until the request is answered, or has failed."""
        await self._done.wait()

    async def outcome(self, deadline: float, *, seconds: float) -> tuple[Run, RunStream | None]:
        """Return the created run, and its follower unless it has ended.

        `deadline` is a time of anyio's clock, `seconds` the total time of a call.

        Raises:
            CreateContinuesError: the API has not answered by the deadline.
            RunsApiError, LostCreateError, RequestKeyConflictError: see `IdempotentCreate.create`.
        """
        with anyio.CancelScope(deadline=deadline):
            await self._done.wait()
        if not self._done.is_set():
            raise CreateContinuesError(self.tags, seconds)
        if self._created is None:
            raise self._error
        return self._created


class BackgroundCreates:
    """The create requests in progress, one for each request key."""

    def __init__(self, creates: IdempotentCreate, tasks: TaskGroup) -> None:
        self._creates = creates
        self._tasks = tasks
        self._pending: set[PendingCreate] = set()

    @property
    def count(self) -> int:
        """Number of create requests in progress."""
        return len(self._pending)

    async def idle(self) -> None:
        """Wait until no create request is in progress."""
        while self._pending:
            await next(iter(self._pending)).finished()

    def start(self, tags: CreateTags, request: RunRequest, follow: Follow) -> PendingCreate:
        """Send a create request, or join the same request with the same key.

        Raises:
            RequestKeyConflictError: the key is in use by another request.
        """
        if tags.keyed and (earlier := next((create for create in self._pending if create.tags.run == tags.run), None)):
            if earlier.tags.request != tags.request:
                raise RequestKeyConflictError(None)
            return earlier
        pending = PendingCreate(tags)
        self._pending.add(pending)
        self._tasks.start_soon(self._run, pending, partial(self._creates.create, tags, request), follow)
        return pending

    async def _run(self, pending: PendingCreate, create: Create, follow: Follow) -> None:
        try:
            await pending.carry_out(create, follow)
        finally:
            self._pending.discard(pending)
