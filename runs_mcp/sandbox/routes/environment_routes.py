"""The operations on environments and their models: one method each."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.catalog.environment_catalog import Environment
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.execution import now
from runs_mcp.sandbox.routes.interaction_edits import AUTHOR, conflict
from runs_mcp.sandbox.wire import environment_bodies as bodies
from runs_mcp.sandbox.wire.contract import read_body, read_query
from runs_mcp.sandbox.wire.refusal import bad_request, not_found

Document = dict[str, Any]
FIELDS = ("name", "provider", "default_model", "enabled_models", "allowed_projects")
DETAILS = ("description", "endpoint_url", "config", "settings")
HINT_LENGTH = 4


@dataclass(frozen=True)
class EnvironmentRoutes:
    """The handlers of `/environments`."""

    catalog: SandboxCatalog

    async def list_environments(self, request: Request) -> Response:
        """Handle `GET /environments`."""
        query = read_query(request, bodies.EnvironmentParameters)
        every = self.catalog.environments.every
        return JSONResponse([environment.whole for environment in every if query.all or environment.usable])

    async def create_environment(self, request: Request) -> Response:
        """Handle `POST /environments`."""
        body = await read_body(request, bodies.EnvironmentCreateBody)
        moment = now()
        new = Environment(
            id=secrets.token_hex(12),
            name=body.name,
            provider=body.provider,
            author=AUTHOR,
            created_at=moment,
            updated_at=moment,
        )
        return self._save(new, body)

    async def get_environment(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}`."""
        return JSONResponse(environment_of(request, self.catalog).whole)

    async def update_environment(self, request: Request) -> Response:
        """Handle `PUT /environments/{environment_id}`."""
        body = await read_body(request, bodies.EnvironmentUpdateBody)
        return self._save(environment_of(request, self.catalog), body)

    async def update_config(self, request: Request) -> Response:
        """Handle `PUT /environments/{environment_id}/config`: fields that the body does not name stay as they are."""
        body = await read_body(request, bodies.EnvironmentConfigBody)
        environment = environment_of(request, self.catalog)
        if body.enabled_models is not MISSING:
            environment = replace(environment, enabled_models=_descriptions(body.enabled_models, environment.id))
        if body.config is not MISSING:
            config = {**environment.details.get("config", {}), **body.config.model_dump(exclude_unset=True)}
            environment = replace(environment, details={**environment.details, "config": config})
        return self._put(environment)

    async def delete_environment(self, request: Request) -> Response:
        """Handle `DELETE /environments/{environment_id}`, unless a published interaction uses the environment."""
        environment = environment_of(request, self.catalog)
        users = [
            interaction.name
            for interaction in self.catalog.interactions.stored
            if interaction.status == "published" and interaction.environment == environment.id
        ]
        if users:
            raise conflict(f"Published interactions use {environment.name}: {', '.join(sorted(set(users)))}.")
        self.catalog.environments.remove(environment.id)
        return JSONResponse({"id": environment.id})

    async def list_models(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/models`: enabled models, and others that the provider offers."""
        models = self.catalog.environments.available_models(environment_of(request, self.catalog))
        query = read_query(request, bodies.ModelParameters)
        if query.text is not MISSING:
            text = query.text.lower()
            models = [model for model in models if text in f"{model['id']} {model['name']}".lower()]
        if query.type is not MISSING:
            models = [model for model in models if model.get("type") == query.type]
        if query.owner is not MISSING:
            models = [model for model in models if model.get("owner") == query.owner]
        return JSONResponse([model for model in models if set(query.tags) <= set(model.get("tags", ()))])

    async def list_trainable_models(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/trainable-models`: the sandbox has none."""
        environment_of(request, self.catalog)
        return JSONResponse([])

    async def enable_model(self, request: Request) -> Response:
        """Handle `POST /environments/{environment_id}/models/enabled`."""
        body = await read_body(request, bodies.EnableModelBody)
        environment = environment_of(request, self.catalog)
        available = {model["id"]: model for model in self.catalog.environments.available_models(environment)}
        if body.model_id not in available:
            raise bad_request(f"{environment.name} offers no model {body.model_id}: {', '.join(available)}.")
        others = [model for model in environment.enabled_models if model["id"] != body.model_id]
        return self._put(replace(environment, enabled_models=[*others, available[body.model_id]]))

    async def disable_model(self, request: Request) -> Response:
        """Handle `DELETE /environments/{environment_id}/models/enabled/{model_id}`."""
        environment = environment_of(request, self.catalog)
        model_id = request.path_params["model_id"]
        kept = [model for model in environment.enabled_models if model["id"] != model_id]
        if len(kept) == len(environment.enabled_models):
            return JSONResponse(environment.whole)
        return self._put(replace(environment, enabled_models=kept))

    async def migrate_interactions(self, request: Request) -> Response:
        """Handle `POST /environments/migrate-interactions`: drafts get another environment and model."""
        body = await read_body(request, bodies.MigrateBody)
        environment = self.catalog.environments.find(body.new_env_id)
        if environment is None or body.new_model_id not in environment.usable_models:
            raise bad_request(f"No environment {body.new_env_id} has the model {body.new_model_id}.")
        runtime: Document = {"environment": environment.id, "model": body.new_model_id}
        named = [self.catalog.interactions.get(interaction_id) for interaction_id in body.interaction_ids]
        drafts = [each for each in named if each and each.kind == "stored" and each.status == "draft"]
        stale = [each for each in drafts if {"environment": each.environment, "model": each.model} != runtime]
        for draft in stale:
            revision = draft.edit_revision + 1
            self.catalog.interactions.put(replace(draft, **runtime, edit_revision=revision, updated_at=now()))
        return JSONResponse({"matched_count": len(drafts), "modified_count": len(stale)})

    def _save(self, environment: Environment, body: bodies.EnvironmentUpdateBody) -> Response:
        """Store an environment with the fields of `body`; only the ends of an API key are kept."""
        sent = body.model_dump(exclude_unset=True)
        fields = {name: sent[name] for name in FIELDS if name in sent}
        if "enabled_models" in fields:
            fields["enabled_models"] = _descriptions(body.enabled_models, environment.id)
        details = {**environment.details, **{name: sent[name] for name in DETAILS if name in sent}}
        if "apiKey" in sent:
            details["apiKey"] = details["apikey_hint"] = _hint(sent["apiKey"])
        return self._put(replace(environment, **fields, details=details))

    def _put(self, environment: Environment) -> Response:
        saved = self.catalog.environments.put(replace(environment, updated_at=now()))
        return JSONResponse(saved.whole)


def environment_of(request: Request, catalog: SandboxCatalog) -> Environment:
    """Return the environment that the path of a request names.

    Raises:
        Refusal: the environment does not exist.
    """
    environment_id = request.path_params["environment_id"]
    environment = catalog.environments.find(environment_id)
    if environment is None:
        raise not_found(f"Environment not found: {environment_id}")
    return environment


def _descriptions(models: Any, environment_id: str) -> Sequence[Document]:
    return [{**model.model_dump(exclude_unset=True), "environment": environment_id} for model in models]


def _hint(key: str) -> str:
    return f"{key[:HINT_LENGTH]}...{key[-HINT_LENGTH:]}" if len(key) > 3 * HINT_LENGTH else "..."
