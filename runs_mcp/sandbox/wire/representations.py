"""Runs and interactions in the form of each contract."""

from collections.abc import Iterable, Mapping
from typing import Any

from runs_mcp.sandbox.access import ACCOUNT, PROJECT
from runs_mcp.sandbox.content.demo_environments import CREATED, OWNER, find_environment
from runs_mcp.sandbox.content.demo_interactions import Interaction, InteractionCatalog, prompt_id
from runs_mcp.sandbox.storage.run_schema import EXECUTION_SETTINGS
from runs_mcp.sandbox.wire.contract import Contract

Document = dict[str, Any]
REFERENCES = ("interaction", "environment", "account", "project")
# The token counts of the reference document; newer fields are in the strict contract only.
LOOSE_TOKEN_USE = ("prompt", "result", "total")
TTL_DAYS = 90


def whole_run(run: Document, contract: Contract, catalog: InteractionCatalog) -> Document:
    """Return a run as `GET /runs/{run_id}` returns it."""
    body = {name: value for name, value in run.items() if name != EXECUTION_SETTINGS}
    if "result" in run:
        body["result"] = _result(run["result"], contract)
    if contract.strict:
        return body | _strict_fields(run, catalog)
    if use := run.get("token_use"):
        body["token_use"] = {name: use[name] for name in LOOSE_TOKEN_USE if name in use}
    return body


def listed_run(run: Document, contract: Contract, catalog: InteractionCatalog) -> Document:
    """Return a run as lists return it: without its prompt."""
    return without_prompt(whole_run(run, contract, catalog))


def executed_run(run: Document, contract: Contract, catalog: InteractionCatalog) -> Document:
    """Return a run as create returns it: ids replace most references, and the strict contract always has a result."""
    body = with_ids(whole_run(run, contract, catalog), ("interaction", "account", "project"))
    return {"result": [], **body} if contract.strict else body


def without_prompt(run: Mapping[str, Any]) -> Document:
    """Return a run without its prompt."""
    return {name: value for name, value in run.items() if name != "prompt"}


def with_ids(run: Document, names: Iterable[str] = REFERENCES) -> Document:
    """Return a run with ids in place of the references `names`."""
    ids = {name: run[name]["id"] for name in names if isinstance(run.get(name), dict)}
    return {**run, **ids}


def endpoint(interaction: Interaction, *, params_schema: bool, result_schema: bool) -> Document:
    """Return an interaction as `POST /interactions/endpoints` returns it."""
    body = {name: value for name, value in reference(interaction).items() if name not in ("parent", "updated_at")}
    if params_schema:
        body["params_schema"] = interaction.input_schema
    if result_schema and interaction.result_schema is not None:
        body["result_schema"] = interaction.result_schema
    return body


def reference(interaction: Interaction) -> Document:
    """Return an interaction as lists, and runs of the strict contract, return it."""
    return {
        "id": interaction.id,
        "name": interaction.name,
        "endpoint": interaction.id if interaction.kind != "stored" else interaction.name,
        **({"parent": interaction.parent} if interaction.parent else {}),
        **({"description": interaction.description} if interaction.description else {}),
        "status": interaction.status,
        "visibility": "private" if interaction.status == "draft" else "public",
        "version": interaction.version,
        "tags": list(interaction.tags),
        "updated_at": CREATED,
    }


def exported(interaction: Interaction) -> Document:
    """Return an interaction as `POST /interactions/export` returns it: with the input schemas of its prompts."""
    template = {"id": prompt_id(interaction), "inputSchema": interaction.input_schema}
    return {
        **reference(interaction),
        **({"result_schema": interaction.result_schema} if interaction.result_schema is not None else {}),
        "prompts": [{"id": f"{prompt_id(interaction)}-segment", "type": "template", "template": template}],
    }


def whole_interaction(interaction: Interaction) -> Document:
    """Return an interaction as `GET /interactions/{id}` returns it."""
    template = {
        "id": prompt_id(interaction),
        "name": f"{interaction.name}Prompt",
        "role": "user",
        "content": interaction.description,
        "content_type": "text",
        "inputSchema": interaction.input_schema,
        "version": interaction.version,
        "status": interaction.status,
        "edit_revision": 1,
        "project": PROJECT["id"],
        "created_by": OWNER,
        "updated_by": OWNER,
        "created_at": CREATED,
        "updated_at": CREATED,
    }
    return {
        **exported(interaction),
        "edit_revision": 1,
        "project": {**PROJECT, "account": ACCOUNT["id"]},
        "environment": "66b2f0c2e4b0a1b2c3d4e001",
        "model": "gpt-4o",
        "prompts": [{"id": f"{prompt_id(interaction)}-segment", "type": "template", "template": template}],
        **({"test_data": dict(interaction.example)} if interaction.example else {}),
        "created_by": OWNER,
        "updated_by": OWNER,
        "created_at": CREATED,
    }


def catalogued(interaction: Interaction) -> Document:
    """Return an interaction as the catalogue returns it; create accepts its id."""
    stored = interaction.kind == "stored"
    published = interaction.status == "published"
    return {
        "type": interaction.kind if not stored else "stored" if published else "draft",
        "id": f"oid:{interaction.id}" if stored else interaction.id,
        "name": interaction.name,
        **({"version": interaction.version, "published": published} if stored else {}),
        "tags": list(interaction.tags),
        "title": interaction.name,
        **({"description": interaction.description} if interaction.description else {}),
    }


def _result(value: Any, contract: Contract) -> Any:
    if not contract.parts or value is None:
        return value
    return [{"type": "text" if isinstance(value, str) else "json", "value": value}]


def _strict_fields(run: Document, catalog: InteractionCatalog) -> Document:
    """Return the fields of a run that the strict contract requires and the reference document lacks."""
    fields: Document = {
        "ttl": run.get("ttl", TTL_DAYS),
        "updated_by": run.get("updated_by", run.get("created_by")),
        "source": {**run.get("source", {}), "client_ip": "127.0.0.1"},
        "project": {**PROJECT, "account": ACCOUNT["id"]},
    }
    if environment := find_environment(run.get("environment", {}).get("id")):
        fields["environment"] = environment.reference
    executed = run.get("interaction", {})
    if interaction := catalog.find(executed.get("id", "")):
        fields["interaction"] = reference(interaction)
    else:
        fields["interaction"] = {
            **executed,
            "endpoint": executed.get("name"),
            "status": "draft",
            "tags": [],
            "updated_at": run.get("created_at"),
        }
    return fields
