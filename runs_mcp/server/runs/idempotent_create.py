"""Creating a run once: a lost answer is found again by a tag, and a repeated request by its key."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import anyio
from pydantic import MISSING

from runs_mcp.api import NotFoundError, Run, RunsApiError, RunsClient
from runs_mcp.observability.audit import record_start
from runs_mcp.server.render.tables import OWN_TAG_PREFIX
from runs_mcp.server.runs.shared_state import RequestKeys

LOOK_AFTER_S = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each look for a run whose answer was lost."""


class LostCreateError(Exception):
    """The answer to a create was lost, and no run carries its tag; `looked` says whether that could be seen."""

    def __init__(self, tag: str, cause: RunsApiError, *, looked: bool) -> None:
        super().__init__(f"the answer to a create was lost: {cause}")
        self.tag = tag
        self.cause = cause
        self.looked = looked


class Creator:
    """Creates runs that can be found again."""

    def __init__(
        self,
        runs: RunsClient,
        keys: RequestKeys,
        *,
        tagging: bool,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._runs = runs
        self._keys = keys
        self._tagging = tagging
        self._sleep = sleep

    async def create(self, request_key: str | MISSING, tags: Sequence[str] | MISSING, **request: Any) -> Run:
        """The run that the request makes; with a `request_key`, the one that it made the first time.

        Raises:
            LostCreateError: the answer was lost, and the run is not found.
            RunsApiError: no run was made; or it is not known whether one was, where runs are not tagged.
        """
        if request_key is MISSING:
            return await self._create(f"{OWN_TAG_PREFIX}{uuid4().hex}" if self._tagging else None, tags, request)
        tag = f"{OWN_TAG_PREFIX}{request_key}"
        async with self._keys.held(tag):
            run = await self._made_by(tag) or await self._create(tag, tags, request)
            await self._keys.keep(tag, run.id)
            return run

    async def _made_by(self, tag: str) -> Run | None:
        if run_id := await self._keys.run_of(tag):
            with suppress(NotFoundError):
                return await self._runs.get_run(run_id)
        return await self._find(tag)

    async def _create(self, tag: str | None, tags: Sequence[str] | MISSING, request: Mapping[str, Any]) -> Run:
        own = [] if tags is MISSING else list(tags)
        try:
            run = await self._runs.create_run(tags=[*own, tag] if tag else own, **request)
        except RunsApiError as error:
            if tag is None or not error.outcome_unknown:
                raise
            run = await self._found_again(tag, error)
        _record(run, request)
        return run

    async def _found_again(self, tag: str, lost: RunsApiError) -> Run:
        looked = False
        for seconds in LOOK_AFTER_S:
            await self._sleep(seconds)
            try:
                if run := await self._find(tag):
                    return run
                looked = True
            except RunsApiError:
                looked = False
        raise LostCreateError(tag, lost, looked=looked)

    async def _find(self, tag: str) -> Run | None:
        return next(iter(await self._runs.list_runs(tag=tag, limit=1)), None)


def _record(run: Run, request: Mapping[str, Any]) -> None:
    interaction, model = request.get("interaction"), request.get("model")
    record_start(run.id, interaction=str(interaction), model=model if isinstance(model, str) else run.model_id)
