"""Idempotent creates: a repeated request with a `request_key` gets the run of the first, and a run whose answer was
lost is found again by a tag.

A run created with a key carries two tags, both of them keyed hashes: one of the caller, the profile and the key, and
one of the request. Readers of tags learn neither key nor request, and cannot compute the tags of a key. They can copy
the tags of a run that exists; therefore the oldest run with the tag is the run that the key created.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import anyio
from pydantic import MISSING

from runs_mcp.api import NotFoundError, Run, RunsApiError, RunsClient
from runs_mcp.observability.audit import record_start
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.shared_state import KeyedRun, RequestKeys

LOOK_AFTER_S = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each search for a run whose answer was lost."""
PAGE_SIZE = 100
MAX_PAGES = 10
"""Pages in which the oldest run with a tag is searched for. More runs carry one tag only if a user copies it."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class LostCreateError(Exception):
    """The answer to a create was lost, and no run carries its tag; `looked` is False if no search succeeded."""

    def __init__(self, tag: str, cause: RunsApiError, *, looked: bool) -> None:
        super().__init__(f"the answer to a create was lost: {cause}")
        self.tag = tag
        self.cause = cause
        self.looked = looked


class RequestKeyConflictError(Exception):
    """A `request_key` was used before, for another request."""

    def __init__(self, run_id: str | None) -> None:
        super().__init__("a request_key was used for a different request")
        self.run_id = run_id
        """Id of the run that the key created; None while it is being created."""


@dataclass(frozen=True, slots=True)
class CreateTags:
    """The tags by which the run of one create is found."""

    run: str | None
    """Tag that this run alone carries; None: the run is not tagged."""
    request: str | None = None
    """Tag of the request, if it has a `request_key`."""

    @property
    def keyed(self) -> bool:
        """True if the request has a `request_key`."""
        return self.request is not None

    @property
    def all(self) -> Sequence[str]:
        """The tags to set on the run."""
        return [tag for tag in (self.run, self.request) if tag]


class IdempotentCreate:
    """Creates runs that can be found again."""

    def __init__(
        self,
        runs: RunsClient,
        keys: RequestKeys,
        *,
        tagging: bool,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`tagging`: also tag runs that are created without a key, to find them if their answer is lost."""
        self._runs = runs
        self._keys = keys
        self._tagging = tagging
        self._sleep = sleep

    async def tags_for(
        self, request_key: str | MISSING, *, caller: str | None, request: Mapping[str, Any]
    ) -> CreateTags:
        """Return the tags of a create.

        Args:
            request_key: The caller's key for the request, if it has one.
            caller: Identity of the caller within its profile; None over stdio.
            request: What the caller asked for; its unset parts do not count.

        Raises:
            CredentialError: The secret that signs the tags cannot be read.
        """
        if request_key is MISSING:
            return CreateTags(f"{own_tags.PREFIX}{uuid4().hex}" if self._tagging else None)
        key = await self._runs.sign(_canonical(["request key", caller, request_key]))
        asked = {name: value for name, value in request.items() if value is not MISSING}
        fingerprint = await self._runs.sign(_canonical(["request", asked]))
        return CreateTags(f"{own_tags.PREFIX}key-{key}", f"{own_tags.PREFIX}req-{fingerprint}")

    async def create(self, tags: CreateTags, given_tags: Sequence[str] | MISSING, **request: Any) -> Run:
        """Return the run that the request creates, or that an earlier one with the same key created.

        Raises:
            LostCreateError: The answer was lost, and the run is not found.
            RequestKeyConflictError: The key was used for another request.
            RunsApiError: No run was created; or, for untagged runs, the outcome is unknown.
        """
        if tags.run is None or tags.request is None:
            return await self._create(tags, given_tags, request)
        async with self._keys.held(tags.run):
            run = await self._earlier(tags.run, tags.request) or await self._create(tags, given_tags, request)
            await self._keys.keep(tags.run, KeyedRun(run.id, tags.request))
            return run

    async def _earlier(self, key: str, request: str) -> Run | None:
        """Return the run that the key created before.

        Raises:
            RequestKeyConflictError: It was created by another request.
        """
        if known := await self._keys.find(key):
            if known.request != request:
                raise RequestKeyConflictError(known.run_id)
            with suppress(NotFoundError):
                return await self._runs.get_run(known.run_id, include_prompt=False)
        run = await self._oldest(key)
        if run and request not in run.tags:
            raise RequestKeyConflictError(run.id)
        return run

    async def _create(self, tags: CreateTags, given: Sequence[str] | MISSING, request: Mapping[str, Any]) -> Run:
        sent = [*([] if given is MISSING else given), *tags.all]
        try:
            run = await self._runs.create_run(tags=sent, **request)
        except RunsApiError as error:
            if tags.run is None or not error.outcome_unknown:
                raise
            run = await self._found_again(tags.run, error)
        _record(run, request)
        return run

    async def _found_again(self, tag: str, lost: RunsApiError) -> Run:
        looked = False
        for seconds in LOOK_AFTER_S:
            await self._sleep(seconds)
            try:
                if run := await self._oldest(tag):
                    return run
                looked = True
            except RunsApiError:
                looked = False
        raise LostCreateError(tag, lost, looked=looked)

    async def _oldest(self, tag: str) -> Run | None:
        """Return the oldest run with `tag`, whole: copies of a tag are younger than the run they are copied from.

        Raises:
            RunsApiError: The runs cannot be read, or more than `MAX_PAGES` pages carry the tag.
        """
        found: list[Run] = []
        for page in range(MAX_PAGES):
            runs = await self._runs.list_runs(tag=tag, limit=PAGE_SIZE, offset=page * PAGE_SIZE)
            # An API that ignores the filter answers with runs that do not carry the tag.
            found += [run for run in runs if not run.tags or tag in run.tags]
            if len(runs) < PAGE_SIZE:
                break
        else:
            raise RunsApiError(f"More than {MAX_PAGES * PAGE_SIZE} runs carry the tag {tag}: it was copied")
        # Listed newest first: of runs without a date, the last is the oldest.
        oldest = min(reversed(found), key=_created_at, default=None)
        return await self._runs.get_run(oldest.id, include_prompt=False) if oldest else None


def _record(run: Run, request: Mapping[str, Any]) -> None:
    interaction, model = request.get("interaction"), request.get("model")
    record_start(run.id, interaction=str(interaction), model=model if isinstance(model, str) else run.model_id)


def _created_at(run: Run) -> datetime:
    created = run.created_at or _NEVER
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
