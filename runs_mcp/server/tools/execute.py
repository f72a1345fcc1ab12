"""Executing interactions: create a run, and follow what it writes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING, Field

from runs_mcp.api import InvalidArgumentError, Run
from runs_mcp.observability.audit import record_start
from runs_mcp.server import elicitation, tasks
from runs_mcp.server.context import Call, services
from runs_mcp.server.params import Environment, Model, Name, RunId, Tags, Tail, given
from runs_mcp.server.progress import Progress, forward, heartbeats
from runs_mcp.server.render import error_messages, outcomes, results, tables
from runs_mcp.server.runs.run_stream import Follower
from runs_mcp.server.runs.stream_hub import FollowingError
from runs_mcp.server.scopes import may_create
from runs_mcp.server.tools import batch
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import RUN_VIEWER

JsonObject = dict[str, Any]
Create = Callable[..., Awaitable[Run]]
WhatToRun = Annotated[Name, Field(description="Interaction to run: id, Name, Name@3 or Name@draft")]
Data = Annotated[JsonObject, Field(description="Input of the interaction; see parameters of an earlier run")]
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
NewTags = Annotated[Tags, Field(description="Tags for the run")]
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
    here, progress = services(call), Progress.of(call)
    create = partial(
        here.creator.create,
        tags=tags,
        interaction=interaction,
        environment=await here.names.id_of("environment", environment, must_exist=False),
        model=model,
        config=config,
        interaction_tag=interaction_tag,
        result_schema=result_schema,
        stream=stream,
    )
    if inputs is not MISSING and (data is not MISSING or not stream):
        raise InvalidArgumentError("`inputs` stands in for `data`, and needs `stream`: true")
    await _confirm_creation(call, create.keywords, data=data, inputs=inputs)
    if inputs is not MISSING:
        return await _create_several(call, create, inputs, request_key, wait=wait)
    creating = create(request_key, data=data)
    if stream:
        run = await creating
    else:
        async with heartbeats(progress, here.config.streaming):
            run = await creating
    if run.is_final:
        return results.ended(call, run)
    follower = here.followers.follow(run, starts=stream and run.status == "created")
    if not wait or tasks.wanted(call):
        return results.accepted(call, run, as_task=wait)
    del run  # it can be large, and would be kept for as long as it is followed
    return await _watch(call, follower, progress)


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
    follower = here.followers.find(run_id)
    if follower is None:
        run = await here.runs.get_run(run_id)
        if run.is_final:
            return results.ended(call, run, offset=offset, tail=given(tail))
        starts = run.status == "created"
        if starts and (here.config.server.read_only or not may_create(call.request_context)):
            raise ToolError(error_messages.not_started(run_id))
        if starts and here.config.server.confirm_create:
            await _confirm_start(call, run)
            run = await here.runs.get_run(run_id)  # somebody else may have started it in the meantime
            starts = run.status == "created"
        if starts:
            record_start(run.id, interaction=run.interaction.label if run.interaction else None, model=run.model_id)
        follower = here.followers.follow(run, starts=starts)
        del run  # it can be large, and would be kept for as long as it is followed
    if wait and tasks.wanted(call):
        return results.accepted(call, await here.runs.get_run(run_id), as_task=True)
    return await _watch(call, follower, Progress.of(call), offset=offset, tail=given(tail), wait=wait)


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
    call: Call, follower: Follower, progress: Progress, *, offset: int = 0, tail: int | None = None, wait: bool = True
) -> CallToolResult:
    here = services(call)
    streaming = here.config.streaming
    with here.followers.watching(follower), here.waiting.at_most(streaming.max_wait_s if wait else 0):
        await forward(follower, progress, streaming, offset=offset)
    if follower.error:
        raise FollowingError(follower.run_id, follower.error)
    if follower.run is None:
        return results.still_going(call, follower, offset, tail)
    return results.ended(call, follower.run, offset=offset, tail=tail)


async def _create_several(
    call: Call, create: Create, inputs: Sequence[JsonObject], request_key: str | MISSING, *, wait: bool
) -> CallToolResult:
    here, progress = services(call), Progress.of(call)
    deadline = anyio.current_time() + here.config.streaming.max_wait_s
    executing = anyio.CapacityLimiter(batch.AT_ONCE)
    following: dict[str, Follower] = {}

    async def start(number: int, data: JsonObject) -> Run:
        run = await create(request_key if request_key is MISSING else f"{request_key}.{number}", data=data)
        if not run.is_final:
            following[run.id] = here.followers.follow(run, starts=run.status == "created", limiter=executing)
        return run

    asks = {f"input {number}": partial(start, number, data) for number, data in enumerate(inputs, start=1)}
    async with heartbeats(progress, here.config.streaming):
        created = await batch.each("create_run", asks, changes=True)
        if wait:
            with here.waiting.at_most(deadline - anyio.current_time()):
                await batch.watch(here.followers, created, following, progress)
    going = [one.run.id for one in created if one.run and not one.run.is_final]
    follow_up = results.written_call("get_run", {"run_ids": going, "include": ["result"]}) if going else ""
    return outcomes.several(call, created, include=["result"], follow_up=follow_up)
