"""The tools that execute interactions: create a run, and follow its output."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, Field

from runs_mcp.api import InvalidArgumentError, Run
from runs_mcp.observability.audit import record_start
from runs_mcp.server import elicitation, tasks
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import Environment, Model, Name, RunId, Tags, Tail, given
from runs_mcp.server.progress import Progress, forward, heartbeats
from runs_mcp.server.render import error_messages, outcomes, results, tables
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.background_create import NotSentError
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.stream_hub import FollowingError
from runs_mcp.server.scopes import may_create, principal
from runs_mcp.server.tools import batch
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import RUN_VIEWER

JsonObject = dict[str, Any]
WhatToRun = Annotated[Name, Field(description="Interaction to run: id, Name, Name@3 or Name@draft")]
Data = Annotated[JsonObject, Field(description="Input of the interaction; list_interactions shows it")]
Inputs = Annotated[
    list[JsonObject],
    Field(
        min_length=1,
        max_length=batch.MOST,
        description="Instead of data, for many runs in one call: the input of each",
    ),
]
Settings = Annotated[JsonObject, Field(description="Further settings, e.g. temperature, max_tokens")]
Version = Annotated[Name, Field(description="Tag or version of the interaction")]
NewTags = Annotated[Tags, AfterValidator(own_tags.require_free), Field(description="Tags for the run")]
ResultSchema = Annotated[JsonObject, Field(description="JSON schema the result must fit")]
RequestKey = Annotated[
    str,
    Field(
        description="Your key for this request: repeated with it, the same run is returned and no second one made",
        pattern=r"^[A-Za-z0-9_.:-]{1,100}$",
    ),
]
Stream = Annotated[bool, Field(description="Write the text as it comes; false executes in one blocking call")]
Wait = Annotated[bool, Field(description="Wait for the end; false answers at once with the id")]
WaitForText = Annotated[bool, Field(description="Wait for the end; false answers at once with the text so far")]
TextOffset = Annotated[int, Field(ge=0, description="Characters of its text to skip, from an earlier answer")]


@operation("POST /runs", title="Create a run", output=results.RUN, page=RUN_VIEWER, changes=True)
async def create_run(
    call: Call,
    *,
    interaction: WhatToRun,
    data: Data | MISSING = MISSING,
    inputs: Inputs | MISSING = MISSING,
    environment: Environment | MISSING = MISSING,
    model: Model | MISSING = MISSING,
    config: Settings | MISSING = MISSING,
    interaction_tag: Version | MISSING = MISSING,
    tags: NewTags | MISSING = MISSING,
    result_schema: ResultSchema | MISSING = MISSING,
    request_key: RequestKey | MISSING = MISSING,
    stream: Stream = True,
    wait: Wait = True,
) -> CallToolResult:
    """Run an interaction on a model and return the final run. Each call costs money and makes a new run; never repeat
    it because an answer was slow: follow the id with stream_run."""
    if not (stream or wait):
        raise InvalidArgumentError("`wait`: false needs `stream`: true, which is what runs on by itself")
    if inputs is not MISSING and (data is not MISSING or not stream):
        raise InvalidArgumentError("`inputs` stands in for `data`, and needs `stream`: true")
    request = {
        "interaction": interaction,
        "environment": environment,
        "model": model,
        "config": config,
        "interaction_tag": interaction_tag,
        "result_schema": result_schema,
    }
    environment = await services(call).names.id_of("environment", environment, must_exist=False)
    await _confirm_creation(call, {**request, "environment": environment}, data=data, inputs=inputs)
    creation = _Creation(call, request, request_key, {"environment": environment, "tags": tags, "stream": stream})
    if inputs is not MISSING:
        return await _create_several(creation, inputs, wait=wait)
    async with heartbeats(Progress.of(call), services(call).config.streaming):
        run, follower = await creation.create(data)
    if follower is None:
        return results.ended(call, run)
    if not wait or tasks.wanted(call):
        return results.accepted(call, run, as_task=wait)
    del run  # it can be large, and would be kept for as long as it is followed
    return await _watch(call, follower, Progress.of(call))


@operation("GET /runs/{run_id}/stream", title="Follow a run", output=results.RUN, page=RUN_VIEWER, may_start=True)
async def stream_run(
    call: Call,
    *,
    run_id: RunId,
    offset: TextOffset = 0,
    tail: Tail | MISSING = MISSING,
    wait: WaitForText = True,
) -> CallToolResult:
    """Follow a run to its end: its text as progress, then the final run. Starts a run that was created and not started;
    answers at once for one that has ended."""
    here = services(call)
    as_task = wait and tasks.wanted(call)
    follower = here.followers.find(run_id)
    if follower is None or as_task:
        run = await here.runs.get_run(run_id, include_prompt=False)
        if follower is None and run.is_final:
            return results.ended(call, run, offset=offset, tail=given(tail))
        follower = follower or await _follow(call, run)
        if as_task:
            return results.accepted(call, run, as_task=True)
        del run  # it can be large, and would be kept for as long as it is followed
    return await _watch(call, follower, Progress.of(call), offset=offset, tail=given(tail), wait=wait)


async def _follow(call: Call, run: Run) -> RunStream:
    """Follow `run`; start it if it is not started, and the caller may and a person agrees.

    Raises:
        ToolError: The caller may not start it.
        NotConfirmedError: The user did not agree to start it.
        InputRequiredError: The call has to be answered with the question.
    """
    here = services(call)
    starts = run.status == "created"
    if starts and (here.config.server.read_only or not may_create(call.request_context)):
        raise ToolError(error_messages.not_started(run.id))
    if starts and here.config.server.confirm_create:
        await _confirm_start(call, run)
        run = await here.runs.get_run(
            run.id, include_prompt=False
        )  # another client may have started it in the meantime
        starts = run.status == "created"
    if starts:
        record_start(run.id, interaction=run.interaction.label if run.interaction else None, model=run.model_id)
    return here.followers.follow(run, starts=starts)


@dataclass(frozen=True, slots=True)
class _Creation:
    """The runs that a call of `create_run` creates."""

    call: Call
    request: Mapping[str, Any]
    """The request as the caller wrote it, to which its `request_key` is bound."""
    request_key: str | MISSING
    sent: Mapping[str, Any]
    """The parts of the request that are sent differently, and those that no key is bound to."""

    async def create(
        self,
        data: JsonObject | MISSING,
        *,
        number: int | None = None,
        limiter: AbstractAsyncContextManager[None] | None = None,
    ) -> tuple[Run, RunStream | None]:
        """Return the run for `data`, and what follows it unless it has ended.

        `number` is that of the input in a batch, and `limiter` is held while the run executes.

        Raises:
            CreateContinuesError: The API has not answered in the time of the call.
            RunsApiError, LostCreateError, RequestKeyConflictError: See `IdempotentCreate.create`.
        """
        here, request = services(self.call), {**self.request, "data": data}
        caller, key = principal(self.call.request_context), self.request_key
        if key is not MISSING and number is not None:
            key = f"{key}.{number}"
        tags = await here.idempotent.tags_for(key, caller=caller, request=request)

        def follow(run: Run) -> RunStream | None:
            starts = bool(self.sent["stream"]) and run.status == "created"
            return None if run.is_final else here.followers.follow(run, starts=starts, limiter=limiter)

        sent = {**request, **self.sent}
        pending = here.creates.start(tags, follow, sent.pop("tags"), **sent)
        return await pending.outcome(self.call.api_deadline, seconds=here.config.streaming.max_wait_s)


async def _confirm_creation(
    call: Call, request: Mapping[str, Any], *, data: JsonObject | MISSING, inputs: Sequence[JsonObject] | MISSING
) -> None:
    """Have a person confirm a call of `create_run`."""
    number, shown = ("a run", data) if inputs is MISSING else (f"{len(inputs)} runs", inputs[0])
    named = [
        f"{name} {tables.cell(request[name])}"
        for name in ("model", "environment", "interaction_tag")
        if request[name] is not MISSING
    ]
    facts = [f"{number} of {tables.cell(request['interaction'])}", *named]
    await elicitation.confirm(call, action="create", facts=facts, data=None if shown is MISSING else shown)


async def _confirm_start(call: Call, run: Run) -> None:
    """Have a person confirm that following `run` starts it."""
    known = tables.facts(run)
    named = [f"{name} {known[name]}" for name in ("interaction", "model", "environment") if name in known]
    await elicitation.confirm(call, action="start", facts=[f"run {run.id}", *named], data=run.raw.get("parameters"))


async def _watch(
    call: Call, follower: RunStream, progress: Progress, *, offset: int = 0, tail: int | None = None, wait: bool = True
) -> CallToolResult:
    here = services(call)
    with here.followers.watching(follower), here.waiting.until(call.deadline if wait else -math.inf):
        await forward(follower, progress, here.config.streaming, offset=offset)
    if follower.error:
        raise FollowingError(follower.run_id, follower.error)
    if follower.run is None:
        return results.still_going(call, follower, offset, tail)
    return results.ended(call, follower.run, offset=offset, tail=tail)


async def _create_several(creation: _Creation, inputs: Sequence[JsonObject], *, wait: bool) -> CallToolResult:
    call, here, progress = creation.call, services(creation.call), Progress.of(creation.call)
    executing = anyio.CapacityLimiter(batch.AT_ONCE)
    following: dict[str, RunStream] = {}

    async def start(number: int, data: JsonObject) -> Run:
        if anyio.current_time() >= call.api_deadline:
            raise NotSentError(here.config.streaming.max_wait_s)
        run, follower = await creation.create(data, number=number, limiter=executing)
        if follower:
            following[run.id] = follower
        return run

    asks = {f"input {number}": partial(start, number, data) for number, data in enumerate(inputs, start=1)}
    async with heartbeats(progress, here.config.streaming):
        created = await batch.each("create_run", asks, changes=True)
        if wait:
            with here.waiting.until(call.deadline):
                await batch.watch(here.followers, created, following, progress)
    going = [one.run.id for one in created if one.run and not one.run.is_final]
    follow_up = results.written_call("get_run", {"run_ids": going, "include": ["result"]}) if going else ""
    return outcomes.several(call, created, include=["result"], follow_up=follow_up)
