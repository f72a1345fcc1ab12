"""The tools that execute interactions: create a run, and follow its output."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import MISSING, AfterValidator, BeforeValidator, Field, WithJsonSchema

from runs_mcp.api import Run
from runs_mcp.server import elicitation, params, tasks
from runs_mcp.server.context import Call, services
from runs_mcp.server.create import dry_runs
from runs_mcp.server.create.creation import Creation
from runs_mcp.server.create.idempotent_create import start_of
from runs_mcp.server.create.run_plan import Several, plan, require_consistent
from runs_mcp.server.create.run_request import RunRequest
from runs_mcp.server.params import Environment, Model, Name, RunId, Tags, Tail, given
from runs_mcp.server.patience import seconds_to_wait
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.scopes import CREATE, has_scope
from runs_mcp.server.progress import Progress, forward
from runs_mcp.server.render import comparison, error_messages, outcomes, results, tables
from runs_mcp.server.render.outcomes import Outcome
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.stream_hub import FollowingError
from runs_mcp.server.tools.operation import operation
from runs_mcp.server.ui import RUN_VIEWER

MOST_MODELS = 20
"""Largest number of models in a comparison."""

JsonObject = dict[str, Any]
WhatToRun = Annotated[Name, Field(description="Id, Name, Name@3 or Name@draft")]
Data = Annotated[JsonObject, Field(description="Input of the interaction; list_interactions shows it")]
Inputs = Annotated[
    list[JsonObject],
    Field(min_length=1, max_length=params.MAX_BATCH, description="Instead of data: the inputs of many runs"),
]
Like = Annotated[
    list[Annotated[Name, AfterValidator(params.named_run)]],
    BeforeValidator(params.listed),
    Field(
        min_length=1,
        max_length=params.MAX_BATCH,
        description="Ids of runs to repeat, with their interaction, data and settings unless given",
    ),
]
Models = Annotated[
    list[Name],
    Field(min_length=2, max_length=MOST_MODELS, description="Instead of model: compare these on one input"),
]
DryRun = Annotated[bool, Field(description="Create nothing: preview the run and check data")]
Settings = Annotated[JsonObject, Field(description="Further settings, e.g. temperature, max_tokens")]
Version = Annotated[Name, Field(description="Tag or version of the interaction")]
NewTags = Annotated[Tags, AfterValidator(own_tags.require_free), Field(description="Tags for the run")]
ResultSchema = Annotated[
    JsonObject | None,
    params.NULLABLE,
    WithJsonSchema({"type": "object", "additionalProperties": True, "description": "JSON schema the result must fit"}),
]
RequestKey = Annotated[
    str,
    Field(
        description="Your key: a repeated call with it returns the same run",
        pattern=r"^[A-Za-z0-9_.:-]{1,100}$",
    ),
]
Stream = Annotated[bool, Field(description="False executes in one blocking call")]
Wait = Annotated[bool, Field(description="False answers at once with the id", json_schema_extra={"default": True})]
WaitForText = Annotated[
    bool, Field(description="False answers at once with the text so far", json_schema_extra={"default": True})
]
WaitSeconds = Annotated[float, Field(ge=0, description="Seconds to wait; 0 answers at once")]
TextOffset = Annotated[int, Field(ge=0, description="Characters of its text to skip, from an earlier answer")]


@operation("POST /runs", title="Create a run", output=results.RUN, page=RUN_VIEWER, scope=CREATE)
async def create_run(
    call: Call,
    *,
    interaction: WhatToRun | MISSING = MISSING,
    like: Like | MISSING = MISSING,
    data: Data | MISSING = MISSING,
    inputs: Inputs | MISSING = MISSING,
    environment: Environment | MISSING = MISSING,
    model: Model | MISSING = MISSING,
    models: Models | MISSING = MISSING,
    config: Settings | MISSING = MISSING,
    interaction_tag: Version | MISSING = MISSING,
    tags: NewTags | MISSING = MISSING,
    result_schema: ResultSchema | MISSING = MISSING,
    request_key: RequestKey | MISSING = MISSING,
    stream: Stream = True,
    wait: Wait | MISSING = MISSING,
    wait_s: WaitSeconds | MISSING = MISSING,
    dry_run: DryRun = False,
) -> CallToolResult:
    """Run an interaction on a model and return the final run. Each call costs money and makes a new run; never repeat
    it because an answer was slow. Follow the id with stream_run."""
    asked = RunRequest(
        interaction=interaction,
        data=data,
        environment=environment,
        model=model,
        config=config,
        interaction_tag=interaction_tag,
        tags=tags,
        result_schema=result_schema,
        stream=stream,
    )
    several = Several(like, inputs, models)
    seconds = seconds_to_wait(wait=wait, wait_s=wait_s)
    require_consistent(asked, several, bounded=seconds < math.inf)
    environment_id = await services(call).names.id_of("environment", environment, must_exist=False)
    planned = await plan(call, replace(asked, environment_id=environment_id), several)
    if dry_run:
        return await dry_runs.preview(call, planned)
    creation = Creation(call, planned, request_key)
    await creation.take_over(asked, several)
    creation = await creation.permitted()
    until = call.until(seconds)
    if several.is_batch:
        return creation.answered(_answer_batch(call, several, await creation.several(until=until)))
    run, follower = await creation.one()
    if follower is None:
        answer = results.ended(call, run)
    elif not seconds or tasks.wanted(call):
        answer = results.accepted(call, run, as_task=bool(seconds))
    else:
        del run  # it can be large, and would be kept for as long as it is followed
        answer = await _wait_for(call, follower, Progress.of(call), until=until)
    answer = creation.answered(answer)
    return answer if like is MISSING else results.paired(answer, like[0])


@operation("GET /runs/{run_id}/stream", title="Follow a run", output=results.RUN, page=RUN_VIEWER, may_start=True)
async def stream_run(
    call: Call,
    *,
    run_id: RunId,
    offset: TextOffset = 0,
    tail: Tail | MISSING = MISSING,
    wait: WaitForText | MISSING = MISSING,
    wait_s: WaitSeconds | MISSING = MISSING,
) -> CallToolResult:
    """Follow a run to its end: its text as progress, then the final run. Starts a run that was created and not started;
    answers at once if the run has ended."""
    server, seconds = services(call), seconds_to_wait(wait=wait, wait_s=wait_s)
    as_task = bool(seconds) and tasks.wanted(call)
    follower = server.hub.find(run_id)
    if follower is None or as_task:
        run = await server.runs.get_run(run_id, include_prompt=False)
        if follower is None and run.is_final:
            return results.ended(call, run, offset=offset, tail=given(tail))
        follower = follower or await _follow(call, run)
        if as_task:
            return results.accepted(call, run, as_task=True)
        del run  # it can be large, and would be kept for as long as it is followed
    until = call.until(seconds)
    return await _wait_for(call, follower, Progress.of(call), offset=offset, tail=given(tail), until=until)


async def _follow(call: Call, run: Run) -> RunStream:
    """Follow `run`. Start the run first if it has not started, provided that the caller may and a person agrees.

    Raises:
        ToolError: the caller may not start it.
        CreateLimitError: `server.create_limit` is reached.
        NotConfirmedError: the user did not agree to start it.
        InputRequiredError: the call has to be answered with the question.
    """
    server = services(call)
    starts = run.status == "created"
    if starts and (server.config.server.read_only or not has_scope(call.request_context, CREATE)):
        raise ToolError(error_messages.not_started(run.id))
    if starts and server.config.server.confirm_create:
        await _confirm_start(call, run)
        # Another client may have started it in the meantime.
        run = await server.runs.get_run(run.id, include_prompt=False)
        starts = run.status == "created"
    taken = await server.create_limit.take() if starts else None
    if joined := server.hub.find(run.id):  # another call has begun to follow it in the meantime
        await server.create_limit.give_back(taken)
        return joined
    return server.hub.follow(run, on_start=start_of(run) if starts else None)


def _answer_batch(call: Call, several: Several, created: Sequence[Outcome]) -> CallToolResult:
    """Return the answer about several runs: pairs of ids, a comparison of models, or the result for each input."""
    going = [outcome.run.id for outcome in created if outcome.run and not outcome.run.is_final]
    if several.models is not MISSING and not going:
        return comparison.compared(call, created, include=["result"])
    wanted: dict[str, object] = {"run_ids": going, "include": ["result"]}
    if several.models is not MISSING:
        wanted |= {"run_ids": [outcome.run.id for outcome in created if outcome.run], "compare": True}
    offered = offered_tools(call.request_context)
    follow_up = results.written_call("get_run", wanted) if going and "get_run" in offered else ""
    if several.repeats_several:
        return outcomes.pairs(call, created, follow_up=follow_up)
    return outcomes.several(call, created, include=["result"], follow_up=follow_up)


async def _confirm_start(call: Call, run: Run) -> None:
    """Have a person confirm that following `run` starts it."""
    known = tables.facts(run)
    named = [f"{name} {known[name]}" for name in ("interaction", "model", "environment") if name in known]
    await elicitation.confirm(call, action="start", facts=[f"run {run.id}", *named], data=run.raw.get("parameters"))


async def _wait_for(
    call: Call, follower: RunStream, progress: Progress, *, until: float, offset: int = 0, tail: int | None = None
) -> CallToolResult:
    server = services(call)
    with server.hub.waiting_for(follower), server.waiting.until(until):
        await forward(follower, progress, server.config.streaming, offset=offset)
    if follower.error:
        raise FollowingError(follower.run_id, follower.error)
    if follower.run is None:
        return results.still_going(call, follower, offset, tail)
    return results.ended(call, follower.run, offset=offset, tail=tail)
