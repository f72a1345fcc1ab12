"""The creation of the runs of a call: within the limit, confirmed, each at most once, a few at a time."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import MISSING

from runs_mcp.api import Run
from runs_mcp.server import elicitation
from runs_mcp.server.context import Call, services
from runs_mcp.server.permissions.scopes import CREATE, principal
from runs_mcp.server.progress import Progress, heartbeats
from runs_mcp.server.render import tables
from runs_mcp.server.render.outcomes import Outcome
from runs_mcp.server.runs.background_create import NotSentError
from runs_mcp.server.runs.idempotent_create import CreateTags, start_of
from runs_mcp.server.runs.run_request import RunRequest
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.tools import batch
from runs_mcp.server.tools.run_plan import PlannedRun


@dataclass(frozen=True, slots=True)
class Creation:
    """The creation of the runs of one call of `create_run`."""

    call: Call
    request_key: str | MISSING
    stream: bool

    async def permit(self, planned: Sequence[PlannedRun]) -> None:
        """Return once the limit allows all runs, and a person has confirmed them.

        Raises:
            CreateLimitError: They are more than `server.create_limit` leaves.
            NotConfirmedError: The user did not agree.
            InputRequiredError: The call has to be answered with the question.
        """
        here, wanted = services(self.call), [one for one in planned if not one.failure]
        if here.create_limit.is_set:
            tags = [await self._tags(one) for one in wanted]
            await here.create_limit.require(sum([not await here.idempotent.knows(one) for one in tags]))
        if wanted:
            first = wanted[0].request
            data = None if first.data is MISSING or first.data_of else first.data
            facts = _facts([one.request for one in wanted])
            await elicitation.confirm(self.call, action="create", facts=facts, data=data)

    async def one(self, planned: PlannedRun) -> tuple[Run, RunStream | None]:
        """Return the only run of a call, and what follows it unless it has ended.

        Raises:
            ToolError: It cannot be created, for the reason that is known already.
            Exception: See `_create`.
        """
        if planned.failure:
            raise ToolError(planned.failure)
        async with heartbeats(Progress.of(self.call), services(self.call).config.streaming):
            return await self._create(planned)

    async def several(self, planned: Sequence[PlannedRun], *, wait: bool) -> list[Outcome]:
        """Return the outcomes of several runs, in their order; `wait` for their ends or the deadline of the call."""
        here, progress = services(self.call), Progress.of(self.call)
        executing = anyio.CapacityLimiter(batch.AT_ONCE)
        following: dict[str, RunStream] = {}

        async def start(one: PlannedRun) -> Run:
            if one.failure:
                raise ToolError(one.failure)
            if anyio.current_time() >= self.call.api_deadline:
                raise NotSentError(here.config.streaming.max_wait_s)
            run, follower = await self._create(one, limiter=executing)
            if follower:
                following[run.id] = follower
            return run

        asks = [(one.label, partial(start, one)) for one in planned]
        async with heartbeats(progress, here.config.streaming):
            created = await batch.each("create_run", asks, scope=CREATE)
            if wait:
                with here.waiting.until(self.call.deadline):
                    await batch.watch(here.followers, created, following, progress)
        return created

    async def _create(
        self, planned: PlannedRun, *, limiter: AbstractAsyncContextManager[None] | None = None
    ) -> tuple[Run, RunStream | None]:
        """Return the run of a request, and what follows it unless it has ended; `limiter` is held while it executes.

        Raises:
            CreateContinuesError: The API has not answered in the time of the call.
            RunsApiError, LostCreateError, RequestKeyConflictError, CreateLimitError: See `IdempotentCreate.create`.
        """
        here, request = services(self.call), planned.request

        def follow(run: Run) -> RunStream | None:
            on_start = start_of(run, request.sent) if self.stream and run.status == "created" else None
            return None if run.is_final else here.followers.follow(run, on_start=on_start, limiter=limiter)

        tags = await self._tags(planned)
        pending = here.creates.start(tags, follow, request.tags, **request.sent, stream=self.stream)
        return await pending.outcome(self.call.api_deadline, seconds=here.config.streaming.max_wait_s)

    async def _tags(self, planned: PlannedRun) -> CreateTags:
        key, caller = self.request_key, principal(self.call.request_context)
        if key is not MISSING and planned.number is not None:
            key = f"{key}.{planned.number}"
        return await services(self.call).idempotent.tags_for(key, caller=caller, request=planned.request.signed)


def _facts(requests: Sequence[RunRequest]) -> list[str]:
    """Return facts about runs for the person who confirms them: their number, interactions and settings."""
    number = "a run" if len(requests) == 1 else f"{len(requests)} runs"
    named = {
        name: dict.fromkeys(str(value) for one in requests if (value := getattr(one, name)) is not MISSING)
        for name in ("model", "environment_id", "interaction_tag")
    }
    shown = [f"{name.removesuffix('_id')} {tables.listed(list(values))}" for name, values in named.items() if values]
    return [f"{number} of {tables.listed(list(dict.fromkeys(one.label for one in requests)))}", *shown]
