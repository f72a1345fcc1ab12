"""The Runs API for Python: one method for each operation."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Self, Unpack

import httpx
from pydantic import MISSING, ValidationError

from runs_mcp.api import filters
from runs_mcp.api.catalog import Catalog
from runs_mcp.api.content_filter import ContentFilter, filter_stream
from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import (
    REFUSALS,
    FindClosedError,
    InvalidArgumentError,
    NotFoundError,
    ProtocolError,
    RunsApiError,
)
from runs_mcp.api.extended_json import plain_filter
from runs_mcp.api.filters import ListFilters, SearchFilters
from runs_mcp.api.models import Bucket, Facets, FilterOption, Run, total_of
from runs_mcp.api.payloads import drop_unset
from runs_mcp.api.requests.auth import Credential
from runs_mcp.api.requests.instrumentation import Observe
from runs_mcp.api.requests.requester import Requester, check_header
from runs_mcp.api.requests.retry import OnWait
from runs_mcp.api.run_config import run_config
from runs_mcp.api.search_fallback import is_in_searches, search_for, select_fields
from runs_mcp.api.stream import Event
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.validation_messages import plain_message

RUN = "/runs/{run_id}"
TAG_HEADER = "x-interaction-tag"


def connect(
    settings: ApiSettings | None = None,
    *,
    base_url: str | None = None,
    token: str | None = None,
    api_key: str | None = None,
    edition: Literal["composable", "vertesia"] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    token_in_query: bool = False,
    on_wait: OnWait | None = None,
    observers: Sequence[Observe] = (),
    content: ContentFilter | None = None,
) -> "RunsClient":
    """Return a client of the Runs API. No request is sent before its first call.

    Args:
        settings: Every setting, including timeouts in seconds and limits; replaces the next four arguments.
        base_url: URL up to and including `/api/v1`. Default: the URL of the edition.
        token: A JWT, sent as it is.
        api_key: A key that begins with `sk-` or `pk-`; it is exchanged for JWTs, which are renewed in time. Without a
            token and a key, the variable `COMPOSABLE_TOKEN` holds a token.
        edition: Contract of the API: `composable` (the reference document, the default) or `vertesia` (today's
            platform).
        transport: Carries the requests, e.g. `httpx.MockTransport`. It must send each request at most once. Default:
            pooled connections, through the proxy of the environment. The client closes it.
        token_in_query: Authenticate streams by the `access_token` parameter instead of the Authorization header.
        on_wait: Receives the seconds before each repetition of a request, and the error that causes it.
        observers: Contexts that are entered around every request.
        content: Filters the content of each run, stream and error message before it is returned. Default: no filter.

    Raises:
        InvalidArgumentError: the arguments contradict each other, or the URL cannot be used.
        CredentialError: the secret is missing or malformed, or the URL to exchange the key at is unknown.
        ProxySettingsError: the environment names an unsupported proxy.
    """
    if settings is None:
        settings = _settings(base_url, token, api_key, edition)
    elif not (base_url is token is api_key is edition is None):
        raise InvalidArgumentError("Give either settings, or base_url, token, api_key and edition")
    requester = Requester(
        settings,
        transport=transport,
        token_in_query=token_in_query,
        on_wait=on_wait,
        observers=observers,
        filter_message=content.filter_message if content else str,
    )
    return RunsClient(requester, content)


class RunsClient:
    """A client of the Runs API. An async context manager; open it once and share it between tasks.

    An argument that is `pydantic.MISSING` is not sent, and the API's own default applies. Every method may raise:

    - `CredentialError`, `AuthenticationError` (401), `PermissionDeniedError` (403), `NotFoundError` (404),
      `InvalidRequestError` (other 4xx), `RateLimitedError` (429), `UnavailableError` (5xx, or no connection),
      `ApiTimeoutError` (no answer within `timeout_s`), `ProtocolError` (an answer of another shape) and
      `ResponseTooLargeError` (above `max_response_bytes`), all of them kinds of `RunsApiError`.

    Calls that are safe to repeat are repeated up to `max_retries` times within 30 s.
    """

    def __init__(self, requester: Requester, content: ContentFilter | None = None) -> None:
        """Use `connect` instead."""
        self._requester = requester
        self._content = content
        self.catalog = Catalog(requester)
        """The operations on interactions and environments."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._requester.aclose()

    @property
    def edition(self) -> Edition:
        """The contract that the API speaks."""
        return self._requester.edition

    @property
    def base_url(self) -> str:
        """URL of the API, up to and including `/api/v1`."""
        return self._requester.base_url

    @property
    def unfiltered(self) -> "RunsClient":
        """A client on the same connections that returns whole content."""
        return RunsClient(self._requester)

    def filter_run(self, run: Run) -> Run:
        """Return a run from `unfiltered` as this client would return it."""
        return self._content.filter_run(run) if self._content else run

    def redact(self, text: str) -> str:
        """Return `text` with each secret in use (API key, tokens and passwords of proxies) replaced by `[secret]`."""
        return self._requester.redactor.redact(text)

    def holds_secret(self, json: bytes) -> bool:
        """Return True if `json` holds a secret in use, plain or encoded."""
        return self._requester.redactor.is_in_json(json)

    async def sign(self, text: str) -> str:
        """Return a keyed hash of `text` that only holders of the configured secret can compute: 32 hex digits.

        The hash (HMAC-SHA256, shortened) does not reveal `text` or the secret, and changes with the secret.

        Raises:
            CredentialError: the secret is missing or malformed.
        """
        return await self._requester.tokens.sign(text)

    async def check_credential(self) -> Credential:
        """Return the facts about the credential, after an exchange of the API key if there is no token yet.

        Raises:
            RunsApiError: the secret cannot be read, or the key cannot be exchanged.
        """
        return await self._requester.tokens.describe()

    async def list_runs(
        self, *, limit: int | MISSING = MISSING, offset: int | MISSING = MISSING, **filtered_by: Unpack[ListFilters]
    ) -> list[Run]:
        """Return runs, most recently updated first. `GET /runs`.

        Args:
            limit: Most runs to return, 0 or more. Default: the API's own.
            offset: Number of runs to skip, 0 or more. Default: 0. There is no total and no cursor.
            filtered_by: See `ListFilters`; runs match all of them.

        Raises:
            RunsApiError: see the class.
        """
        query = filters.list_query(self.edition, filtered_by, limit=limit, offset=offset)
        return self._runs(await self._requester.call("GET", "/runs", params=query))

    async def get_run(self, run_id: str, *, include_prompt: bool | MISSING = MISSING) -> Run:
        """Return one whole run. `GET /runs/{run_id}`.

        Args:
            run_id: Id of the run.
            include_prompt: False leaves out the prompt, which is often large. Default: True. The `composable` edition
                always returns it.

        Raises:
            InvalidArgumentError: `run_id` is empty, `.` or `..`.
            NotFoundError: there is no such run.
            RunsApiError: see the class.
        """
        query = drop_unset(include_prompt=include_prompt) if self.edition.current_filters else {}
        return self._run(await self._requester.call("GET", RUN, segments={"run_id": run_id}, params=query))

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
        result_schema: Mapping[str, Any] | MISSING | None = MISSING,
        stream: bool | MISSING = MISSING,
    ) -> Run:
        """Execute an interaction. `POST /runs`.

        The request is never repeated once it may have arrived. If the API fails and its answer names the run that it
        made, that run is fetched and returned, or its id alone if it cannot be read.

        Args:
            interaction: Id of the interaction, or its name, e.g. `Summarize`, `Summarize@3` or `Summarize@draft`.
            data: Input of the interaction. Default: none.
            environment: Id of the environment. Default: that of the interaction.
            model: Id of the model. Default: that of the environment.
            config: Further settings, e.g. `{"temperature": 0.2, "max_tokens": 500}`.
            interaction_tag: Version of the interaction by its tag; the header `x-interaction-tag`.
            tags: Labels for the run.
            result_schema: JSON Schema that the result must follow; None: no schema, not even that of the interaction.
            stream: True returns a run with status `created` at once, and opening its stream starts it. Otherwise the
                call lasts as long as the execution, at most `execution_timeout_s`. Default: False.

        Raises:
            InvalidArgumentError: `interaction_tag` cannot be sent as a header, or a setting has a value of a wrong
                type; nothing was sent.
            RunsApiError: see the class. `outcome_unknown` tells whether a run may have been created.
        """
        body = {
            **drop_unset(
                interaction=interaction,
                config=run_config(self.edition, config, environment=environment, model=model),
                result_schema=result_schema,
                stream=stream,
                tags=tags if tags is MISSING else list(tags),
            ),
            **({} if data is MISSING else {"data": data}),
            **({"result_schema": None} if result_schema is None else {}),
        }
        headers = {} if interaction_tag is MISSING else {TAG_HEADER: check_header("interaction_tag", interaction_tag)}
        timeout_s = None if stream is True else self._requester.settings.execution_timeout_s
        try:
            created = await self._requester.call(
                "POST", "/runs", body=body, headers=headers, writes=True, read_timeout_s=timeout_s
            )
        except RunsApiError as error:
            if error.run_id is None:
                raise
            return await self._run_of_failed_create(error, error.run_id)
        if not isinstance(created, Mapping):
            raise ProtocolError("The Runs API answered a create with something that is not a run", outcome_unknown=True)
        return self._run(created)

    async def update_run(self, run_id: str, *, tags: Sequence[str]) -> None:
        """Replace the tags of a run. `PUT /runs/{run_id}`, only where `edition.changes_runs`.

        The API has no condition such as `If-Match`: tags that another client has set since they were read are lost. The
        request is never repeated once it may have arrived.

        Args:
            run_id: Id of the run.
            tags: All tags that the run is to have; empty for none.

        Raises:
            InvalidArgumentError: `run_id` is empty, `.` or `..`, or the edition lacks the operation; nothing was sent.
            NotFoundError: there is no such run.
            RunsApiError: see the class. `outcome_unknown` tells whether the tags may have been replaced.
        """
        self._require_changes()
        await self._requester.call("PUT", RUN, segments={"run_id": run_id}, body={"tags": list(tags)}, writes=True)

    async def delete_run(self, run_id: str) -> None:
        """Delete a run for good. `DELETE /runs/{run_id}`, only where `edition.changes_runs`.

        The request is never repeated once it may have arrived.

        Args:
            run_id: Id of the run.

        Raises:
            InvalidArgumentError: `run_id` is empty, `.` or `..`, or the edition lacks the operation; nothing was sent.
            NotFoundError: there is no such run.
            RunsApiError: see the class. `outcome_unknown` tells whether the run may have been deleted.
        """
        self._require_changes()
        await self._requester.call("DELETE", RUN, segments={"run_id": run_id}, writes=True)

    def stream_run(self, run_id: str) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Open the stream of a run: `Chunk` for each piece of text, then `Closed`. `GET /runs/{run_id}/stream`.

        Opening the stream of a run with status `created` starts the run. The stream is opened once: if it breaks, get
        the run instead of opening the stream again. Up to `execution_timeout_s` may pass before each chunk.

        Args:
            run_id: Id of the run.

        Raises:
            InvalidArgumentError: `run_id` is empty, `.` or `..`.
            StreamInterruptedError: while iterating, the stream ended before `close`.
            ResponseTooLargeError: while iterating, one event is above `max_response_bytes`.
            RunsApiError: the stream cannot be opened; see the class.
        """
        stream = self._requester.stream(f"{RUN}/stream", {"run_id": run_id})
        return filter_stream(stream, self._content.filter_text()) if self._content else stream

    async def compute_facets(
        self, *, facets: Sequence[str] | MISSING = MISSING, **filtered_by: Unpack[SearchFilters]
    ) -> Facets:
        """Return counts of runs by value. `POST /runs/facets`.

        Args:
            facets: Names from `edition.facets`. Default: all of them.
            filtered_by: See `SearchFilters`; runs match all of them.

        Raises:
            InvalidArgumentError: the edition lacks a facet; nothing was sent.
            RunsApiError: see the class.
        """
        wanted = filters.facet_fields(self.edition, facets)
        body = {"facets": wanted, **drop_unset(query=filters.search_query(self.edition, filtered_by))}
        return _facets(self.edition, await self._requester.call("POST", "/runs/facets", body=body))

    async def search_runs(
        self,
        *,
        limit: int | MISSING = MISSING,
        offset: int | MISSING = MISSING,
        select: Sequence[str] | MISSING = MISSING,
        sort: str | MISSING = MISSING,
        **filtered_by: Unpack[SearchFilters],
    ) -> list[Run]:
        """Return runs by full text, dates and filters, newest first. `POST /runs/search`.

        Args:
            limit: Most runs to return, 0 or more. Default: the API's own.
            offset: Number of runs to skip, 0 or more. Default: 0.
            select: Fields to return; only where `edition.search_options`. Default: all but the prompt.
            sort: Field to sort by, with `-` in front for descending order; only where `edition.search_options`.
            filtered_by: See `SearchFilters`; runs match all of them. `start` is inclusive, `end` exclusive.

        Raises:
            InvalidArgumentError: the edition has no `select` or `sort`; nothing was sent.
            RunsApiError: see the class.
        """
        options = filters.search_options(self.edition, select, sort)
        body = drop_unset(limit=limit, offset=offset, query=filters.search_query(self.edition, filtered_by), **options)
        return self._runs(await self._requester.call("POST", "/runs/search", body=body))

    async def find_runs(
        self,
        query: Mapping[str, Any],
        *,
        limit: int | MISSING = MISSING,
        select: Sequence[str] | MISSING = MISSING,
        fallback: bool = True,
    ) -> list[Run]:
        """Return runs by MongoDB filter. `POST /runs/find`.

        Where the API closes this operation to the credential, a search with the same meaning replaces it if there is
        one.

        Args:
            query: MongoDB filter over the fields of a run, e.g. `{"status": "failed"}`. Dates and ids of extended JSON
                are sent as texts.
            limit: Most runs to return, 0 or more. Default: the API's own.
            select: Fields to return; `-name` leaves a field out. Default: all.
            fallback: False raises an error where the operation is closed, instead of searching.

        Raises:
            InvalidArgumentError: a value of extended JSON has no plain form; nothing was sent.
            FindClosedError: the operation is closed, and no search replaced it; its `search` has the same meaning.
            RunsApiError: see the class.
        """
        query = plain_filter(query)
        selection = MISSING if select is MISSING or not select else " ".join(select)
        body = {"query": query, **drop_unset(limit=limit, select=selection)}
        try:
            return self._runs(await self._requester.call("POST", "/runs/find", body=body))
        except REFUSALS as error:
            search = search_for(self.edition, query) if is_in_searches(select) else None
            if search is None or not fallback:
                raise FindClosedError(status=error.status, api_message=error.api_message, search=search) from error
        found = await self._requester.call("POST", "/runs/search", body=drop_unset(limit=limit, query=search))
        return [Run(select_fields(run.raw, select)) for run in self._runs(found)]

    async def get_filter_options(self, field: str, **filtered_by: Unpack[ListFilters]) -> list[FilterOption]:
        """Return the values that a filter can take, with counts. `GET /runs/filter-options/{field}`.

        Args:
            field: Name of the filter, e.g. `interaction`, `environment`, `model`, `status` or `tag`.
            filtered_by: See `ListFilters`; only runs that match all of them count.

        Raises:
            InvalidArgumentError: `field` is empty, `.` or `..`.
            RunsApiError: see the class.
        """
        query = filters.list_query(self.edition, filtered_by)
        answer = await self._requester.call(
            "GET", "/runs/filter-options/{field}", segments={"field": field}, params=query
        )
        return [FilterOption.read(option) for option in _items(answer)]

    async def list_names(self, kind: Literal["interaction", "environment"]) -> list[FilterOption]:
        """Return the ids and names of all interactions or environments, without counts.

        `GET /interactions/names`, `GET /environments`. Other fields of environments can hold credentials, and are
        dropped.

        Raises:
            RunsApiError: see the class.
        """
        path = "/interactions/names" if kind == "interaction" else "/environments"
        return [FilterOption.read(option) for option in _items(await self._requester.call("GET", path))]

    def _require_changes(self) -> None:
        """Raise an error if the edition cannot change runs.

        Raises:
            InvalidArgumentError: it cannot.
        """
        if not self.edition.changes_runs:
            raise InvalidArgumentError(f"The edition {self.edition.name} cannot change or delete runs")

    async def _run_of_failed_create(self, failed: RunsApiError, run_id: str) -> Run:
        """Return the run that the answer of a failed create names, or its id alone if it cannot be read.

        Raises:
            RunsApiError: `failed`, since there is no such run.
        """
        try:
            return await self.get_run(run_id)
        except NotFoundError:
            raise failed from None
        except RunsApiError:
            return Run({"id": run_id})

    def _runs(self, answer: Any) -> list[Run]:
        return [self.filter_run(Run(run)) for run in _items(answer) if isinstance(run, dict)]

    def _run(self, answer: Any) -> Run:
        if not isinstance(answer, Mapping):
            raise ProtocolError("The Runs API answered something that is not a run")
        return self.filter_run(Run(answer))


def _settings(base_url: str | None, token: str | None, api_key: str | None, edition: str | None) -> ApiSettings:
    if token is not None and api_key is not None:
        raise InvalidArgumentError("Give either token or api_key")
    secrets = drop_unset(token=token, api_key=api_key)
    auth = next(({"kind": kind, "value": value} for kind, value in secrets.items()), None)
    try:
        return ApiSettings.model_validate(drop_unset(base_url=base_url, edition=edition, auth=auth))
    except ValidationError as error:
        problems = [
            ": ".join([*map(str, problem["loc"]), plain_message(problem)])
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    raise InvalidArgumentError("; ".join(problems))


def _items(answer: Any) -> list[Any]:
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
        ours.get(name, str(name)): [Bucket.read(bucket) for bucket in value if isinstance(bucket, Mapping)]
        for name, value in answer.items()
        if isinstance(value, list) and name != "total"
    }
    return Facets(total=total_of(answer.get("total")), buckets=buckets)
