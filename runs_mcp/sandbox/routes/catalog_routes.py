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
        """Handle `POST /interactions/endpoints`: the latest version of each name, or the version asked for."""
        body = await read_body(request, catalog_bodies.EndpointsBody)
        found = [one for one in self.catalog.stored if one.status == (optional(body.status) or one.status)]
        if body.status is MISSING:
            found = [one for one in found if one.status != "archived"]
        if body.version is not MISSING:
            found = [one for one in found if one.version == body.version]
        found = [one for one in self.catalog.latest(found) if _has_tags(one, body.tags) and _is_included(one, body)]
        if body.is_skill is True:
            found = []
        shown = [
            representations.endpoint(
                one, params_schema=body.include_params_schema, result_schema=body.include_result_schema
            )
            for one in found
        ]
        if body.visibility is not MISSING:
            shown = [one for one in shown if one["visibility"] == body.visibility]
        return JSONResponse(shown[body.offset : body.offset + body.limit])

    async def export_interactions(self, request: Request) -> Response:
        """Handle `POST /interactions/export`."""
        body = await read_body(request, catalog_bodies.ExportBody)
        named = [one for one in self.catalog.stored if one.name == (optional(body.name) or one.name)]
        latest = self.catalog.latest(one for one in named if one.status != "archived")
        chosen = [one for one in named if _is_wanted(one, latest, body.versions) and _has_tags(one, body.tags)]
        return JSONResponse([representations.exported(one) for one in chosen])

    async def list_interactions(self, request: Request) -> Response:
        """Handle `GET /interactions`: every version."""
        query = read_query(request, catalog_bodies.InteractionParameters)
        # The reference document joins tags by commas, in one value.
        tags = [part for tag in query.tags for part in tag.split(",")]
        found = [one for one in self.catalog.stored if _has_tags(one, tags)]
        if query.status:
            found = [one for one in found if one.status in query.status]
        if query.name is not MISSING:
            found = [one for one in found if query.name.lower() in one.name.lower()]
        if query.version is not MISSING:
            latest = self.catalog.latest(found)
            version: Any = int(query.version) if query.version.isdecimal() else query.version
            found = [one for one in found if _is_wanted(one, latest, [version])]
        shown = [representations.reference(one) for one in found]
        return JSONResponse(shown[query.offset : query.offset + query.limit])

    async def list_names(self, _: Request) -> Response:
        """Handle `GET /interactions/names`: one id for each name."""
        latest = self.catalog.latest(one for one in self.catalog.stored if one.status != "archived")
        return JSONResponse([{"id": one.id, "name": one.name} for one in latest])

    async def list_tags(self, _: Request) -> Response:
        """Handle `GET /interactions/tags`."""
        tags = sorted({tag for one in self.catalog.stored for tag in one.tags})
        found = {tag: [one for one in self.catalog.stored if tag in one.tags] for tag in tags}
        return JSONResponse(
            [
                {"tag": tag, "count": len(ones), "interactions": [representations.reference(one) for one in ones]}
                for tag, ones in found.items()
            ]
        )

    async def compute_facets(self, request: Request) -> Response:
        """Handle `POST /interactions/facets`, of all interactions."""
        body = await read_body(request, catalog_bodies.InteractionFacetsBody)
        shown = [representations.reference(one) for one in self.catalog.stored]
        counted = {facet.name: _buckets(one[facet.field] for one in shown) for facet in body.facets}
        return JSONResponse({**counted, "total": len(shown)})

    async def get_interaction(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}`."""
        found = self._find(request)
        return JSONResponse(representations.whole_interaction(found))

    async def list_versions(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}/versions` and `GET /interactions/versions/{interaction_id}`."""
        name = self._find(request).name
        published = [one for one in self.catalog.stored if one.name == name and one.status == "published"]
        return JSONResponse([representations.reference(one) for one in published])

    async def list_forks(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}/forks`: the sandbox has no forks."""
        self._find(request)
        return JSONResponse([])

    async def resolve_interaction(self, request: Request) -> Response:
        """Handle `GET /interactions/resolve/{interaction_id}`: the interaction and model that a create would run."""
        found = self._find(request)
        query = read_query(request, catalog_bodies.ResolveParameters)
        environment, model = environment_and_model(query.environment, query.model)
        runtime = {
            "environment": {"id": environment.id, "name": environment.name, "provider": environment.provider},
            "model": model,
            "model_source": "environmentDefault" if query.model is MISSING else "config",
        }
        return JSONResponse(
            {
                "id": found.id,
                "name": found.name,
                "version": found.version,
                "status": found.status,
                "tags": list(found.tags),
                "resolved": runtime,
            }
        )

    async def list_catalog(self, request: Request) -> Response:
        """Handle `GET /interactions/catalog` and its parts `stored`, `sys`, `apps` and `apps/{app}`."""
        query = read_query(request, catalog_bodies.CatalogParameters)
        kind = {"apps": "app"}.get(part := request.path_params.get("kind", ""), part)
        found = self.catalog.latest([*self.catalog.stored, *self.catalog.in_code])
        found = [one for one in found if kind in ("", one.kind) and one.status != "archived"]
        if app := request.path_params.get("app"):
            found = [one for one in found if one.id.startswith(f"app:{app}:")]
        if query.tag is not MISSING:
            found = [one for one in found if query.tag in one.tags]
        if query.status is not MISSING:
            found = [one for one in found if one.status == query.status]
        return JSONResponse([representations.catalogued(one) for one in found])

    async def resolve_catalog(self, request: Request) -> Response:
        """Handle `GET /interactions/catalog/resolve/{interaction_id}`."""
        found = self._find(request)
        prompt = {"role": "user", "content": found.description, "content_type": "text", "schema": found.input_schema}
        schema = {"result_schema": found.result_schema} if found.result_schema is not None else {}
        return JSONResponse(
            {**representations.catalogued(found), **schema, "prompts": [prompt], "runtime": {"model": "gpt-4o"}}
        )

    async def list_environments(self, request: Request) -> Response:
        """Handle `GET /environments`."""
        query = read_query(request, catalog_bodies.EnvironmentParameters)
        return JSONResponse([one.whole for one in ENVIRONMENTS if query.all or one.usable])

    async def get_environment(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}`."""
        return JSONResponse(_environment(request).whole)

    async def list_models(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/models`."""
        models, query = _environment(request).listed_models, read_query(request, catalog_bodies.ModelParameters)
        if query.text is not MISSING:
            text = query.text.lower()
            models = [one for one in models if text in f"{one['id']} {one['name']}".lower()]
        if query.type is not MISSING:
            models = [one for one in models if one["type"] == query.type]
        if query.owner is not MISSING:
            models = [one for one in models if one["owner"] == query.owner]
        models = [one for one in models if set(query.tags) <= set(one["tags"])]
        return JSONResponse(models)

    async def list_trainable_models(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/trainable-models`: the sandbox has none."""
        _environment(request)
        return JSONResponse([])

    def _find(self, request: Request) -> Interaction:
        selector = request.path_params["interaction_id"]
        found = self.catalog.find(selector)
        if found is None:
            raise not_found(f"Interaction not found: {selector}")
        return found


def _buckets(values: Iterable[Any]) -> list[Document]:
    """Return the number of times that each value occurs; a list counts for each of its values."""
    counts = Counter(part for value in values for part in (value if isinstance(value, list) else [value]))
    return [{"_id": value, "count": count} for value, count in counts.most_common()]


def _environment(request: Request) -> Any:
    environment_id = request.path_params["environment_id"]
    found = find_environment(environment_id)
    if found is None:
        raise not_found(f"Environment not found: {environment_id}")
    return found


def _has_tags(interaction: Interaction, tags: Sequence[str]) -> bool:
    return set(tags) <= set(interaction.tags)


def _is_included(interaction: Interaction, body: catalog_bodies.EndpointsBody) -> bool:
    if body.includes:
        return interaction.name in body.includes
    return interaction.name not in body.excludes


def _is_wanted(interaction: Interaction, latest: Sequence[Interaction], versions: Sequence[int | str]) -> bool:
    """Return whether an interaction has one of `versions`: numbers, `draft` or `latest`; none means the latest."""
    if interaction in latest and ("latest" in versions or not versions):
        return True
    return interaction.version in versions or (interaction.status == "draft" and "draft" in versions)
