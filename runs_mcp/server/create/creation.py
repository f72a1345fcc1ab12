"""The creation of the runs of a call: within the limit, confirmed, each at most once, a few at a time."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING

from runs_mcp.api import NotFoundError, Run, RunsApiError
from runs_mcp.server import elicitation
from runs_mcp.server.context import Call, client_name, services, session_or_address
from runs_mcp.server.create.background_create import NotSentError, PendingCreate
from runs_mcp.server.create.create_limit import CreateLimitError
from runs_mcp.server.create.idempotent_create import CreateTags, LostCreateError, start_of
from runs_mcp.server.create.run_plan import PlannedRun, Several
from runs_mcp.server.create.run_request import RunRequest
from runs_mcp.server.params import given
from runs_mcp.server.permissions.scopes import CREATE, principal
from runs_mcp.server.progress import Progress, heartbeats
from runs_mcp.server.render import error_messages, results, tables
from runs_mcp.server.render.outcomes import Outcome
from runs_mcp.server.runs import batch
from runs_mcp.server.runs.name_resolver import is_in_code
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.stream_hub import FollowingError


@dataclass(frozen=True, slots=True)
class Creation:
    """The creation of the runs of one call of `create_run`."""

    call: Call
    planned: Sequence[PlannedRun]
    request_key: str | MISSING

    async def take_over(self, asked: RunRequest, several: Several) -> None:
        """Take over the creates of the same call, if it was cut off."""
        if self.request_key is MISSING:
            request = _fingerprint(self.call, asked, several)
            await services(self.call).cut_off_creates.take_over(self.call.started, request, self.call.deadline)

    def answered(self, answer: CallToolResult) -> CallToolResult:
        """Return the answer that shows the runs, with a note if they are those of a call that was cut off."""
        return results.repeated(answer) if self.call.started.answered() else answer

    async def permitted(self) -> "Creation":
        """Return this creation once the limit allows all new runs, and a person has confirmed them.

        If new runs are refused beside those of a call that was cut off, return the creation in which they fail.

        Raises:
            CreateLimitError: they are more than `server.create_limit` leaves.
            NotConfirmedError: the user did not agree.
            InputRequiredError: the call has to be answered with the question.
        """
        try:
            await self._permit()
        except (CreateLimitError, elicitation.NotConfirmedError) as refused:
            if not self.call.started.pending:
                raise
            text = error_messages.over_create_limit(refused) if isinstance(refused, CreateLimitError) else str(refused)
            return self._without_new_runs(text)
        return self

    def _without_new_runs(self, failure: str) -> "Creation":
        """Return the creation in which the runs that are not started yet fail."""
        started = self.call.started.pending
        planned = [
            run if run.number in started else replace(run, failure=run.failure or failure) for run in self.planned
        ]
        return replace(self, planned=planned)

    async def _permit(self) -> None:
        server, started = services(self.call), self.call.started.pending
        wanted = [planned for planned in self.planned if not planned.failure and planned.number not in started]
        if server.create_limit.is_set:
            tags = [await self._tags(planned) for planned in wanted]
            await server.create_limit.require(sum([not await server.idempotent_create.knows(tag) for tag in tags]))
        if wanted:
            first = wanted[0].request
            data = None if first.data is MISSING or first.data_of else first.data
            facts = _facts([planned.request for planned in wanted])
            await elicitation.confirm(self.call, action="create", facts=facts, data=data)

    async def one(self) -> tuple[Run, RunStream | None]:
        """Return the only run of a call, and its follower unless it has ended.

        Raises:
            Exception: see `_create`.
        """
        [planned] = self.planned
        async with heartbeats(Progress.of(self.call), services(self.call).config.streaming):
            return await self._create(planned)

    async def several(self, *, until: float) -> list[Outcome]:
        """Return the outcomes of several runs, in their order, after waiting for their ends `until` a time."""
        server, progress = services(self.call), Progress.of(self.call)
        executing = anyio.CapacityLimiter(batch.AT_ONCE)
        following: dict[str, RunStream] = {}

        async def start(planned: PlannedRun) -> Run:
            is_settled = planned.failure or planned.number in self.call.started.pending
            if not is_settled and anyio.current_time() >= self.call.api_deadline:
                raise NotSentError(self.call.patience.wait_s)
            run, follower = await self._create(planned, limiter=executing)
            if follower:
                following[run.id] = follower
            return run

        asks = [(planned.label, partial(start, planned)) for planned in self.planned]
        async with heartbeats(progress, server.config.streaming):
            created = await batch.each(self.call, asks, scope=CREATE)
            with server.waiting.until(until):
                await batch.wait_for_ends(self.call, created, following, progress)
        return created

    async def _create(
        self, planned: PlannedRun, *, limiter: AbstractAsyncContextManager[None] | None = None
    ) -> tuple[Run, RunStream | None]:
        """Return the run of a request, and its follower unless it has ended; `limiter` is held while it executes.

        Raises:
            ToolError: it cannot be created, for the reason that is known already.
            CreateContinuesError: the API has not answered in the time of the call.
            UnclearNameError: there is no such interaction.
            RunsApiError, LostCreateError, RequestKeyConflictError, CreateLimitError: see `IdempotentCreate.create`.
        """
        server, request, started = services(self.call), planned.request, self.call.started.pending
        if planned.failure and planned.number not in started:
            raise ToolError(planned.failure)
        tags = await self._tags(planned)
        # Checked directly before the create is sent: a call that was cut off and goes on may have sent it meanwhile.
        if earlier := started.get(planned.number):
            return await self._again(planned, earlier)

        def follow(run: Run) -> RunStream | None:
            on_start = start_of(run, request) if request.stream and run.status == "created" else None
            return None if run.is_final else server.hub.follow(run, on_start=on_start, limiter=limiter)

        pending = server.background_creates.start(tags, request, follow)
        started[planned.number] = pending
        try:
            return await self._outcome(pending)
        except NotFoundError:
            await self._require_interaction(request)
            raise

    async def _require_interaction(self, request: RunRequest) -> None:
        """Raise if the interaction of a rejected request is unknown; return if it cannot be looked up in time.

        Raises:
            UnclearNameError: there is no such interaction.
        """
        if is_in_code(str(request.interaction)):
            return
        with suppress(RunsApiError), anyio.CancelScope(deadline=self.call.api_deadline):
            (await services(self.call).interactions.listing()).require(str(request.interaction))

    async def _again(self, planned: PlannedRun, earlier: PendingCreate) -> tuple[Run, RunStream | None]:
        """Return the run of an earlier call, and its follower unless it has ended.

        Raises:
            FollowingError: it cannot be read.
            Exception: see `_create`.
        """
        server = services(self.call)
        try:
            run, follower = await self._outcome(earlier)
        except (RunsApiError, LostCreateError):
            self.call.started.pending.pop(planned.number, None)  # the caller is told, and may create the run again
            raise
        if follower is None or follower.run or not follower.ended.is_set():
            return run, follower
        try:
            with anyio.CancelScope(deadline=self.call.api_deadline):
                run = await server.runs.get_run(run.id, include_prompt=False)
                return run, None if run.is_final else server.hub.follow(run)
        except RunsApiError as error:
            raise FollowingError(run.id, error) from error
        return run, follower

    async def _outcome(self, pending: PendingCreate) -> tuple[Run, RunStream | None]:
        return await pending.outcome(self.call.api_deadline, seconds=self.call.patience.wait_s)

    async def _tags(self, planned: PlannedRun) -> CreateTags:
        key, caller = self.request_key, principal(self.call.request_context)
        if key is not MISSING and planned.number:
            key = f"{key}.{planned.number}"
        return await services(self.call).idempotent_create.tags_for(key, caller=caller, request=planned.request)


def _fingerprint(call: Call, asked: RunRequest, several: Several) -> str:
    """Return a hash of the arguments of a call, without how long it waits, and of the client that makes it."""
    ctx = call.request_context
    who = [principal(ctx), session_or_address(ctx), client_name(ctx), call.name]
    arguments = [asked.arguments, given(several.like), given(several.inputs), given(several.models)]
    return sha256(json.dumps([who, arguments], sort_keys=True).encode()).hexdigest()


def _facts(requests: Sequence[RunRequest]) -> list[str]:
    """Return facts about runs for the person who confirms them: their number, interactions and settings."""
    number = "a run" if len(requests) == 1 else f"{len(requests)} runs"
    named = {
        name: dict.fromkeys(str(value) for request in requests if (value := getattr(request, name)) is not MISSING)
        for name in ("model", "environment_id", "interaction_tag")
    }
    shown = [f"{name.removesuffix('_id')} {tables.listed(list(values))}" for name, values in named.items() if values]
    return [f"{number} of {tables.listed(list(dict.fromkeys(request.label for request in requests)))}", *shown]
