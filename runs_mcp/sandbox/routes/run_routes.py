"""The operations on runs: one method each."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from pydantic import MISSING
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.execution import Database, Executions, LiveRun, now, text_of
from runs_mcp.sandbox.routes.run_creation import RunFactory, conversation
from runs_mcp.sandbox.routes.run_queries import facet_counts, facet_fields, list_filters, optional, search_filters
from runs_mcp.sandbox.storage.mongo_filter import UnsupportedFilterError
from runs_mcp.sandbox.storage.projection import InvalidSelectError, projection
from runs_mcp.sandbox.storage.run_filters import Filters, SortKey
from runs_mcp.sandbox.storage.run_store import SlowFilterError
from runs_mcp.sandbox.wire import representations, request_bodies
from runs_mcp.sandbox.wire.contract import contract_of, read_body, read_query
from runs_mcp.sandbox.wire.refusal import Refusal, bad_request, not_found

Document = dict[str, Any]
FINAL = ("completed", "failed")
FILTER_FIELDS = ("interaction", "environment", "model", "status", "tag")
PACING_RETRY_MS = 1_000
PING_S = 15


@dataclass(frozen=True)
class RunRoutes:
    """The handlers of `/runs` and their shared state."""

    database: Database
    executions: Executions
    catalog: SandboxCatalog
    factory: RunFactory
    events: Literal["message", "chunk"]
    max_executing: int

    async def list_runs(self, request: Request) -> Response:
        """Handle `GET /runs`."""
        contract = contract_of(request)
        shape = request_bodies.StrictListParameters if contract.strict else request_bodies.ListParameters
        query = read_query(request, shape)
        page = await self.database.run(
            self.database.store.page, list_filters(query, contract), limit=query.limit, offset=query.offset
        )
        return JSONResponse([representations.listed_run(run, contract, self.catalog) for run in page])

    async def get_run(self, request: Request) -> Response:
        """Handle `GET /runs/{run_id}`."""
        run = representations.whole_run(await self._run(request), contract_of(request), self.catalog)
        return JSONResponse(_with_prompt_if_requested(request, run))

    async def create_run(self, request: Request) -> Response:
        """Handle `POST /runs` and `POST /execute`."""
        return await self._create(request)

    async def execute_interaction(self, request: Request) -> Response:
        """Handle `POST /interactions/{endpoint}/execute` and `POST /execute/{endpoint}`."""
        return await self._create(request, interaction=request.path_params["endpoint"])

    async def stream_run(self, request: Request) -> Response:
        """Handle `GET /runs/{run_id}/stream`, which starts the execution of a `created` run."""
        run = await self._run(request)
        live = self.executions.find(run["id"])
        if live is None and run["status"] == "created":
            self._pace()
            live = self.executions.start(run)
        # Comments of server-sent events, so that no proxy closes a silent stream as idle.
        return EventSourceResponse(self._events(run, live), ping=PING_S)

    async def update_run(self, request: Request) -> Response:
        """Handle `PUT /runs/{run_id}`."""
        body = await read_body(request, request_bodies.UpdateBody)
        run = await self._run(request)
        sent = body.model_dump(exclude_unset=True)
        changes = {name: sent[name] for name in request_bodies.CHANGEABLE if name in sent}
        run = {**run, **changes, "updated_at": now()}
        if not await self.database.run(self.database.store.replace, run):
            raise _no_such_run(run["id"])  # deleted between both queries
        return JSONResponse(representations.listed_run(run, contract_of(request), self.catalog))

    async def delete_run(self, request: Request) -> Response:
        """Handle `DELETE /runs/{run_id}`."""
        run_id = request.path_params["run_id"]
        if not await self.database.run(self.database.store.delete, run_id):
            raise _no_such_run(run_id)
        return JSONResponse({"id": run_id})

    async def compute_facets(self, request: Request) -> Response:
        """Handle `POST /runs/facets`."""
        contract = contract_of(request)
        shape = request_bodies.StrictFacetsBody if contract.strict else request_bodies.FacetsBody
        body = await read_body(request, shape)
        fields = facet_fields(body.facets, contract)
        breakdown = await self.database.run(
            self.database.store.breakdown, search_filters(body.query), tags="tag" in fields.values()
        )
        return JSONResponse(facet_counts(breakdown, fields, contract))

    async def search_runs(self, request: Request) -> Response:
        """Handle `POST /runs/search`.

        The answer is a list of runs and has no place for facets: those of the body are only checked.
        """
        contract = contract_of(request)
        shape = request_bodies.StrictSearchBody if contract.strict else request_bodies.SearchBody
        body: request_bodies.SearchBody = await read_body(request, shape)
        filters, sort = search_filters(body.query), list[SortKey]()
        limit, offset = body.limit, body.offset
        if isinstance(body, request_bodies.StrictSearchBody):
            facet_fields(body.facets, contract)
            filters = search_filters(body.query, from_root=body.from_root)
            sort = [SortKey(key.field, key.order == "desc") for key in body.sort]
            # The strict contract accepts both at the top level and in `query`; the top level wins.
            limit = body.query.limit if limit is MISSING else limit
            offset = body.query.offset if offset is MISSING else offset
        project = _projection(body.select)
        page = await self.database.run(
            self.database.store.page,
            filters,
            limit=request_bodies.DEFAULT_LIMIT if limit is MISSING else limit,
            offset=0 if offset is MISSING else offset,
            sort=sort,
        )
        return JSONResponse([project(representations.listed_run(run, contract, self.catalog)) for run in page])

    async def find_runs(self, request: Request) -> Response:
        """Handle `POST /runs/find`."""
        contract = contract_of(request)
        body = await read_body(request, request_bodies.FindBody)
        project = _projection(body.select)
        filters = Filters(from_root=optional(body.from_root))
        try:
            runs = await self.database.run(
                self.database.store.find, body.query, limit=body.limit, offset=body.offset, filters=filters
            )
        except (UnsupportedFilterError, SlowFilterError) as error:
            raise bad_request(f"Invalid query: {error}.") from None
        bodies = (representations.whole_run(run, contract, self.catalog) for run in runs)
        return JSONResponse([project(representations.with_ids(body)) for body in bodies])

    async def get_filter_options(self, request: Request) -> Response:
        """Handle `GET /runs/filter-options/{field}`."""
        contract, name = contract_of(request), request.path_params["field"]
        if name not in FILTER_FIELDS:
            raise bad_request(f"Unknown filter: {name}. The filters are {', '.join(FILTER_FIELDS)}.")
        shape = request_bodies.StrictListParameters if contract.strict else request_bodies.ListParameters
        filters = list_filters(read_query(request, shape), contract)
        breakdown = await self.database.run(self.database.store.breakdown, filters, tags=name == "tag")
        counts = [count for count in breakdown.counts(name) if count.id]
        return JSONResponse([{"id": count.id, "name": count.name, "count": count.count} for count in counts])

    async def _create(self, request: Request, **named: str) -> Response:
        contract = contract_of(request)
        body: request_bodies.StrictCreateBody | request_bodies.LooseCreateBody
        if contract.strict:
            body = await read_body(request, request_bodies.StrictCreateBody, **named)
        else:
            body = await read_body(request, request_bodies.LooseCreateBody, **named)
        run = await self.factory.new_run(body, version=request.headers.get("x-interaction-tag"))
        # Before the run is stored: clients repeat a create that was rejected with 429.
        self._pace()
        if body.stream:
            await self.database.run(self.database.store.add, [run])
        else:
            await self.executions.start(run, new=True).ended.wait()
            run = await self._get(run["id"])
        executed = representations.executed_run(run, contract, self.catalog)
        return JSONResponse(_with_prompt_if_requested(request, {**executed, **conversation(body, executed)}))

    def _pace(self) -> None:
        """Reject a request that would execute more runs at once than allowed, before anything is done."""
        if len(self.executions) >= self.max_executing:
            headers = {
                "x-ratelimit-reason": "pacing",
                "x-ratelimit-retry-ms": str(PACING_RETRY_MS),
                "retry-after": str(PACING_RETRY_MS // 1_000),
            }
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many runs are executing.", headers=headers)

    async def _run(self, request: Request) -> Document:
        return await self._get(request.path_params["run_id"])

    async def _find(self, run_id: str) -> Document | None:
        return await self.database.run(self.database.store.get, run_id)

    async def _get(self, run_id: str) -> Document:
        run = await self._find(run_id)
        if run is None:
            raise _no_such_run(run_id)
        return run

    async def _events(self, run: Document, live: LiveRun | None) -> AsyncIterator[ServerSentEvent]:
        """Yield the text of a run from the start, then `close`; no `close` if the run has not ended."""
        if live is None:
            if run["status"] in FINAL and (text := text_of(run.get("result"))):
                yield self._chunk(text)
        else:
            async for piece in live.follow():
                yield self._chunk(piece)
            run = await self._find(run["id"]) or run  # with its final status; it can have been deleted meanwhile
        if run["status"] in FINAL:
            yield ServerSentEvent(json.dumps({"status": run["status"]}), event="close")

    def _chunk(self, piece: str) -> ServerSentEvent:
        if self.events == "chunk":
            return ServerSentEvent(json.dumps({"text": piece}, ensure_ascii=False), event="chunk")
        return ServerSentEvent(json.dumps(piece, ensure_ascii=False))


def _no_such_run(run_id: str) -> Refusal:
    return not_found(f"Run not found: {run_id}")


def _with_prompt_if_requested(request: Request, run: Document) -> Document:
    include_prompt = read_query(request, request_bodies.GetParameters).include_prompt
    return run if include_prompt else representations.without_prompt(run)


def _projection(select: Any) -> Callable[[Mapping[str, Any]], Document]:
    try:
        return projection(optional(select))
    except InvalidSelectError as error:
        raise bad_request(f"Invalid query: {error}.") from None
