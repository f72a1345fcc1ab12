"""Idempotent creates: a repeated request with a `request_key` returns the run of the first.

A run whose response was lost is found by its tag.

A run created with a key carries two tags, both of them keyed hashes: one of the caller, the profile and the key, and
one of the request and the time. Readers of tags learn neither key nor request, and cannot compute the tags of a key.
They can copy the tags of a run that exists. A copy is recognised by its time of creation, which the API sets: it is
later than that of the original, or differs from the time in the tag. A copy that was made within minutes, and whose
original was deleted, is recognised by its interaction and data. Where only copies are left, the key is refused.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import anyio
from pydantic import MISSING

from runs_mcp.api import (
    ApiTimeoutError,
    NotFoundError,
    ProtocolError,
    ResponseTooLargeError,
    Run,
    RunsApiError,
    RunsClient,
)
from runs_mcp.observability.audit import record_start
from runs_mcp.server.create.create_limit import CreateLimit, CreateLimitError
from runs_mcp.server.create.run_request import RunRequest
from runs_mcp.server.params import given
from runs_mcp.server.runs import own_tags
from runs_mcp.server.runs.shared_state import KeyedRun, RequestKeys
from runs_mcp.server.runs.stream_hub import FollowingError

SEARCH_AFTER_S = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each search for a run whose response was lost. The API may list a new run with a delay."""
PAGE_SIZE = 100
MAX_PAGES = 10
"""Maximum number of pages that are searched for runs with a tag. More runs have a tag only if it was copied."""
CLOCK_DIFFERENCE_S = 600
"""Seconds by which the API's time of creation can differ from the time in the tag of the request."""
_ID = re.compile(r"[0-9a-f]{24}")
_DATED = re.compile(re.escape(own_tags.PREFIX) + r"req-([0-9]{1,12})-[0-9a-f]+")
_NEVER = datetime.max.replace(tzinfo=UTC)


class LostCreateError(Exception):
    """The response to a create was lost, and no run has its tag.

    `searched` is False if that proves nothing: no search succeeded, or the API may still list the run later.
    """

    def __init__(self, tag: str, cause: RunsApiError, *, searched: bool) -> None:
        super().__init__(f"the answer to a create was lost: {cause}")
        self.tag = tag
        self.cause = cause
        self.searched = searched


class RequestKeyConflictError(Exception):
    """A `request_key` was used before, for another request."""

    def __init__(self, run_id: str | None) -> None:
        super().__init__("a request_key was used for a different request")
        self.run_id = run_id
        """Id of the run that the key created; None while it is being created."""


@dataclass(frozen=True, slots=True)
class CreateTags:
    """The tags by which the run of a create is found."""

    run: str | None
    """Tag that only this run has; None: the run is not tagged."""
    request: str | None = None
    """Keyed hash of the request, if it has a `request_key`."""
    dated: str | None = None
    """Tag of the request and of the time, if it has a `request_key`."""

    @property
    def keyed(self) -> bool:
        """True if the request has a `request_key`."""
        return self.request is not None

    @property
    def all(self) -> Sequence[str]:
        """The tags to set on the run."""
        return [tag for tag in (self.run, self.dated) if tag]


class IdempotentCreate:
    """Creates runs that can be found again."""

    def __init__(
        self,
        runs: RunsClient,
        keys: RequestKeys,
        limit: CreateLimit,
        *,
        tagging: bool,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """With `tagging`, also tag runs that are created without a key, to find them if their response is lost."""
        self._runs = runs
        self._keys = keys
        self._limit = limit
        self._tagging = tagging
        self._sleep = sleep
        self._now = now

    async def tags_for(self, request_key: str | MISSING, *, caller: str | None, request: RunRequest) -> CreateTags:
        """Return the tags of a create.

        Args:
            request_key: The caller's key for the request, if it has one.
            caller: Identity of the caller within its profile; None over stdio.
            request: The request to which the key is bound.

        Raises:
            CredentialError: the secret that signs the tags cannot be read.
        """
        if request_key is MISSING:
            return CreateTags(f"{own_tags.PREFIX}{uuid4().hex}" if self._tagging else None)
        key = f"{own_tags.PREFIX}key-{await self._runs.sign(_canonical(['request key', caller, request_key]))}"
        fingerprint = await self._runs.sign(_canonical(["request", request.signed]))
        return CreateTags(key, fingerprint, await self._dated(key, fingerprint, int(self._now())))

    async def create(self, tags: CreateTags, request: RunRequest) -> Run:
        """Return the run that the request creates, or that an earlier request with the same key created.

        Raises:
            LostCreateError: the response was lost, and the run was not found.
            RequestKeyConflictError: the key was used for another request, or only copies of its run are left.
            FollowingError: an earlier request with the same key created a run, which cannot be read.
            CreateLimitError: `server.create_limit` is reached; nothing was sent.
            RunsApiError: no run was created; or, for untagged runs, the outcome is unknown.
        """
        if tags.run is None or tags.request is None:
            return await self._create(tags, request)
        async with self._keys.held(tags.run):
            run = await self._earlier(tags, request) or await self._create(tags, request)
            await self._keys.keep(tags.run, KeyedRun(run.id, tags.request))
            return run

    async def knows(self, tags: CreateTags) -> bool:
        """Return True if a request with the same key is remembered, which need not be created again."""
        return tags.keyed and await self._keys.find(str(tags.run)) is not None

    async def _earlier(self, tags: CreateTags, request: RunRequest) -> Run | None:
        """Return the run that the key created before.

        Raises:
            RequestKeyConflictError: it was created by another request, or only copies of it are left.
            FollowingError: it cannot be read.
        """
        if known := await self._keys.find(str(tags.run)):
            if known.request != tags.request:
                raise RequestKeyConflictError(known.run_id)
            with suppress(NotFoundError), _existing(known.run_id):
                return await self._runs.get_run(known.run_id, include_prompt=False)
        return await self._tagged(tags, request)

    async def _create(self, tags: CreateTags, request: RunRequest) -> Run:
        taken = await self._limit.take()
        try:
            run = await self._sent(tags, request)
        except (RunsApiError, LostCreateError) as error:
            if not may_exist(error):
                await self._limit.give_back(taken)
            raise
        if run.status != "created" or not request.stream:  # any other run starts with its stream
            start_of(run, request)()
        return run

    async def _sent(self, tags: CreateTags, request: RunRequest) -> Run:
        """Return the run that the request creates; if the answer is lost, the run that carries its tag."""
        try:
            all_tags = [*(given(request.tags) or []), *tags.all]
            return _with_id(await self._runs.create_run(tags=all_tags, **request.sent))
        except RunsApiError as error:
            if tags.run is None or not error.outcome_unknown:
                raise
            return await self._found_again(tags, error, request)

    async def _found_again(self, tags: CreateTags, lost: RunsApiError, request: RunRequest) -> Run:
        searched = False
        for seconds in SEARCH_AFTER_S:
            await self._sleep(seconds)
            try:
                if run := await self._tagged(tags, request):
                    return run
                searched = True
            except (RunsApiError, FollowingError, RequestKeyConflictError):
                # No run had the key before the request was sent, so a conflict may be with its own run.
                searched = False
        raise LostCreateError(str(tags.run), lost, searched=searched and not _may_appear_later(lost))

    async def _tagged(self, tags: CreateTags, request: RunRequest) -> Run | None:
        """Return the run that `request` created with `tags`, whole.

        Raises:
            RequestKeyConflictError: runs carry the tag of the key, and none of them was created by the request.
            FollowingError: the run cannot be read.
            RunsApiError: the runs cannot be read, or too many carry the tag.
        """
        found = await self._all_tagged(str(tags.run))
        originals = [run for run in found if await self._is_original(run, tags)]
        if found and not originals:
            raise RequestKeyConflictError(found[0].id)
        if not originals:
            return None
        with _existing(originals[0].id):
            run = await self._runs.unfiltered.get_run(originals[0].id)
        if tags.keyed and not _fits(run, request):
            raise RequestKeyConflictError(run.id)
        return self._runs.filter_run(run)

    async def _all_tagged(self, tag: str) -> Sequence[Run]:
        """Return the runs with `tag`, oldest first.

        Raises:
            RunsApiError: the runs cannot be read, or more than `MAX_PAGES` pages carry the tag.
        """
        found: list[Run] = []
        for page in range(MAX_PAGES):
            runs = await self._runs.list_runs(tag=tag, limit=PAGE_SIZE, offset=page * PAGE_SIZE)
            # An API that ignores the filter returns runs without the tag.
            found += [run for run in runs if not run.tags or tag in run.tags]
            if len(runs) < PAGE_SIZE:
                found.reverse()  # listed newest first: of runs without a date, the last is the oldest
                return sorted(found, key=lambda run: run.created_at or _NEVER)
        raise RunsApiError(f"More than {MAX_PAGES * PAGE_SIZE} runs carry the tag {tag}: it was copied")

    async def _is_original(self, run: Run, tags: CreateTags) -> bool:
        """Return True unless the tags of `run` were copied from another run, or belong to another request."""
        if tags.run is None or tags.request is None:
            return True
        whole = run if run.tags else await self._runs.get_run(run.id, include_prompt=False)
        for tag in whole.tags:
            if (dated := _DATED.fullmatch(tag)) and tag == await self._dated(tags.run, tags.request, int(dated[1])):
                created = run.created_at
                return created is None or abs(created.timestamp() - int(dated[1])) <= CLOCK_DIFFERENCE_S
        return False

    async def _dated(self, key: str, fingerprint: str, seconds: int) -> str:
        """Return the tag of a request that was made at a time, in seconds since 1970."""
        return (
            f"{own_tags.PREFIX}req-{seconds}-{await self._runs.sign(_canonical(['made', key, fingerprint, seconds]))}"
        )


def may_exist(error: Exception) -> bool:
    """Return True if a create that failed with `error` may have created a run."""
    match error:
        case LostCreateError():
            return not error.searched
        case RunsApiError():
            return error.outcome_unknown
        case RequestKeyConflictError() | CreateLimitError():
            return False
        case _:
            return True


@contextmanager
def _existing(run_id: str) -> Iterator[None]:
    """Raise `FollowingError` if the run, which exists unless it was deleted, cannot be read in the block."""
    try:
        yield
    except NotFoundError:
        raise
    except RunsApiError as error:
        raise FollowingError(run_id, error) from error


def _with_id(created: Run) -> Run:
    """Return `created`, which has an id.

    Raises:
        ProtocolError: it has none, so it may exist and cannot be addressed.
    """
    if not created.id:
        raise ProtocolError("The Runs API answered a create with a run without an id", outcome_unknown=True)
    return created


def _may_appear_later(lost: RunsApiError) -> bool:
    """Return True if the API has accepted the create that was `lost`, or may still be processing it."""
    accepted = isinstance(lost, ProtocolError | ResponseTooLargeError)
    return accepted or isinstance(lost, ApiTimeoutError) or lost.status == HTTPStatus.GATEWAY_TIMEOUT


def _fits(run: Run, request: RunRequest) -> bool:
    """Return False if `run` executes another interaction than `request`, or on other data; True if that is unknown."""
    wanted, data = str(request.interaction).partition("@")[0], request.data
    if run.interaction and run.interaction.id != wanted:
        known = run.interaction.id if _ID.fullmatch(wanted) else run.interaction.name
        if known and known.casefold() != wanted.casefold():
            return False
    return not isinstance(data, dict) or not isinstance(run.parameters, dict) or data.items() <= run.parameters.items()


def start_of(run: Run, request: RunRequest | None = None) -> Callable[[], None]:
    """Return a function that logs for the audit that `run`, which `request` created, was started."""
    request = request or RunRequest()
    interaction = given(request.interaction) or (run.interaction.label if run.interaction else None)
    return partial(record_start, run.id, interaction=interaction, model=given(request.model) or run.model_id)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
