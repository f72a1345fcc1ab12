"""The eight operations of the Runs API over HTTP, and the key exchanges: one handler each."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from jsonschema import Draft202012Validator, SchemaError
from pydantic import MISSING, BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runs_mcp.sandbox import contract, find, interactions, samples
from runs_mcp.sandbox.contract import Contract, UnreadableBodyError, contract_for
from runs_mcp.sandbox.credentials import EXECUTE, READ, Tokens
from runs_mcp.sandbox.execution import Database, Executions, Live, text_of
from runs_mcp.sandbox.interactions import Interaction
from runs_mcp.sandbox.samples import Environment
from runs_mcp.sandbox.store import Count, Document, Filters, SlowFilterError

API = "/api/v1"
FINAL = ("completed", "failed")
REFERENCES = ("interaction", "environment", "account", "project")
FILTER_FIELDS = ("interaction", "environment", "model", "status", "tag")
PACING_RETRY_MS = 1_000
Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):  # noqa: N818 - what the API says no to is an answer, not an error of ours
    """An answer other than 2xx."""

    def __init__(
        self, status: HTTPStatus, message: str, *, details: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.details = details
        self.headers = headers

    def response(self) -> JSONResponse:
        """The body the platform gives its refusals."""
        body: Document = {"error": self.status.phrase, "status": self.status.value, "message": str(self)}
        if self.details:
            body["details"] = self.details
        return JSONResponse(body, self.status, headers=self.headers)


@dataclass(frozen=True)
class Api:
    """The handlers, and what they share."""

    database: Database
    executions: Executions
    tokens: Tokens
    events: Literal["message", "chunk"]
    max_executing: int

    async def list_runs(self, request: Request) -> Response:
        """`GET /runs`."""
        terms = _contract(request)
        query = _query(request, terms)
        page = await self.database.run(
            self.database.store.page, _list_filters(query, terms), limit=query.limit, offset=query.offset
        )
        return JSONResponse([_listed(run, terms) for run in page])

    async def get_run(self, request: Request) -> Response:
        """`GET /runs/{run_id}`."""
        run = await self._run(request)
        return JSONResponse(_shown(run, _contract(request)))

    async def create_run(self, request: Request) -> Response:
        """`POST /runs`."""
        terms = _contract(request)
        body = await _body(request, contract.CreateBody if terms.strict else contract.LooseCreateBody, terms)
        interaction = _interaction(body.interaction, request.headers.get("x-interaction-tag"))
        if problems := interaction.problems(body.data):
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"data does not fit the input of {interaction.name}.",
                details="; ".join(problems),
            )
        self._pace()
        run = _new_run(interaction, body)
        if body.stream:
            await self.database.run(self.database.store.add, [run])
        else:
            await self.executions.start(run, new=True).ended.wait()
            run = await self._get(run["id"])
        return JSONResponse(_executed(run, terms))

    async def stream_run(self, request: Request) -> Response:
        """`GET /runs/{run_id}/stream`."""
        run = await self._run(request)
        live = self.executions.find(run["id"])
        if live is None and run["status"] == "created":
            self._pace()
            live = self.executions.start(run)
        return EventSourceResponse(self._events(run, live), ping=15)

    async def compute_facets(self, request: Request) -> Response:
        """`POST /runs/facets`."""
        terms = _contract(request)
        body = await _body(request, contract.FacetsBody, terms)
        if terms.facets is not None and len(body.facets) > len(terms.facets):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"At most {len(terms.facets)} facets can be asked for.")
        filters = _search_filters(body.query, terms)
        fields = {facet.name: _facet_field(facet, terms) for facet in body.facets}
        found = await self.database.run(self.database.store.breakdown, filters, tags="tag" in fields.values())
        facets = {
            name: [_bucket(count) for count in found.counts(field) if terms.strict or count.id is not None]
            for name, field in fields.items()
        }
        return JSONResponse({**facets, "total": found.total})

    async def search_runs(self, request: Request) -> Response:
        """`POST /runs/search`."""
        terms = _contract(request)
        body = await _body(request, contract.SearchBody, terms)
        page = await self.database.run(
            self.database.store.page, _search_filters(body.query, terms), limit=body.limit, offset=body.offset
        )
        return JSONResponse([_listed(run, terms) for run in page])

    async def find_runs(self, request: Request) -> Response:
        """`POST /runs/find`."""
        terms = _contract(request)
        body = await _body(request, contract.FindBody, terms)
        try:
            project = find.projection(None if body.select is MISSING else body.select)
            found = await self.database.run(self.database.store.find, body.query, limit=body.limit, offset=body.offset)
        except (find.UnsupportedFilterError, SlowFilterError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"Invalid query: {error}.") from None
        return JSONResponse([project(_with_ids(_shown(run, terms), REFERENCES)) for run in found])

    async def get_filter_options(self, request: Request) -> Response:
        """`GET /runs/filter-options/{field}`."""
        terms, field = _contract(request), request.path_params["field"]
        if field not in FILTER_FIELDS:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"No such filter: {field}. There are {', '.join(FILTER_FIELDS)}.")
        filters = _list_filters(_query(request, terms), terms)
        found = await self.database.run(self.database.store.breakdown, filters, tags=field == "tag")
        options = [{"id": one.id, "name": one.name, "count": one.count} for one in found.counts(field) if one.id]
        return JSONResponse(options)

    async def exchange_by_query(self, request: Request) -> Response:
        """`GET /auth/token?token=KEY`, as the reference document's clients exchange keys."""
        return self._exchanged(request.query_params.get("token") or _bearer(request))

    async def exchange_by_header(self, request: Request) -> Response:
        """`POST /token/issue` with the key as bearer, as today's clients exchange keys."""
        return self._exchanged(_bearer(request))

    def permitted(self, handler: Handler, permission: str) -> Handler:
        """`handler` for whoever has `permission`."""

        async def checked(request: Request) -> Response:
            token = _bearer(request) or request.query_params.get("access_token")
            granted = self.tokens.permissions(token) if token else None
            if granted is None:
                raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid or expired token.")
            if permission not in granted:
                raise Refusal(HTTPStatus.FORBIDDEN, f"Missing permission {permission}.")
            return await handler(request)

        return checked

    def _exchanged(self, key: str | None) -> Response:
        token = self.tokens.issue(key) if key else None
        if token is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid API key.")
        return JSONResponse({"token": token, "token_type": "Bearer"})

    def _pace(self) -> None:
        """Refuse to execute more runs at once than allowed, before anything is done."""
        if len(self.executions) >= self.max_executing:
            headers = {
                "x-ratelimit-reason": "pacing",
                "x-ratelimit-retry-ms": str(PACING_RETRY_MS),
                "retry-after": str(PACING_RETRY_MS // 1_000),
            }
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many runs are executing.", headers=headers)

    async def _run(self, request: Request) -> Document:
        return await self._get(request.path_params["run_id"])

    async def _get(self, run_id: str) -> Document:
        run = await self.database.run(self.database.store.get, run_id)
        if run is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"Run not found: {run_id}")
        return run

    async def _events(self, run: Document, live: Live | None) -> AsyncIterator[ServerSentEvent]:
        """What the run writes, from the start, then `close`; no `close` where its end was not seen."""
        if live is None:
            if run["status"] in FINAL and (text := text_of(run)):
                yield self._chunk(text)
        else:
            async for piece in live.follow():
                yield self._chunk(piece)
            run = await self._get(run["id"])
        if run["status"] in FINAL:
            yield ServerSentEvent(json.dumps({"status": run["status"]}), event="close")

    def _chunk(self, piece: str) -> ServerSentEvent:
        if self.events == "chunk":
            return ServerSentEvent(json.dumps({"text": piece}, ensure_ascii=False), event="chunk")
        return ServerSentEvent(json.dumps(piece, ensure_ascii=False))


def build(api: Api) -> Starlette:
    """The application."""
    operations: list[tuple[str, str, Handler, str]] = [
        ("GET", "/runs", api.list_runs, READ),
        ("POST", "/runs", api.create_run, EXECUTE),
        ("POST", "/runs/facets", api.compute_facets, READ),
        ("POST", "/runs/search", api.search_runs, READ),
        ("POST", "/runs/find", api.find_runs, READ),
        ("GET", "/runs/filter-options/{field}", api.get_filter_options, READ),
        ("GET", "/runs/{run_id}", api.get_run, READ),
        ("GET", "/runs/{run_id}/stream", api.stream_run, EXECUTE),
    ]
    routes = [
        Route(API + path, api.permitted(handler, permission), methods=[method])
        for method, path, handler, permission in operations
    ]
    routes += [
        Route("/auth/token", api.exchange_by_query, methods=["GET"]),
        Route("/token/issue", api.exchange_by_header, methods=["POST"]),
    ]
    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    return Starlette(
        routes=routes, middleware=[cors], exception_handlers={Refusal: _refused, HTTPException: _no_such_route}
    )


async def _refused(_: Request, error: Any) -> Response:
    response: Response = error.response()
    return response


async def _no_such_route(_: Request, error: Any) -> Response:
    return Refusal(HTTPStatus(error.status_code), error.detail, headers=error.headers).response()


def _contract(request: Request) -> Contract:
    return contract_for(request.headers.get("x-api-version"))


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def _body(request: Request, shape: type[Body], terms: Contract) -> Body:
    try:
        value = json.loads(await request.body() or b"{}", parse_constant=_no_json)
        json.dumps(value, ensure_ascii=False).encode()  # fails on half a surrogate pair, which no database takes
    except (ValueError, RecursionError):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
    return _read(shape, value, terms)


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def _read(shape: type[Body], value: Mapping[str, Any], terms: Contract) -> Body:
    try:
        return contract.read(shape, value, terms)
    except UnreadableBodyError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, str(error), details=error.details) from None


def _query(request: Request, terms: Contract) -> contract.ListQuery:
    """The query parameters; under today's contract each may be repeated, and holds a list."""
    sent: Document = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        if name in ("limit", "offset", "is_root"):
            sent[name] = values[-1]
        else:
            sent[name] = [part for value in values for part in value.split(",")] if terms.strict else values[-1:]
    return _read(contract.ListQuery, sent, terms)


def _list_filters(query: contract.ListQuery, terms: Contract) -> Filters:
    roots = _roots(query.is_root, query.parent) if terms.strict else query.parent == ["false"] or None
    return Filters(
        interactions=query.interaction,
        statuses=query.status,
        models=query.model,
        environments=query.environment,
        any_tags=query.tag,
        parents=[] if roots and not terms.strict else query.parent,
        roots=roots,
    )


def _search_filters(query: contract.Query, terms: Contract) -> Filters:
    roots = _roots(query.is_root, query.parent) if terms.strict else None
    unknown = frozenset() if terms.strict else contract.TODAYS_QUERY
    given = {name: value for name, value in query if value is not MISSING and name not in unknown}
    one = {name: [given[name]] for name in ("interaction", "status", "model", "environment") if name in given}
    return Filters(
        interactions=one.get("interaction", []),
        statuses=one.get("status", []),
        models=one.get("model", []),
        environments=one.get("environment", []),
        tags=query.tags,
        exclude_tags=given.get("exclude_tags", []),
        parents=query.parent,
        run_ids=given.get("run_ids", []),
        roots=roots,
        text=given.get("query"),
        name=given.get("name"),
        object=given.get("object"),
        finish_reason=given.get("finish_reason"),
        created_by=given.get("created_by"),
        start=_time("query.start", given.get("start")),
        end=_time("query.end", given.get("end")),
    )


def _roots(is_root: Any, parents: list[str]) -> bool | None:
    if is_root is MISSING:
        return None
    if parents:
        raise Refusal(HTTPStatus.BAD_REQUEST, "is_root and parent are mutually exclusive.")
    return bool(is_root)


def _time(name: str, value: str | None) -> str | None:
    """A time as runs write it, so that the order of texts is that of times."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return samples.timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Refusal(HTTPStatus.BAD_REQUEST, "Request validation failed.", details=f"{name}: not ISO 8601") from None


def _facet_field(facet: contract.Facet, terms: Contract) -> str:
    if terms.facets is not None:
        pair = terms.facets.get(facet.name)
        if pair is None or pair[0] != facet.field:
            offered = ", ".join(f"{name}/{field}" for name, (field, _) in terms.facets.items())
            raise Refusal(HTTPStatus.BAD_REQUEST, f"No such facet: {facet.name}/{facet.field}. There are {offered}.")
        return pair[1]
    if facet.field not in contract.FIELDS:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"No such field: {facet.field}. There are {', '.join(contract.FIELDS)}.")
    return contract.FIELDS[facet.field]


def _bucket(count: Count) -> Document:
    named = {"name": count.name} if count.name != count.id else {}
    return {"_id": count.id, "count": count.count, **named}


def _interaction(selector: str, tag: str | None) -> Interaction:
    found = interactions.find(selector)
    if found and tag:
        found = interactions.find(f"{found.name}@{tag}")
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"Interaction not found: {selector}{f'@{tag}' if tag else ''}")
    return found


def _environment(selector: Any) -> Environment:
    if selector is MISSING:
        return samples.ENVIRONMENTS[0]
    matches = [one for one in samples.ENVIRONMENTS if selector == one.id]
    if not matches:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Environment not found: {selector}")
    return matches[0]


def _new_run(interaction: Interaction, body: contract.CreateBody) -> Document:
    environment = _environment(body.config.environment)
    model = environment.models[0] if body.config.model is MISSING else body.config.model
    if model not in environment.models:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"No model {model} in {environment.name}: {', '.join(environment.models)}."
        )
    run = samples.new_run(
        interaction,
        body.data,
        environment=environment,
        model=model,
        run_id=secrets.token_hex(12),
        created=datetime.now(UTC),
    )
    run["tags"] = body.tags
    run["config"] = {**body.config.model_dump(exclude_unset=True), "environment": environment.id, "model": model}
    if body.result_schema is not None:
        try:
            Draft202012Validator.check_schema(body.result_schema)
        except SchemaError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"result_schema is no JSON schema: {error.message}") from None
        run["result_schema"] = body.result_schema
    return run


def _shown(run: Document, terms: Contract) -> Document:
    return {**run, "result": terms.result(run["result"])} if "result" in run else run


def _listed(run: Document, terms: Contract) -> Document:
    """A run as lists have it: without its prompt."""
    return {name: value for name, value in _shown(run, terms).items() if name != "prompt"}


def _executed(run: Document, terms: Contract) -> Document:
    """A run as create answers it: with ids in place of most references."""
    return _with_ids(_shown(run, terms), ("interaction", "account", "project"))


def _with_ids(run: Document, names: tuple[str, ...]) -> Document:
    ids = {name: run[name]["id"] for name in names if isinstance(run.get(name), dict)}
    return {**run, **ids}
