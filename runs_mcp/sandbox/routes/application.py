"""The application: its routes, their permissions, and the responses to errors."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runs_mcp.sandbox import access
from runs_mcp.sandbox.access import Tokens
from runs_mcp.sandbox.routes.catalog_routes import CatalogRoutes
from runs_mcp.sandbox.routes.conversation_routes import ConversationRoutes
from runs_mcp.sandbox.routes.environment_routes import EnvironmentRoutes
from runs_mcp.sandbox.routes.environment_use import EnvironmentUse
from runs_mcp.sandbox.routes.interaction_edits import InteractionEdits
from runs_mcp.sandbox.routes.prompt_suggestions import PromptSuggestions
from runs_mcp.sandbox.routes.run_routes import RunRoutes
from runs_mcp.sandbox.sandbox_options import GROUPS, FixedAnswer, Operation
from runs_mcp.sandbox.schema_check import SchemaChecker
from runs_mcp.sandbox.wire.refusal import Refusal

API = "/api/v1"
Handler = Callable[[Request], Awaitable[Response]]
Routes = list[tuple[str, str, Operation, Handler]]
PERMISSIONS: Mapping[Operation, str] = {
    "create_run": access.EXECUTE,
    "stream_run": access.EXECUTE,
    "update_run": access.WRITE,
    "delete_run": access.WRITE,
    "interactions": access.READ_INTERACTIONS,
    "change_interactions": access.WRITE_INTERACTIONS,
    "delete_interactions": access.DELETE_INTERACTIONS,
    "configure_interactions": access.CONFIGURE,
    "improve_prompts": access.EXECUTE,
    "environments": access.READ_ENVIRONMENTS,
    "change_environments": access.ADMINISTER_ENVIRONMENTS,
    "embeddings": access.EXECUTE,
}
"""The permission that an operation needs; other operations need that of their group, or else `READ`."""


def build(
    runs: RunRoutes, checker: SchemaChecker, tokens: Tokens, answers: Mapping[Operation, FixedAnswer]
) -> Starlette:
    """Return the application; `answers` replace the responses of the operations that are their keys."""
    catalog = runs.catalog
    table = [
        # Before the routes of runs, whose last segments can be any text.
        *_conversation_routes(ConversationRoutes(runs.database, runs.executions, runs.factory, catalog)),
        *_run_routes(runs),
        *_interaction_routes(CatalogRoutes(catalog)),
        *_interaction_edit_routes(InteractionEdits(catalog, checker), PromptSuggestions(catalog)),
        *_environment_routes(EnvironmentRoutes(catalog), EnvironmentUse(catalog, runs.database)),
    ]
    routes = [
        Route(
            API + path,
            partial(_authorize, tokens, _permission(operation), partial(_respond, operation, handler, answers)),
            methods=[method],
        )
        for method, path, operation, handler in table
    ]
    routes += [
        Route("/auth/token", partial(_exchange_by_query, tokens), methods=["GET"]),
        Route("/token/issue", partial(_exchange_by_header, tokens), methods=["POST"]),
        Route("/healthz", _report_health, methods=["GET"]),
    ]
    # Any web page may call: the keys of the sandbox are public, and clients in browsers can be tried with it.
    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    return Starlette(
        routes=routes,
        middleware=[cors],
        exception_handlers={Refusal: _respond_to_refusal, HTTPException: _respond_to_http_error},
    )


def _conversation_routes(conversations: ConversationRoutes) -> Routes:
    return [
        ("POST", "/runs/clone", "create_run", conversations.clone_run),
        ("POST", "/runs/tool-results", "create_run", conversations.send_tool_results),
        ("POST", "/runs/user-message", "create_run", conversations.send_user_message),
        ("POST", "/execute/async", "create_run", conversations.execute_async),
        ("POST", "/execute/rate-limit/request", "create_run", conversations.request_slot),
    ]


def _run_routes(runs: RunRoutes) -> Routes:
    return [
        ("GET", "/runs", "list_runs", runs.list_runs),
        ("POST", "/runs", "create_run", runs.create_run),
        ("POST", "/execute", "create_run", runs.create_run),
        ("POST", "/runs/facets", "facets", runs.compute_facets),
        ("POST", "/runs/search", "search", runs.search_runs),
        ("POST", "/runs/find", "find", runs.find_runs),
        ("GET", "/runs/filter-options/{field}", "filter_options", runs.get_filter_options),
        ("GET", "/runs/{run_id}", "get_run", runs.get_run),
        ("PUT", "/runs/{run_id}", "update_run", runs.update_run),
        ("DELETE", "/runs/{run_id}", "delete_run", runs.delete_run),
        ("GET", "/runs/{run_id}/stream", "stream_run", runs.stream_run),
        ("POST", "/execute/{endpoint:path}", "create_run", runs.execute_interaction),
        ("POST", "/interactions/{endpoint}/execute", "create_run", runs.execute_interaction),
    ]


def _interaction_routes(catalog: CatalogRoutes) -> Routes:
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "/interactions", catalog.list_interactions),
        ("GET", "/interactions/tags", catalog.list_tags),
        ("POST", "/interactions/facets", catalog.compute_facets),
        ("GET", "/interactions/versions/{interaction_id}", catalog.list_versions),
        ("GET", "/interactions/catalog", catalog.list_catalog),
        ("GET", "/interactions/catalog/resolve/{interaction_id}", catalog.resolve_catalog),
        ("GET", "/interactions/catalog/apps/{app}", catalog.list_catalog),
        ("GET", "/interactions/catalog/{kind}", catalog.list_catalog),
        ("GET", "/interactions/{interaction_id}/versions", catalog.list_versions),
        ("GET", "/interactions/{interaction_id}/forks", catalog.list_forks),
        ("GET", "/interactions/{interaction_id}", catalog.get_interaction),
    ]
    listings: Routes = [
        ("POST", "/interactions/endpoints", "interaction_endpoints", catalog.list_endpoints),
        ("POST", "/interactions/export", "interaction_export", catalog.export_interactions),
        ("GET", "/interactions/names", "interaction_names", catalog.list_names),
        ("GET", "/interactions/resolve/{interaction_id}", "interaction_resolve", catalog.resolve_interaction),
    ]
    # Fixed paths first: Starlette uses the first route that matches, and `{interaction_id}` matches all of them.
    return listings + [(method, path, "interactions", handler) for method, path, handler in routes]


def _interaction_edit_routes(edits: InteractionEdits, suggestions: PromptSuggestions) -> Routes:
    one, configuration = "/interactions/{interaction_id}", "/interaction-configurations/{interaction_id}"
    return [
        ("POST", "/interactions", "change_interactions", edits.create_interaction),
        ("POST", "/interactions/improve", "improve_prompts", suggestions.improve_prompts),
        ("PUT", one, "change_interactions", edits.update_interaction),
        ("DELETE", one, "delete_interactions", edits.delete_interaction),
        ("POST", f"{one}/publish", "change_interactions", edits.publish_interaction),
        ("POST", f"{one}/fork", "change_interactions", edits.fork_interaction),
        ("POST", f"{one}/generate-interaction", "interactions", suggestions.generate_interaction),
        ("POST", f"{one}/generate-test-data", "interactions", suggestions.generate_test_data),
        ("POST", f"{one}/suggest-prompt-improvements", "interactions", suggestions.suggest_improvements),
        ("GET", configuration, "interactions", edits.get_configuration),
        ("PUT", configuration, "configure_interactions", edits.update_configuration),
        ("DELETE", configuration, "configure_interactions", edits.delete_configuration),
    ]


def _environment_routes(environments: EnvironmentRoutes, use: EnvironmentUse) -> Routes:
    one = "/environments/{environment_id}"
    return [
        ("GET", "/environments", "environments", environments.list_environments),
        ("POST", "/environments", "change_environments", environments.create_environment),
        ("POST", "/environments/migrate-interactions", "change_interactions", environments.migrate_interactions),
        ("GET", one, "environments", environments.get_environment),
        ("PUT", one, "change_environments", environments.update_environment),
        ("DELETE", one, "change_environments", environments.delete_environment),
        ("PUT", f"{one}/config", "change_environments", environments.update_config),
        ("GET", f"{one}/models", "environments", environments.list_models),
        ("POST", f"{one}/models/enabled", "change_environments", environments.enable_model),
        ("DELETE", f"{one}/models/enabled/{{model_id:path}}", "change_environments", environments.disable_model),
        ("GET", f"{one}/trainable-models", "environments", environments.list_trainable_models),
        ("POST", f"{one}/embeddings", "embeddings", use.create_embeddings),
        ("POST", f"{one}/analytics", "change_environments", use.analyze_runs),
        ("GET", f"{one}/run-budget-capability", "environments", use.get_budget_capability),
    ]


def _permission(operation: Operation) -> str:
    return PERMISSIONS.get(operation) or PERMISSIONS.get(GROUPS.get(operation, operation), access.READ)


async def _respond(
    operation: Operation, handler: Handler, answers: Mapping[Operation, FixedAnswer], request: Request
) -> Response:
    """Return the fixed answer of an operation, looked up at the time of the request, else the response of `handler`."""
    answer = answers.get(operation) or answers.get(GROUPS.get(operation, operation))
    if answer is None:
        return await handler(request)
    return Response(answer.body, answer.status, headers=dict(answer.headers), media_type=answer.media_type)


async def _authorize(tokens: Tokens, permission: str, handler: Handler, request: Request) -> Response:
    """Return the response of `handler` if the caller has `permission`."""
    # The parameter is for `EventSource` in browsers, which cannot send headers.
    token = _bearer(request) or request.query_params.get("access_token")
    granted = tokens.permissions(token) if token else None
    if granted is None:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid or expired token.")
    if permission not in granted:
        raise Refusal(HTTPStatus.FORBIDDEN, f"Missing permission {permission}.")
    return await handler(request)


async def _exchange_by_query(tokens: Tokens, request: Request) -> Response:
    """Handle `GET /auth/token?token=KEY`, the exchange of the reference document's clients."""
    return _issue_token(tokens, request.query_params.get("token") or _bearer(request))


async def _exchange_by_header(tokens: Tokens, request: Request) -> Response:
    """Handle `POST /token/issue` with the key as bearer, the exchange of current clients."""
    return _issue_token(tokens, _bearer(request))


def _issue_token(tokens: Tokens, key: str | None) -> Response:
    token = tokens.issue(key) if key else None
    if token is None:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid API key.")
    return JSONResponse({"token": token, "token_type": "Bearer"})


async def _report_health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _respond_to_refusal(_: Request, error: Any) -> Response:
    response: Response = error.response()
    return response


async def _respond_to_http_error(_: Request, error: Any) -> Response:
    return Refusal(HTTPStatus(error.status_code), error.detail, headers=error.headers).response()


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
