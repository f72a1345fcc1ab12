"""The Runs API for Python: one method an operation."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import MISSING

from runs_mcp.api import finding, requests
from runs_mcp.api.credentials import Credential
from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import NotFoundError, PermissionDeniedError, ProtocolError, RunsApiError
from runs_mcp.api.models import Bucket, Facets, FilterOption, Run, total_of
from runs_mcp.api.stream import Event
from runs_mcp.api.transport import Transport


class RunsClient:
    """A client of the Runs API. An async context manager; open it once and share it.

    Unset arguments are `pydantic.MISSING`, and are not sent. Every method raises a kind of `RunsApiError`.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._transport.__aexit__(*error)

    @property
    def edition(self) -> Edition:
        """The contract the API speaks."""
        return self._transport.edition

    @property
    def base_url(self) -> str:
        """Where the API is, up to and including `/api/v1`."""
        return self._transport.base_url

    async def check_credential(self) -> Credential:
        """Get a token as any call would, and tell what can be told of it."""
        return await self._transport.tokens.describe()

    async def list_runs(
        self,
        *,
        limit: int | MISSING = MISSING,
        offset: int | MISSING = MISSING,
        interaction: str | MISSING = MISSING,
        status: str | MISSING = MISSING,
        model: str | MISSING = MISSING,
        environment: str | MISSING = MISSING,
        tag: str | MISSING = MISSING,
        parent: str | Literal[False] | MISSING = MISSING,
    ) -> list[Run]:
        """Runs, most recently updated first. `parent=False`: only those without a parent. `GET /runs`."""
        query = requests.listing(
            self.edition,
            parent,
            limit=limit,
            offset=offset,
            interaction=interaction,
            status=status,
            model=model,
            environment=environment,
            tag=tag,
        )
        return _runs(await self._transport.call("GET", "/runs", params=query))

    async def get_run(self, run_id: str) -> Run:
        """One whole run. `GET /runs/{run_id}`."""
        return _run(await self._transport.call("GET", f"/runs/{requests.segment(run_id)}"))

    async def create_run(
        self,
        *,
        interaction: str,
        data: Mapping[str, Any] | MISSING = MISSING,
        environment: str | MISSING = MISSING,
        model: str | MISSING = MISSING,
        config: Mapping[str, Any] | MISSING = MISSING,
        interaction_tag: str | MISSING = MISSING,
        tags: Sequence[str] | MISSING = MISSING,
        result_schema: Mapping[str, Any] | MISSING = MISSING,
        stream: bool | MISSING = MISSING,
    ) -> Run:
        """Execute an interaction. `POST /runs`.

        With `stream=True` the answer is a `created` run, and opening its stream is what starts it. Otherwise the call
        lasts as long as the execution, up to `execution_timeout_s`. It is never sent twice once it may have arrived:
        an error with `outcome_unknown` leaves open whether a run was made.
        """
        body = {
            **requests.present(
                interaction=interaction,
                config=requests.configuration(self.edition, config, environment=environment, model=model),
                result_schema=result_schema,
                stream=stream,
                tags=tags if tags is MISSING else list(tags),
            ),
            **({} if data is MISSING else {"data": data}),
        }
        try:
            created = await self._transport.call(
                "POST",
                "/runs",
                body=body,
                headers=requests.present(**{"x-interaction-tag": interaction_tag}),
                writes=True,
                timeout_s=None if stream is True else self._transport.settings.execution_timeout_s,
            )
        except RunsApiError as error:
            if error.run_id is None:
                raise
            failed = error.run_id
        else:
            return _run(created)
        return await self.get_run(failed)

    def stream_run(self, run_id: str) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """What a run writes, as it writes it, ending with `Closed`. `GET /runs/{run_id}/stream`.

        Opening the stream of a `created` run starts it. Iterating raises `StreamInterruptedError` where the stream ends
        before `close`; get the run then, and do not open the stream again.
        """
        return self._transport.events(f"/runs/{requests.segment(run_id)}/stream")

    async def compute_facets(
        self,
        *,
        facets: Sequence[str] | MISSING = MISSING,
        query: str | MISSING = MISSING,
        name: str | MISSING = MISSING,
        status: str | MISSING = MISSING,
        interaction: str | MISSING = MISSING,
        environment: str | MISSING = MISSING,
        model: str | MISSING = MISSING,
        tags: Sequence[str] | MISSING = MISSING,
        parent: Sequence[str] | MISSING = MISSING,
        object: str | MISSING = MISSING,  # noqa: A002 - the API's own name for it
        start: datetime | MISSING = MISSING,
        end: datetime | MISSING = MISSING,
    ) -> Facets:
        """Counts of runs by value, for the facets named or all of the edition's. `POST /runs/facets`."""
        asked = requests.facets(self.edition, facets)
        filters = requests.searching(
            start,
            end,
            query=query,
            name=name,
            status=status,
            interaction=interaction,
            environment=environment,
            model=model,
            tags=tags,
            parent=parent,
            object=object,
        )
        body = {"facets": asked, **requests.present(query=filters)}
        return _facets(self.edition, await self._transport.call("POST", "/runs/facets", body=body))

    async def search_runs(
        self,
        *,
        query: str | MISSING = MISSING,
        name: str | MISSING = MISSING,
        status: str | MISSING = MISSING,
        interaction: str | MISSING = MISSING,
        environment: str | MISSING = MISSING,
        model: str | MISSING = MISSING,
        tags: Sequence[str] | MISSING = MISSING,
        parent: Sequence[str] | MISSING = MISSING,
        object: str | MISSING = MISSING,  # noqa: A002 - the API's own name for it
        start: datetime | MISSING = MISSING,
        end: datetime | MISSING = MISSING,
        limit: int | MISSING = MISSING,
        offset: int | MISSING = MISSING,
        select: Sequence[str] | MISSING = MISSING,
        sort: str | MISSING = MISSING,
    ) -> list[Run]:
        """Runs by words, dates and filters, newest first. `query` is full text. `POST /runs/search`."""
        filters = requests.searching(
            start,
            end,
            query=query,
            name=name,
            status=status,
            interaction=interaction,
            environment=environment,
            model=model,
            tags=tags,
            parent=parent,
            object=object,
        )
        options = requests.search_options(self.edition, select, sort)
        body = requests.present(limit=limit, offset=offset, query=filters, **options)
        return _runs(await self._transport.call("POST", "/runs/search", body=body))

    async def find_runs(
        self,
        query: Mapping[str, Any],
        *,
        limit: int | MISSING = MISSING,
        select: Sequence[str] | MISSING = MISSING,
    ) -> list[Run]:
        """Runs by MongoDB filter, with the fields selected. `POST /runs/find`.

        Where the edition closes `find` to the credential, a search that means the same stands in for it.
        """
        selection = MISSING if select is MISSING or not select else " ".join(select)
        body = {"query": dict(query), **requests.present(limit=limit, select=selection)}
        try:
            return _runs(await self._transport.call("POST", "/runs/find", body=body))
        except (PermissionDeniedError, NotFoundError):
            search = finding.as_search(query) if self.edition.internal_find else None
            if search is None:
                raise
        found = await self._transport.call("POST", "/runs/search", body=requests.present(limit=limit, query=search))
        return [Run(finding.selected(run.raw, select)) for run in _runs(found)]

    async def get_filter_options(
        self,
        field: str,
        *,
        interaction: str | MISSING = MISSING,
        status: str | MISSING = MISSING,
        model: str | MISSING = MISSING,
        environment: str | MISSING = MISSING,
        tag: str | MISSING = MISSING,
        parent: str | Literal[False] | MISSING = MISSING,
    ) -> list[FilterOption]:
        """The values a filter can take, with counts, under other filters. `GET /runs/filter-options/{field}`."""
        query = requests.listing(
            self.edition,
            parent,
            interaction=interaction,
            status=status,
            model=model,
            environment=environment,
            tag=tag,
        )
        path = f"/runs/filter-options/{requests.segment(field)}"
        answer = _listed(await self._transport.call("GET", path, params=query))
        return [FilterOption.read(one) for one in answer]


def _runs(answer: Any) -> list[Run]:
    return [Run(one) for one in _listed(answer) if isinstance(one, Mapping)]


def _run(answer: Any) -> Run:
    if not isinstance(answer, Mapping):
        raise ProtocolError("The Runs API answered something that is not a run")
    return Run(answer)


def _listed(answer: Any) -> list[Any]:
    if isinstance(answer, Mapping):
        answer = next((answer[name] for name in ("results", "runs", "options") if name in answer), None)
    if not isinstance(answer, list):
        raise ProtocolError("The Runs API answered something that is not a list")
    return answer


def _facets(edition: Edition, answer: Any) -> Facets:
    if not isinstance(answer, Mapping):
        raise ProtocolError("The Runs API answered something that is not facets")
    ours = {theirs: name for name, (theirs, _) in edition.facets.items()}
    buckets = {
        ours.get(name, str(name)): [Bucket.read(one) for one in value if isinstance(one, Mapping)]
        for name, value in answer.items()
        if isinstance(value, list) and name != "total"
    }
    return Facets(total=total_of(answer.get("total")), buckets=buckets)
