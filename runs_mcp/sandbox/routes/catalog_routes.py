"""The operations that read interactions: one method each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.catalog.interaction import Interaction
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.routes.run_queries import optional
from runs_mcp.sandbox.routes.runtime_choice import choose_profile, choose_runtime
from runs_mcp.sandbox.wire import catalog_bodies, representations
from runs_mcp.sandbox.wire.contract import contract_of, read_body, read_query
from runs_mcp.sandbox.wire.refusal import bad_request, not_found

Document = dict[str, Any]


@dataclass(frozen=True)
class CatalogRoutes:
    """The handlers that read interactions."""

    catalog: SandboxCatalog

    async def list_endpoints(self, request: Request) -> Response:
        """Handle `POST /interactions/endpoints`: the latest version of each name, or the requested version."""
        body = await read_body(request, catalog_bodies.EndpointsBody)
        selected = [
            interaction
            for interaction in self.catalog.interactions.stored
            if interaction.status == (optional(body.status) or interaction.status)
        ]
        if body.status is MISSING:
            selected = [interaction for interaction in selected if interaction.status != "archived"]
        if body.version is not MISSING:
            selected = [interaction for interaction in selected if interaction.version == body.version]
        selected = [
            interaction
            for interaction in self.catalog.interactions.latest(selected)
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
            for interaction in self.catalog.interactions.stored
            if interaction.name == (optional(body.name) or interaction.name)
        ]
        latest = self.catalog.interactions.latest(
            interaction for interaction in named if interaction.status != "archived"
        )
        chosen = [
            interaction
            for interaction in named
            if _has_version(interaction, latest, body.versions) and _has_tags(interaction, body.tags)
        ]
        return JSONResponse([representations.exported(interaction) for interaction in chosen])

    async def list_interactions(self, request: Request) -> Response:
        """Handle `GET /interactions`: every version."""
        query = read_query(request, catalog_bodies.InteractionParameters)
        bodies = [representations.reference(interaction) for interaction in self._matching(query)]
        return JSONResponse(bodies[query.offset : query.offset + query.limit])

    async def list_names(self, _: Request) -> Response:
        """Handle `GET /interactions/names`: the name of each interaction and the id of its latest version."""
        latest = self.catalog.interactions.latest(
            interaction for interaction in self.catalog.interactions.stored if interaction.status != "archived"
        )
        names = [{"id": interaction.id, "name": interaction.title or interaction.name} for interaction in latest]
        return JSONResponse(names)

    async def list_tags(self, request: Request) -> Response:
        """Handle `GET /interactions/tags`."""
        selected = self._matching(read_query(request, catalog_bodies.InteractionParameters))
        tags = sorted({tag for interaction in selected for tag in interaction.tags})
        by_tag = {tag: [interaction for interaction in selected if tag in interaction.tags] for tag in tags}
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
        """Handle `POST /interactions/facets`."""
        strict = contract_of(request).strict
        shape = catalog_bodies.StrictInteractionFacetsBody if strict else catalog_bodies.InteractionFacetsBody
        body: catalog_bodies.InteractionFacetsBody = await read_body(request, shape)
        if any(facet.name == "total" for facet in body.facets):
            raise bad_request("A facet cannot be named total.")
        shown = [representations.reference(interaction) for interaction in self._matching(body.query)]
        counted = {facet.name: _buckets(reference[facet.field] for reference in shown) for facet in body.facets}
        return JSONResponse({**counted, "total": len(shown)})

    async def get_interaction(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}`."""
        interaction = requested_interaction(request, self.catalog)
        return JSONResponse(representations.whole_interaction(interaction))

    async def list_versions(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}/versions` and `GET /interactions/versions/{interaction_id}`."""
        versions = self.catalog.interactions.named(requested_interaction(request, self.catalog).name)
        published = [interaction for interaction in versions if interaction.status == "published"]
        newest_first = sorted(published, key=lambda version: version.updated_at, reverse=True)
        return JSONResponse([representations.reference(interaction) for interaction in newest_first])

    async def list_forks(self, request: Request) -> Response:
        """Handle `GET /interactions/{interaction_id}/forks`: the drafts copied from this interaction."""
        children = self.catalog.interactions.children(requested_interaction(request, self.catalog).id)
        forks = [child for child in children if child.status == "draft"]
        return JSONResponse([representations.reference(interaction) for interaction in forks])

    async def resolve_interaction(self, request: Request) -> Response:
        """Handle `GET /interactions/resolve/{interaction_id}`: the interaction and model that a create would run."""
        interaction = requested_interaction(request, self.catalog)
        query = read_query(request, catalog_bodies.ResolveParameters)
        overridden = query.environment is not MISSING or query.model is not MISSING
        profile, _ = choose_profile(self.catalog, interaction, MISSING, overridden=overridden)
        runtime = choose_runtime(self.catalog, interaction, query.environment, query.model, profile)
        environment = runtime.environment
        resolved = {
            "environment": {"id": environment.id, "name": environment.name, "provider": environment.provider},
            "model": runtime.model,
            "model_source": runtime.source,
        }
        return JSONResponse(
            {
                "id": interaction.id,
                "name": interaction.name,
                "version": interaction.version,
                "status": interaction.status,
                "tags": list(interaction.tags),
                "resolved": resolved,
            }
        )

    async def list_catalog(self, request: Request) -> Response:
        """Handle `GET /interactions/catalog` and its parts `stored`, `sys`, `apps` and `apps/{app}`."""
        query = read_query(request, catalog_bodies.CatalogParameters)
        kind = {"apps": "app"}.get(part := request.path_params.get("kind", ""), part)
        selected = self.catalog.interactions.latest(self.catalog.interactions.every)
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
        return JSONResponse(representations.in_code(requested_interaction(request, self.catalog)))

    def _matching(self, query: catalog_bodies.InteractionQuery) -> list[Interaction]:
        """Return the versions of stored interactions that match all filters of `query`."""
        selected = [interaction for interaction in self.catalog.interactions.stored if _matches(interaction, query)]
        if query.version is MISSING:
            return selected
        latest = self.catalog.interactions.latest(selected)
        version: Any = int(query.version) if query.version.isdecimal() else query.version
        return [interaction for interaction in selected if _has_version(interaction, latest, [version])]


def requested_interaction(request: Request, catalog: SandboxCatalog) -> Interaction:
    """Return the interaction that the path of `request` names.

    Raises:
        Refusal: the interaction does not exist.
    """
    selector = request.path_params["interaction_id"]
    interaction = catalog.interactions.find(selector)
    if interaction is None:
        raise not_found(f"Interaction not found: {selector}")
    return interaction


def _buckets(values: Iterable[Any]) -> list[Document]:
    """Return the number of times that each value occurs; a list counts for each of its values."""
    counts = Counter(part for value in values for part in (value if isinstance(value, list) else [value]))
    return [{"_id": value, "count": count} for value, count in counts.most_common()]


def _matches(interaction: Interaction, query: catalog_bodies.InteractionQuery) -> bool:
    # The reference document sends all tags in one value, joined by commas.
    tags = [part for tag in query.tags for part in tag.split(",")]
    names = f"{interaction.name}\n{interaction.title}".lower()
    prompts = [template["id"] for template in interaction.templates]
    return (
        _has_tags(interaction, tags)
        and (not query.status or interaction.status in query.status)
        and (query.name is MISSING or query.name.lower() in names)
        and query.model in (MISSING, interaction.model)
        and query.environment in (MISSING, interaction.environment)
        and (query.prompt is MISSING or query.prompt in prompts)
        and _has_capabilities(interaction, query)
    )


def _has_capabilities(interaction: Interaction, query: catalog_bodies.InteractionQuery) -> bool:
    """Return true if the options of the agent runner are those that `query` names; basic means none of them."""
    options = interaction.settings.get("agent_runner_options", {})
    has = {name: options.get(name) is True for name in catalog_bodies.CAPABILITIES}
    has["is_basic"] = not any(has.values())
    return all(getattr(query, name) in (MISSING, has[name]) for name in has)


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
