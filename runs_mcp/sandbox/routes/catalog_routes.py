"""The operations on interactions and environments: one method each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS, find_environment
from runs_mcp.sandbox.content.demo_interactions import Interaction, InteractionCatalog
from runs_mcp.sandbox.routes.run_creation import environment_and_model
from runs_mcp.sandbox.routes.run_queries import optional
from runs_mcp.sandbox.wire import catalog_bodies, representations
from runs_mcp.sandbox.wire.contract import read_body, read_query
from runs_mcp.sandbox.wire.refusal import not_found

Document = dict[str, Any]


@dataclass(frozen=True)
class CatalogRoutes:
    """The handlers of `/interactions` and `/environments`."""

    catalog: InteractionCatalog

    async def list_endpoints(self, request: Request) -> Response:
        """Handle `POST /interactions/endpoints`: the latest version of each name, or the requested version."""
        body = await read_body(request, catalog_bodies.EndpointsBody)
        selected = [
            interaction
            for interaction in self.catalog.stored
            if interaction.status == (optional(body.status) or interaction.status)
        ]
        if body.status is MISSING:
            selected = [interaction for interaction in selected if interaction.status != "archived"]
        if body.version is not MISSING:
            selected = [interaction for interaction in selected if interaction.version == body.version]
        selected = [
            interaction
            for interaction in self.catalog.latest(selected)
            if _has_tags(interaction, body.tags) and _is_included(interaction, body)
        ]
        if body.is_skill is True:
            selected = []
        bodies = [
            representations.endpoint(
                interaction, params_schema=body.include_params_schema, result_schema=body.include_result_schema
            )
            for interaction in selected
        ]
        if body.visibility is not MISSING:
            bodies = [entry for entry in bodies if entry["visibility"] == body.visibility]
        return JSONResponse(bodies[body.offset : body.offset + body.limit])

    async def export_interactions(self, request: Request) -> Response:
        """Handle `POST /interactions/export`."""
        body = await read_body(request, catalog_bodies.ExportBody)
        named = [
            interaction
            for interaction in self.catalog.stored
            if interaction.name == (optional(body.name) or interaction.name)
        ]
        latest = self.catalog.latest(interaction for interaction in named if interaction.status != "archived")
        chosen = [
            interaction
            for interaction in named
            if _has_version(interaction, latest, body.versions) and _has_tags(interaction, body.tags)
        ]
        return JSONResponse([representations.exported(interaction) for interaction in chosen])

    async def list_interactions(self, request: Request) -> Response:
        """Handle `GET /interactions`: every version."""
        query = read_query(request, catalog_bodies.InteractionParameters)
        # The reference document sends all tags in one value, joined by commas.
        tags = [part for tag in query.tags for part in tag.split(",")]
        selected = [interaction for interaction in self.catalog.stored if _has_tags(interaction, tags)]
        if query.status:
            selected = [interaction for interaction in selected if interaction.status in query.status]
        if query.name is not MISSING:
            selected = [interaction for interaction in selected if query.name.lower() in interaction.name.lower()]
        if query.version is not MISSING:
            latest = self.catalog.latest(selected)
            version: Any = int(query.version) if query.version.isdecimal() else query.version
            selected = [interaction for interaction in selected if _has_version(interaction, latest, [version])]
        bodies = [representations.reference(interaction) for interaction in selected]
        return JSONResponse(bodies[query.offset : query.offset + query.limit])

    async def list_names(self, _: Request) -> Response:
        """Handle `GET /interactions/names`: the name of each interaction and the id of its latest version."""
        latest = self.catalog.latest(
            interaction for interaction in self.catalog.stored if interaction.status != "archived"
        )
        return JSONResponse([{"id": interaction.id, "name": interaction.name} for interaction in latest])

    async def list_tags(self, _: Request) -> Response:
        """Handle `GET /interactions/tags`."""
        tags = sorted({tag for interaction in self.catalog.stored for tag in interaction.tags})
        by_tag = {tag: [interaction for interaction in self.catalog.stored if tag in interaction.tags] for tag in tags}
        return JSONResponse(
            [
                {
                    "tag": tag,
                    "count": len(tagged),
                    "interactions": [representations.reference(interaction) for interaction in tagged],
                }
                for tag, tagged in by_tag.items()
            ]
        )

    async def compute_facets(self, request: Request) -> Response:
        """Handle `POST /interactions/facets`, of all interactions."""
        body = await read_body(request, catalog_bodies.InteractionFacetsBody)
        shown = [representations.reference(interaction) for interaction in self.catalog.stored]
        counted = {facet.name: _buckets(reference[facet.field] for reference in shown) for facet in body.facets}
        return JSONResponse({**counted, "total": len(shown)})

    async def get_interaction(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}`."""
        interaction = self._find(request)
        return JSONResponse(representations.whole_interaction(interaction))

    async def list_versions(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}/versions` and `GET /interactions/versions/{interaction_id}`."""
        name = self._find(request).name
        published = [
            interaction
            for interaction in self.catalog.stored
            if interaction.name == name and interaction.status == "published"
        ]
        return JSONResponse([representations.reference(interaction) for interaction in published])

    async def list_forks(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}/forks`: the sandbox has no forks."""
        self._find(request)
        return JSONResponse([])

    async def resolve_interaction(self, request: Request) -> Response:
        """Handle `GET /interactions/resolve/{interaction_id}`: the interaction and model that a create would run."""
        interaction = self._find(request)
        query = read_query(request, catalog_bodies.ResolveParameters)
        environment, model = environment_and_model(query.environment, query.model)
        runtime = {
            "environment": {"id": environment.id, "name": environment.name, "provider": environment.provider},
            "model": model,
            "model_source": "environmentDefault" if query.model is MISSING else "config",
        }
        return JSONResponse(
            {
                "id": interaction.id,
                "name": interaction.name,
                "version": interaction.version,
                "status": interaction.status,
                "tags": list(interaction.tags),
                "resolved": runtime,
            }
        )

    async def list_catalog(self, request: Request) -> Response:
        """Handle `GET /interactions/catalog` and its parts `stored`, `sys`, `apps` and `apps/{app}`."""
        query = read_query(request, catalog_bodies.CatalogParameters)
        kind = {"apps": "app"}.get(part := request.path_params.get("kind", ""), part)
        selected = self.catalog.latest([*self.catalog.stored, *self.catalog.in_code])
        selected = [
            interaction
            for interaction in selected
            if kind in ("", interaction.kind) and interaction.status != "archived"
        ]
        if app := request.path_params.get("app"):
            selected = [interaction for interaction in selected if interaction.id.startswith(f"app:{app}:")]
        if query.tag is not MISSING:
            selected = [interaction for interaction in selected if query.tag in interaction.tags]
        if query.status is not MISSING:
            selected = [interaction for interaction in selected if interaction.status == query.status]
        return JSONResponse([representations.catalogued(interaction) for interaction in selected])

    async def resolve_catalog(self, request: Request) -> Response:
        """Handle `GET /interactions/catalog/resolve/{interaction_id}`."""
        interaction = self._find(request)
        prompt = {
            "role": "user",
            "content": interaction.description,
            "content_type": "text",
            "schema": interaction.input_schema,
        }
        schema = {"result_schema": interaction.result_schema} if interaction.result_schema is not None else {}
        return JSONResponse(
            {**representations.catalogued(interaction), **schema, "prompts": [prompt], "runtime": {"model": "gpt-4o"}}
        )

    async def list_environments(self, request: Request) -> Response:
        """Handle `GET /environments`."""
        query = read_query(request, catalog_bodies.EnvironmentParameters)
        return JSONResponse([environment.whole for environment in ENVIRONMENTS if query.all or environment.usable])

    async def get_environment(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}`."""
        return JSONResponse(_environment(request).whole)

    async def list_models(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/models`."""
        models, query = _environment(request).listed_models, read_query(request, catalog_bodies.ModelParameters)
        if query.text is not MISSING:
            text = query.text.lower()
            models = [model for model in models if text in f"{model['id']} {model['name']}".lower()]
        if query.type is not MISSING:
            models = [model for model in models if model["type"] == query.type]
        if query.owner is not MISSING:
            models = [model for model in models if model["owner"] == query.owner]
        models = [model for model in models if set(query.tags) <= set(model["tags"])]
        return JSONResponse(models)

    async def list_trainable_models(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/trainable-models`: the sandbox has none."""
        _environment(request)
        return JSONResponse([])

    def _find(self, request: Request) -> Interaction:
        selector = request.path_params["interaction_id"]
        interaction = self.catalog.find(selector)
        if interaction is None:
            raise not_found(f"Interaction not found: {selector}")
        return interaction


def _buckets(values: Iterable[Any]) -> list[Document]:
    """Return the number of times that each value occurs; a list counts for each of its values."""
    counts = Counter(part for value in values for part in (value if isinstance(value, list) else [value]))
    return [{"_id": value, "count": count} for value, count in counts.most_common()]


def _environment(request: Request) -> Any:
    environment_id = request.path_params["environment_id"]
    environment = find_environment(environment_id)
    if environment is None:
        raise not_found(f"Environment not found: {environment_id}")
    return environment


def _has_tags(interaction: Interaction, tags: Sequence[str]) -> bool:
    return set(tags) <= set(interaction.tags)


def _is_included(interaction: Interaction, body: catalog_bodies.EndpointsBody) -> bool:
    if body.includes:
        return interaction.name in body.includes
    return interaction.name not in body.excludes


def _has_version(interaction: Interaction, latest: Sequence[Interaction], versions: Sequence[int | str]) -> bool:
    """Return whether `interaction` has any of `versions`: numbers, `draft` or `latest`; empty means the latest."""
    if interaction in latest and ("latest" in versions or not versions):
        return True
    return interaction.version in versions or (interaction.status == "draft" and "draft" in versions)
