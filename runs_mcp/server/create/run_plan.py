"""The runs that a call of `create_run` asks for: one, one for each input or model, or one for each earlier run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import MISSING

from runs_mcp.api import InvalidArgumentError
from runs_mcp.server.context import Call, services
from runs_mcp.server.create.run_request import MissingInteractionError, NotRepeatableError, RunRequest
from runs_mcp.server.progress import Progress, heartbeats
from runs_mcp.server.render import error_messages
from runs_mcp.server.render.outcomes import Outcome
from runs_mcp.server.runs import batch


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that a call asks for."""

    label: str
    """The name by which the caller knows it: `input 3`, the id of the earlier run, a model; empty for a single run."""
    request: RunRequest
    number: int = 0
    """Position in the batch, from 1; 0 for the only run of a call."""
    failure: str = ""
    """The reason why it cannot be created, for a model."""


@dataclass(frozen=True, slots=True)
class Several:
    """The arguments of `create_run` that ask for several runs, or repeat earlier runs."""

    like: Sequence[str] | MISSING
    inputs: Sequence[Mapping[str, Any]] | MISSING
    models: Sequence[str] | MISSING

    @property
    def is_batch(self) -> bool:
        """True if the answer is about several runs."""
        return self.inputs is not MISSING or self.models is not MISSING or self.repeats_several

    @property
    def repeats_several(self) -> bool:
        """True if several earlier runs are repeated."""
        return self.like is not MISSING and len(self.like) > 1


def require_consistent(given: RunRequest, several: Several, *, bounded: bool) -> None:
    """Raise if the arguments of a call contradict each other; `bounded` is True if it asks for an answer within a time.

    Raises:
        InvalidArgumentError: they do.
    """
    inputs, models, stream = several.inputs is not MISSING, several.models is not MISSING, given.stream
    contradictions = {
        "`wait`: false and `wait_s` need `stream`: true": bounded and not stream,
        "`inputs` replaces `data`, and needs `stream`: true": inputs and (given.data is not MISSING or not stream),
        "`inputs` goes with neither `like` nor `models`": inputs and (several.like is not MISSING or models),
        "`models` replaces `model`, and needs `stream`: true": models and (given.model is not MISSING or not stream),
        "`models` runs one input: pass one id in `like`": models and several.repeats_several,
        "`like` with several ids needs `stream`: true": several.repeats_several and not stream,
    }
    if found := next((text for text, applies in contradictions.items() if applies), None):
        raise InvalidArgumentError(found)
    if given.interaction is MISSING and several.like is MISSING:
        raise MissingInteractionError


async def plan(call: Call, given: RunRequest, several: Several) -> list[PlannedRun]:
    """Return the runs that a call asks for, after reading the earlier runs that it repeats."""
    if several.inputs is not MISSING:
        return [
            PlannedRun(f"input {number}", replace(given, data=data), number)
            for number, data in enumerate(several.inputs, start=1)
        ]
    planned = [PlannedRun("", given)] if several.like is MISSING else await _repeated(call, given, several.like)
    if several.models is MISSING:
        return planned
    [run] = planned
    return [
        PlannedRun(model, replace(run.request, model=model), number, run.failure)
        for number, model in enumerate(dict.fromkeys(several.models), start=1)
    ]


async def _repeated(call: Call, given: RunRequest, run_ids: Sequence[str]) -> list[PlannedRun]:
    """Return the runs that repeat earlier runs, which are read a few at a time."""
    server = services(call)
    read = server.runs.unfiltered.get_run  # what is filtered is for readers: it must not become the input of a run
    asks = [(run_id, partial(read, run_id, include_prompt=False)) for run_id in run_ids]
    async with heartbeats(Progress.of(call), server.config.streaming):
        earlier = await batch.each(call, asks)
    numbers = range(1, len(earlier) + 1) if len(earlier) > 1 else [0]
    return [_repeat(given, run, number) for run, number in zip(earlier, numbers, strict=True)]


def _repeat(given: RunRequest, earlier: Outcome, number: int) -> PlannedRun:
    if earlier.run is None:
        return PlannedRun(earlier.label, given, number, f"{earlier.failure} {error_messages.NO_RUN}")
    try:
        return PlannedRun(earlier.label, given.repeat(earlier.run), number)
    except NotRepeatableError as error:
        return PlannedRun(earlier.label, given, number, f"{error} {error_messages.NO_RUN}")
