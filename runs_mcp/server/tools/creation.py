"""The creation of the runs of a call: within the limit, confirmed, each at most once, a few at a time."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING

from runs_mcp.api import Run, RunsApiError
from runs_mcp.server import elicitation
from runs_mcp.server.context import Call, client_name, services, session_id
from runs_mcp.server.permissions.scopes import principal
from runs_mcp.server.progress import Progress, heartbeats
from runs_mcp.server.render import results, tables
from runs_mcp.server.render.outcomes import Outcome
from runs_mcp.server.runs.background_create import NotSentError, PendingCreate
from runs_mcp.server.runs.idempotent_create import CreateTags, LostCreateError, start_of
from runs_mcp.server.runs.run_request import RunRequest
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.tools import batch
from runs_mcp.server.tools.run_plan import PlannedRun

MOST_NAMED = 3
"""Interactions, models and environments that a question names."""


@dataclass(frozen=True, slots=True)
class Creation:
    """The creation of the runs of one call of `create_run`."""

    call: Call
    planned: Sequence[PlannedRun]
    request_key: str | MISSING
    stream: bool

    async def take_over(self) -> None:
        """Take over the creates of the same call, if it was cut off."""
        if self.request_key is not MISSING:
            return
        started = self.call.started
        started.request = self._request()
        if earlier := await services(self.call).cut_off.take(started.request):
            started.pending, started.taken_over = earlier, True

    def answered(self, answer: CallToolResult) -> CallToolResult:
        """Return the answer that shows the runs, with a note if they are those of a call that was cut off."""
        started = self.call.started
        repeats, started.taken_over = started.taken_over, False
        return results.repeated(answer) if repeats else answer

    async def permit(self) -> None:
        """Return once the limit allows all new runs, and a person has confirmed them.

        Raises:
            CreateLimitError: They are more than `server.create_limit` leaves.
            NotConfirmedError: The user did not agree.
            InputRequiredError: The call has to be answered with the question.
        """
        here, started = services(self.call), self.call.started.pending
        wanted = [one for one in self.planned if not one.failure and _position(one) not in started]
        if here.create_limit.is_set:
            tags = [await self._tags(one) for one in wanted]
            await here.create_limit.require(sum([not await here.idempotent.knows(one) for one in tags]))
        if wanted:
            first = wanted[0].request
            data = None if first.data is MISSING or first.data_of else first.data
            facts = _facts([one.request for one in wanted])
            await elicitation.confirm(self.call, action="create", facts=facts, data=data)

    async def one(self) -> tuple[Run, RunStream | None]:
        """Return the only run of a call, and what follows it unless it has ended.

        Raises:
            ToolError: It cannot be created, for the reason that is known already.
            Exception: See `_create`.
        """
        [planned] = self.planned
        if planned.failure:
            raise ToolError(planned.failure)
        async with heartbeats(Progress.of(self.call), services(self.call).config.streaming):
            return await self._create(planned)

    async def several(self, *, until: float) -> list[Outcome]:
        """Return the outcomes of several runs, in their order, after waiting for their ends `until` a time."""
        here, progress = services(self.call), Progress.of(self.call)
        executing = anyio.CapacityLimiter(batch.AT_ONCE)
        following: dict[str, RunStream] = {}

        async def start(one: PlannedRun) -> Run:
            if one.failure:
                raise ToolError(one.failure)
            if anyio.current_time() >= self.call.api_deadline:
                raise NotSentError(self.call.patience.wait_s)
            run, follower = await self._create(one, limiter=executing)
            if follower:
                following[run.id] = follower
            return run

        asks = [(one.label, partial(start, one)) for one in self.planned]
        async with heartbeats(progress, here.config.streaming):
            created = await batch.each("create_run", asks, changes=True)
            with here.waiting.until(until):
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
        here, request, started = services(self.call), planned.request, self.call.started.pending
        if earlier := started.get(_position(planned)):
            return await self._again(planned, earlier)

        def follow(run: Run) -> RunStream | None:
            on_start = start_of(run, request.sent) if self.stream and run.status == "created" else None
            return None if run.is_final else here.followers.follow(run, on_start=on_start, limiter=limiter)

        tags = await self._tags(planned)
        pending = here.creates.start(tags, follow, request.tags, **request.sent, stream=self.stream)
        started[_position(planned)] = pending
        return await self._outcome(pending)

    async def _again(self, planned: PlannedRun, earlier: PendingCreate) -> tuple[Run, RunStream | None]:
        """Return the run of an earlier call, and what follows it unless it has ended.

        Raises:
            Exception: See `_create`.
        """
        here = services(self.call)
        try:
            run, follower = await self._outcome(earlier)
        except (RunsApiError, LostCreateError):
            self.call.started.pending.pop(_position(planned), None)  # the caller is told, and may create the run again
            raise
        if follower is None or not follower.ended.is_set():
            return run, follower
        run = await here.runs.get_run(run.id, include_prompt=False)
        return run, None if run.is_final else here.followers.follow(run)

    async def _outcome(self, pending: PendingCreate) -> tuple[Run, RunStream | None]:
        return await pending.outcome(self.call.api_deadline, seconds=self.call.patience.wait_s)

    def _request(self) -> str:
        """Return a hash of what the call asks for, and of the client and session that ask."""
        ctx = self.call.request_context
        asked = [{**one.request.sent, "tags": one.request.tags} for one in self.planned]
        given = [{name: value for name, value in one.items() if value is not MISSING} for one in asked]
        who = [principal(ctx), session_id(ctx), client_name(ctx), self.call.name]
        return sha256(json.dumps([who, given, self.stream], sort_keys=True).encode()).hexdigest()

    async def _tags(self, planned: PlannedRun) -> CreateTags:
        key, caller = self.request_key, principal(self.call.request_context)
        if key is not MISSING and planned.number is not None:
            key = f"{key}.{planned.number}"
        return await services(self.call).idempotent.tags_for(key, caller=caller, request=planned.request.signed)


def _position(planned: PlannedRun) -> int:
    """Return the position of a run in its call, from 1; 0 for the only one."""
    return planned.number or 0


def _facts(requests: Sequence[RunRequest]) -> list[str]:
    """Return facts about runs for the person who confirms them: their number, interactions and settings."""
    number = "a run" if len(requests) == 1 else f"{len(requests)} runs"
    named = {
        name: dict.fromkeys(str(value) for one in requests if (value := getattr(one, name)) is not MISSING)
        for name in ("model", "environment_id", "interaction_tag")
    }
    shown = [f"{name.removesuffix('_id')} {_listed(list(values))}" for name, values in named.items() if values]
    return [f"{number} of {_listed(list(dict.fromkeys(one.label for one in requests)))}", *shown]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(map(tables.cell, names[:MOST_NAMED]))}{more}"
