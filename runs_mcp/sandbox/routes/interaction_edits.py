"""The operations that change interactions: one method each."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.access import PROJECT
from runs_mcp.sandbox.catalog.interaction import Interaction
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.execution import now
from runs_mcp.sandbox.routes.runtime_choice import known_profile
from runs_mcp.sandbox.schema_check import SchemaChecker
from runs_mcp.sandbox.wire import interaction_bodies as bodies
from runs_mcp.sandbox.wire.contract import read_body, read_query
from runs_mcp.sandbox.wire.refusal import Refusal, bad_request, not_found
from runs_mcp.sandbox.wire.representations import whole_interaction

Document = dict[str, Any]
AUTHOR = "apikey:demo"
OF_VERSIONS = {"expected_edit_revision", "status", "visibility", "tags"}
"""The only fields of a published version that can change."""
RENAMED = {"name": "title", "endpoint": "name", "test_data": "example"}
KEPT = ("description", "tags", "visibility", "model", "status", "parent", "version", "result_schema", *RENAMED.values())


@dataclass(frozen=True)
class InteractionEdits:
    """The handlers that change interactions, and the configurations of interactions in code."""

    catalog: SandboxCatalog
    checker: SchemaChecker

    async def create_interaction(self, request: Request) -> Response:
        """Handle `POST /interactions`."""
        body = await read_body(request, bodies.InteractionCreateBody)
        if body.status != "draft":
            raise bad_request("A new interaction is a draft; publish it to make a version.")
        fields = await self._fields(body.model_dump(exclude_unset=True))
        name = self._free_endpoint(body.name)
        created = Interaction(id=secrets.token_hex(12), **{**_new_draft(), "name": name, **fields, "trusted": False})
        return JSONResponse(whole_interaction(self.catalog.interactions.put(created)))

    async def update_interaction(self, request: Request) -> Response:
        """Handle `PUT /interactions/{interaction_id}`."""
        body = await read_body(request, bodies.InteractionUpdateBody)
        sent = body.model_dump(exclude_unset=True)
        fields = await self._fields(sent)
        interaction = self._stored(request)  # after the last `await`, so that no other update comes in between
        _require_editable(interaction, sent)
        if body.expected_edit_revision not in (MISSING, interaction.edit_revision):
            raise conflict(f"{interaction.name} was changed: its edit revision is {interaction.edit_revision}.")
        if "name" in fields:
            fields["name"] = self._free_endpoint(fields["name"], draft=interaction.id)
        settings = {**interaction.settings, **fields.pop("settings", {})}
        changed = replace(_without_work(interaction, fields), **fields, settings=settings, updated_at=now())
        changed = replace(changed, edit_revision=interaction.edit_revision + 1)
        return JSONResponse(whole_interaction(self.catalog.interactions.put(changed)))

    async def delete_interaction(self, request: Request) -> Response:
        """Handle `DELETE /interactions/{interaction_id}`; `cascade` deletes its versions and forks as well."""
        interaction = self._stored(request)
        if read_query(request, bodies.DeleteParameters).cascade:
            for child in self.catalog.interactions.children(interaction.id):
                self.catalog.interactions.remove(child.id)
        self.catalog.interactions.remove(interaction.id)
        return JSONResponse({"id": interaction.id})

    async def publish_interaction(self, request: Request) -> Response:
        """Handle `POST /interactions/{interaction_id}/publish`: a new version, and a draft with the next number."""
        body = await read_body(request, bodies.PublishBody)
        draft = self._draft(request)
        siblings = [each for each in self.catalog.interactions.named(draft.name) if each.status == "published"]
        if draft.version in [each.version for each in siblings]:
            raise conflict(f"Version {draft.version} of {draft.name} is published already.")
        moment = now()
        version = replace(
            draft,
            id=secrets.token_hex(12),
            parent=draft.id,
            status="published",
            tags=draft.tags if body.tags is MISSING else body.tags,
            visibility=draft.visibility if body.visibility is MISSING else body.visibility,
            **_dated(moment),
        )
        settings = {**draft.settings, "last_published_at": moment}
        self.catalog.interactions.put(replace(draft, version=draft.version + 1, settings=settings))
        return JSONResponse(whole_interaction(self.catalog.interactions.put(version)))

    async def fork_interaction(self, request: Request) -> Response:
        """Handle `POST /interactions/{interaction_id}/fork`: a draft with a name of its own."""
        body = await read_body(request, bodies.ForkBody)
        source = self._stored(request)
        if body.targetProject not in (MISSING, PROJECT["id"]):
            raise not_found(f"Project not found: {body.targetProject}")
        title = self._free_copy_name(source) if body.newName is MISSING else body.newName
        name = self._free_endpoint(title)
        fork = replace(
            source,
            id=secrets.token_hex(12),
            **{**_new_draft(), "parent": source.id},
            name=name,
            title="" if title == name else title,
            tags=source.tags if body.keepTags else (),
            prompts=[_forked(prompt) for prompt in source.prompts] if body.forkPrompts else source.prompts,
        )
        return JSONResponse(whole_interaction(self.catalog.interactions.put(fork)))

    async def get_configuration(self, request: Request) -> Response:
        """Handle `GET /interaction-configurations/{interaction_id}`."""
        interaction = self._in_code(request)
        return JSONResponse({"configuration": self.catalog.configurations.get(interaction.id)})

    async def update_configuration(self, request: Request) -> Response:
        """Handle `PUT /interaction-configurations/{interaction_id}`."""
        body = await read_body(request, bodies.ConfigurationBody)
        interaction = self._in_code(request)
        if body.inference_profile is not None:
            known_profile(body.inference_profile)
        moment = now()
        created = {
            "id": secrets.token_hex(12),
            "project": PROJECT["id"],
            "interaction": interaction.id,
            "created_at": moment,
        }
        saved = self.catalog.configurations.get(interaction.id, created)
        record = {**saved, **body.model_dump(exclude_unset=True), "updated_at": moment}
        if record.get("budget") is None:
            record.pop("budget", None)
        self.catalog.configurations[interaction.id] = record
        return JSONResponse({"configuration": record})

    async def delete_configuration(self, request: Request) -> Response:
        """Handle `DELETE /interaction-configurations/{interaction_id}`."""
        self.catalog.configurations.pop(self._in_code(request).id, None)
        return JSONResponse({"configuration": None})

    async def _fields(self, sent: Document) -> Document:
        """Return the fields of an interaction that a body sets.

        Raises:
            Refusal: it names an unknown environment, profile or prompt, or a schema is malformed.
        """
        fields = {RENAMED.get(name, name): value for name, value in sent.items()}
        kept = {name: fields[name] for name in KEPT if name in fields}
        if "prompts" in sent:
            kept["prompts"] = [self._segment(prompt) for prompt in sent["prompts"]]
        if "environment" in sent:
            kept["environment"] = self._environment_id(sent["environment"])
        if profile := sent.get("inference_profile"):
            known_profile(profile)
        settings = {name: sent[name] for name in bodies.SETTINGS if name in sent}
        await self._check_schemas(kept)
        return {**kept, **({"settings": settings} if settings else {})}

    async def _check_schemas(self, fields: Document) -> None:
        templates = [prompt["template"] for prompt in fields.get("prompts", ()) if prompt.get("template")]
        schemas = {f"inputSchema of {each['name']}": each.get("inputSchema") for each in templates}
        result_schema = fields.get("result_schema")
        if result_schema is not None and set(result_schema) != {"$uri"}:
            schemas["result_schema"] = result_schema
        for name, schema in schemas.items():
            if schema is not None and (problem := await self.checker.schema_problem(schema)):
                raise bad_request(f"{name} is not a JSON schema: {problem}")

    def _segment(self, prompt: Document) -> Document:
        """Return a prompt segment with an id, and with its template in place of the template's id."""
        template = prompt.get("template")
        identity = template if isinstance(template, str) else (template or {}).get("id")
        known = {each["id"]: each for interaction in self.catalog.interactions.every for each in interaction.templates}
        if isinstance(template, str) or (template and "content" not in template):
            if identity not in known:
                raise bad_request(f"Prompt template not found: {identity}")
            template = known[identity]
        return {"id": secrets.token_hex(12), **prompt, **({"template": template} if template else {})}

    def _environment_id(self, sent: Any) -> str:
        environment_id = sent.get("id") if isinstance(sent, Mapping) else sent
        if self.catalog.environments.find(environment_id) is None:
            raise bad_request(f"Environment not found: {environment_id}")
        return str(environment_id)

    def _free_copy_name(self, source: Interaction) -> str:
        name, number = f"{source.name}Copy", 1
        while self.catalog.interactions.named(f"{name}{number if number > 1 else ''}"):
            number += 1
        return f"{name}{number if number > 1 else ''}"

    def _free_endpoint(self, title: str, *, draft: str | None = None) -> str:
        """Return the endpoint for a display name, which only `draft` and its published versions may have already."""
        name = endpoint_name(title)
        if not name:
            raise bad_request(f"{title} contains no letter for an endpoint.")
        own = (
            {draft, *(each.id for each in self.catalog.interactions.children(draft) if each.status != "draft")}
            if draft
            else set()
        )
        if any(each.id not in own for each in self.catalog.interactions.named(name)):
            raise bad_request(f"An interaction with the endpoint {name} exists.")
        return name

    def _stored(self, request: Request) -> Interaction:
        interaction = self.catalog.interactions.get(request.path_params["interaction_id"])
        if interaction is None or interaction.kind != "stored":
            raise not_found(f"Interaction not found: {request.path_params['interaction_id']}")
        return interaction

    def _draft(self, request: Request) -> Interaction:
        interaction = self._stored(request)
        if interaction.status != "draft":
            raise bad_request(f"Only a draft can be published; {interaction.id} is {interaction.status}.")
        return interaction

    def _in_code(self, request: Request) -> Interaction:
        interaction = self.catalog.interactions.get(request.path_params["interaction_id"])
        if interaction is None or interaction.kind == "stored":
            raise not_found(f"Code interaction not found: {request.path_params['interaction_id']}")
        return interaction


def endpoint_name(title: str) -> str:
    """Return the name in selectors that the platform derives from a display name: `Review it` becomes `ReviewIt`."""
    return "".join(f"{word[0].upper()}{word[1:]}" for word in re.split(r"[^\w:]+", title) if word)


def conflict(message: str) -> Refusal:
    """Return the refusal of a change that something else prevents, status 409."""
    return Refusal(HTTPStatus.CONFLICT, message)


def _require_editable(interaction: Interaction, sent: Document) -> None:
    if interaction.status == "draft":
        return
    if fixed := sorted(set(sent) - OF_VERSIONS):
        raise bad_request(f"Version {interaction.version} is not a draft and cannot change: {', '.join(fixed)}.")


def _without_work(interaction: Interaction, fields: Document) -> Interaction:
    """Return an interaction that answers by its new prompts, if `fields` change its prompts or its result."""
    before = {"prompts": list(interaction.prompts), "result_schema": interaction.result_schema}
    if all(fields.get(name, value) == value for name, value in before.items()):
        return interaction
    return replace(interaction, work=None, trusted=False)


def _forked(prompt: Document) -> Document:
    template = prompt.get("template")
    copy = {"template": {**template, "id": secrets.token_hex(12), "parent": template["id"]}} if template else {}
    return {**prompt, "id": secrets.token_hex(12), **copy}


def _new_draft() -> Document:
    return {"status": "draft", "version": 1, "visibility": "", "settings": {}, **_dated(now())}


def _dated(moment: str) -> Document:
    return {"edit_revision": 1, "author": AUTHOR, "created_at": moment, "updated_at": moment}
