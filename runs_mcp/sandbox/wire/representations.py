"""Runs and interactions in the form of each contract."""

from collections.abc import Iterable, Mapping
from typing import Any

from runs_mcp.sandbox.access import ACCOUNT, PROJECT
from runs_mcp.sandbox.catalog.interaction import Interaction
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.storage.run_schema import EXECUTION_SETTINGS
from runs_mcp.sandbox.wire.contract import Contract

Document = dict[str, Any]
REFERENCES = ("interaction", "environment", "account", "project")
# The token counts of the reference document; newer fields are in the strict contract only.
LOOSE_TOKEN_USE = ("prompt", "result", "total")
TTL_DAYS = 90


def whole_run(run: Document, contract: Contract, catalog: SandboxCatalog) -> Document:
    """Return a run as `GET /runs/{run_id}` returns it."""
    body = {name: value for name, value in run.items() if name != EXECUTION_SETTINGS}
    if "result" in run:
        body["result"] = _result(run["result"], contract)
    if contract.strict:
        return body | _strict_fields(run, catalog)
    body.pop("inference_profile", None)
    if use := run.get("token_use"):
        body["token_use"] = {name: use[name] for name in LOOSE_TOKEN_USE if name in use}
    return body


def listed_run(run: Document, contract: Contract, catalog: SandboxCatalog) -> Document:
    """Return a run as lists return it: without its prompt."""
    return without_prompt(whole_run(run, contract, catalog))


def executed_run(run: Document, contract: Contract, catalog: SandboxCatalog) -> Document:
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
        "name": interaction.title or interaction.name,
        "endpoint": interaction.id if interaction.kind != "stored" else interaction.name,
        **_if_set(parent=interaction.parent, description=interaction.description),
        "status": interaction.status,
        "visibility": visibility(interaction),
        "version": interaction.version,
        "tags": list(interaction.tags),
        "updated_at": interaction.updated_at,
    }


def visibility(interaction: Interaction) -> str:
    """Return `public` or `private`: only drafts are private by default."""
    return interaction.visibility or ("private" if interaction.status == "draft" else "public")


def exported(interaction: Interaction) -> Document:
    """Return an interaction as `POST /interactions/export` returns it: with the input schemas of its prompts."""
    prompts = [
        {**prompt, "template": {name: template[name] for name in ("id", "inputSchema") if name in template}}
        if (template := prompt.get("template"))
        else prompt
        for prompt in interaction.prompts
    ]
    return {
        **reference(interaction),
        **({"result_schema": interaction.result_schema} if interaction.result_schema is not None else {}),
        "prompts": prompts,
    }


def whole_interaction(interaction: Interaction) -> Document:
    """Return an interaction as `GET /interactions/{id}` returns it."""
    return {
        **exported(interaction),
        **interaction.settings,
        **_if_set(environment=interaction.environment, model=interaction.model, test_data=dict(interaction.example)),
        "edit_revision": interaction.edit_revision,
        "project": {**PROJECT, "account": ACCOUNT["id"]},
        "prompts": list(interaction.prompts),
        "created_by": interaction.author,
        "updated_by": interaction.author,
        "created_at": interaction.created_at,
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
        "title": interaction.title or interaction.name,
        **_if_set(description=interaction.description),
    }


def in_code(interaction: Interaction) -> Document:
    """Return an interaction as `GET /interactions/catalog/resolve/{id}` returns it: with everything that it runs."""
    renamed = {"role": "role", "content": "content", "content_type": "content_type", "schema": "inputSchema"}
    prompts = [
        {name: template[field] for name, field in renamed.items() if template.get(field) is not None}
        for template in interaction.templates
    ]
    return {
        **catalogued(interaction),
        **({"result_schema": interaction.result_schema} if interaction.result_schema is not None else {}),
        "prompts": prompts,
        "runtime": _if_set(environment=interaction.environment, model=interaction.model),
    }


def _if_set(**fields: Any) -> Document:
    return {name: value for name, value in fields.items() if value}


def _result(value: Any, contract: Contract) -> Any:
    if not contract.parts or value is None:
        return value
    return [{"type": "text" if isinstance(value, str) else "json", "value": value}]


def _strict_fields(run: Document, catalog: SandboxCatalog) -> Document:
    """Return the fields of a run that the strict contract requires and the reference document lacks."""
    fields: Document = {
        "ttl": run.get("ttl", TTL_DAYS),
        "updated_by": run.get("updated_by", run.get("created_by")),
        "source": {**run.get("source", {}), "client_ip": "127.0.0.1"},
        "project": {**PROJECT, "account": ACCOUNT["id"]},
    }
    if environment := catalog.environments.find(run.get("environment", {}).get("id")):
        fields["environment"] = environment.reference
    executed = run.get("interaction", {})
    if interaction := catalog.interactions.find(executed.get("id", "")):
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
