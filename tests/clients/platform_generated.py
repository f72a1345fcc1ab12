"""Call every run, interaction and environment operation of the generated Python client, unmodified.

Usage: python platform_generated.py URL KEY. Writes the answers to standard output as one JSON object.
"""

import json
import sys
from typing import Any

from vertesia_client import Client  # type: ignore[import-not-found]  # installed in a separate environment
from vertesia_client.openapi.exceptions import ApiException  # type: ignore[import-not-found]
from vertesia_client.openapi.models.async_execution_payload import (  # type: ignore[import-not-found]
    AsyncExecutionPayload,
)
from vertesia_client.openapi.models.async_interaction_execution_payload import (  # type: ignore[import-not-found]
    AsyncInteractionExecutionPayload,
)
from vertesia_client.openapi.models.embeddings_api_request import EmbeddingsApiRequest  # type: ignore[import-not-found]
from vertesia_client.openapi.models.execution_environment_config_update_payload import (  # type: ignore[import-not-found]
    ExecutionEnvironmentConfigUpdatePayload,
)
from vertesia_client.openapi.models.interaction_create_payload import (  # type: ignore[import-not-found]
    InteractionCreatePayload,
)
from vertesia_client.openapi.models.interaction_update_payload import (  # type: ignore[import-not-found]
    InteractionUpdatePayload,
)
from vertesia_client.openapi.models.interactions_export_payload_versions_inner import (  # type: ignore[import-not-found]
    InteractionsExportPayloadVersionsInner,
)

SUMMARY = "66a1f0c2e4b0a1b2c3d40001"
OPENAI, STAGING = "66b2f0c2e4b0a1b2c3d4e001", "66b2f0c2e4b0a1b2c3d4e004"
RAW = "_without_preload_content"
"""Suffix of the methods that return the raw response."""


def plain(value: Any) -> Any:
    """Return a model of the client, or a collection of models, as JSON values."""
    if hasattr(value, "model_dump"):
        # The client's own to_json fails on schemas with additionalProperties.
        return plain(value.model_dump(mode="json", by_alias=True, exclude_none=True))
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        # A value of one of several types is wrapped.
        wrapped = "one_of_schemas" in value or "any_of_schemas" in value
        return plain(value["actual_instance"]) if wrapped else {name: plain(inner) for name, inner in value.items()}
    return value


def runs(client: Client) -> dict[str, Any]:
    """Call the operations on runs."""
    api = client.interaction_runs
    text = {"text": "I love the fast delivery."}
    config = {
        "environment": OPENAI,
        "model": "gpt-4o",
        "prompt_cache_mode": "auto",
        "prompt_cache_ttl_seconds": 60,
        "http_timeout": {"headersTimeout": 1_000},
        "inherit_model_config": True,
    }
    workflow = {"run_id": "wf-run", "workflow_id": "wf"}
    created = api.create_run(
        run_create_payload={
            "interaction": "ClassifySentiment",
            "data": text,
            "config": config,
            "tags": ["generated"],
            "workflow": workflow,
        }
    )
    waiting = api.create_run(
        run_create_payload={"interaction": "oid:SlowWriter", "data": {"chunks": 3, "delay_ms": 1}, "stream": True}
    )
    return {
        "created": created,
        "streamed": api.stream_run(waiting.id),
        "retrieved": api.get_run(created.id),
        "without_prompt": api.get_run(created.id, include_prompt=False),
        "listed": api.list_runs(limit=5, status=["completed", "failed"], model=["gpt-4o", "gpt-4o-mini"]),
        "of_workflow": api.list_runs(workflow_ids=["wf"], workflow_run_ids=["wf-run", "other"]),
        "searched": api.search_runs(
            run_search_payload={
                "query": {"tags": ["generated"], "is_root": True, "exclude_tags": ["nightly"]},
                "sort": [{"field": "created_at", "order": "asc"}],
                "limit": 3,
            }
        ),
        "updated": api.update_run(created.id, update_execution_run_payload={"tags": ["changed"]}),
        "deleted": api.delete_run(waiting.id),
        "gone": refusal(lambda: api.get_run(waiting.id)),
        "refused": refusal(lambda: api.create_run(run_create_payload={"interaction": "ClassifySentiment"})),
    }


def interactions(client: Client) -> dict[str, Any]:
    """Call the operations on interactions that change nothing."""
    api = client.interactions
    return {
        "names": api.list_interaction_names(),
        "interactions": api.list_interactions(status=["published"], tags=["text"]),
        "endpoints": api.list_interaction_endpoints(
            interaction_endpoint_query={"include_params_schema": True, "include_result_schema": True}
        ),
        "exported": api.export_interactions(
            interactions_export_payload={
                "name": "SummarizeText",
                "versions": [InteractionsExportPayloadVersionsInner(2)],
            }
        ),
        "interaction": api.get_interaction(SUMMARY),
        "resolved": api.resolve_interaction("SummarizeText@2", environment=OPENAI, model="gpt-4o-mini"),
        "versions": api.list_interaction_versions(SUMMARY),
        "versions_by_name": api.list_interaction_versions_by_name("SummarizeText"),
        "facets": api.compute_interaction_facets(
            compute_interaction_facet_payload={"facets": [{"name": "statuses", "field": "status"}]}
        ),
        "slot": api.request_interaction_rate_limit_slot(rate_limit_request_payload={"interaction": "SummarizeText"}),
        "asynchronous": api.execute_interaction_async(
            async_execution_payload=AsyncExecutionPayload(
                AsyncInteractionExecutionPayload(type="interaction", interaction="SummarizeText", data={"text": "One."})
            )
        ),
        "forks": api.list_interaction_forks(SUMMARY),
        "tags": api.list_interaction_tags(),
        "stored": api.list_stored_catalog_interactions(),
        "system": api.list_system_interactions(),
        "of_apps": api.list_all_app_interactions(),
        "of_app": api.list_app_interactions("crm"),
        "from_catalog": api.resolve_catalog_interaction("app:crm:ScoreLead"),
        "executed": api.execute_named_interaction(
            named_interaction_execution_payload={"interaction": "app:crm:ScoreLead", "data": {"employees": 100}}
        ),
        "executed_by_id": api.execute_interaction(SUMMARY, interaction_execution_payload={"data": {"text": "One."}}),
        "executed_endpoint": api.execute_interaction_by_endpoint(
            "SummarizeText", interaction_execution_payload={"data": {"text": "One."}}
        ),
    }


def interaction_changes(client: Client) -> dict[str, Any]:
    """Call the operations that change interactions, and those that ask a model about them."""
    api = client.interactions
    config = {"environment": OPENAI, "model": "gpt-4o"}
    # `from_dict` wraps the values that can have several types, which the methods themselves do not.
    body = {"name": "Greet", "status": "draft", "prompts": prompts("Hello ${name}")}
    draft = api.create_interaction(interaction_create_payload=InteractionCreatePayload.from_dict(body))
    published = api.publish_interaction(draft.id, interaction_publish_payload={"tags": ["live"]})
    change = InteractionUpdatePayload.from_dict({"expected_edit_revision": 1, "prompts": prompts("Bye ${name}")})
    updated = api.update_interaction(draft.id, interaction_update_payload=change)
    data = {"data": {"name": "Ada"}}
    code, profile = "app:crm:ScoreLead", {"inference_profile": "66d4f0c2e4b0a1b2c3d4f102"}
    return {
        "interaction_created": draft,
        "interaction_published": published,
        "interaction_updated": updated,
        "answer": api.execute_interaction(draft.id, interaction_execution_payload=data),
        "stale": refusal(lambda: api.update_interaction(draft.id, interaction_update_payload=change)),
        "interaction_forked": api.fork_interaction(draft.id, interaction_fork_payload={"newName": "Greet again"}),
        "invalid": refusal(
            lambda: api.create_interaction(
                interaction_create_payload={"name": "Other", "status": "archived", "prompts": []}
            )
        ),
        "generated": api.generate_interaction(
            draft.id, generate_interaction_payload={"description": "List the verbs", "config": config}
        ),
        "records": api.generate_interaction_test_data(
            draft.id, generate_test_data_payload={"count": 2, "config": config}
        ),
        "suggested": api.suggest_prompt_improvements_for_interaction(
            draft.id, improve_prompt_payload_config={"config": config}
        ),
        "improved": api.improve_prompt(
            improve_prompt_payload={
                "config": config,
                "interaction_name": "Greet",
                "prompt": [{"name": "user", "content": "Greet."}],
            }
        ),
        # The client applies the pattern of a time to the parsed time, so it cannot read a configuration.
        "configured": api.update_interaction_configuration_without_preload_content(
            code, update_interaction_configuration_payload=profile
        ).json(),
        "configuration": api.get_interaction_configuration_without_preload_content(code).json(),
        "configured_run": api.execute_named_interaction(
            named_interaction_execution_payload={"interaction": code, "data": {"employees": 100}}
        ),
        "unconfigured": api.delete_interaction_configuration(code),
        "interaction_deleted": api.delete_interaction(draft.id),
        "interaction_gone": refusal(lambda: api.get_interaction(draft.id)),
    }


def prompts(content: str) -> list[dict[str, Any]]:
    """Return the prompts of an interaction, with a whole template."""
    template = {
        "id": "66e5f0c2e4b0a1b2c3d4a002",
        "name": "GreetPrompt",
        "role": "user",
        "content": content,
        "content_type": "jst",
        "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "status": "draft",
        "version": 1,
        "project": "66a1f0c2e4b0a1b2c3d4bee0",
        "created_by": "user:x",
        "updated_by": "user:x",
        "created_at": "2026-11-01T00:00:00.000Z",
        "updated_at": "2026-11-01T00:00:00.000Z",
    }
    return [{"type": "template", "template": template}]


def environment_changes(client: Client) -> dict[str, Any]:
    """Call the operations that change or use environments."""
    api = client.environments
    body = {"name": "Own", "provider": "virtual_lb", "apiKey": "secret-0123456789"}
    own = api.create_environment(execution_environment_create_payload=body)
    return {
        "environment_created": own,
        "environment_updated": api.update_environment(
            own.id, execution_environment_update_payload={"description": "Changed."}
        ),
        "environment_configured": api.update_environment_config(
            own.id,
            execution_environment_config_update_payload=ExecutionEnvironmentConfigUpdatePayload.from_dict(
                {"config": {"max_concurrent_requests": 2}}
            ),
        ),
        "model_enabled": api.enable_environment_model(STAGING, enable_environment_model_payload={"model_id": "gpt-4o"}),
        "model_disabled": api.disable_environment_model(STAGING, "gpt-4o"),
        "embeddings": api.generate_embeddings(
            OPENAI,
            embeddings_api_request=EmbeddingsApiRequest.from_dict(
                {"inputs": [{"type": "text", "text": "Cats sleep."}]}
            ),
        ),
        "analytics": api.get_environment_analytics(
            OPENAI, run_analytics_query={"filterBy": {}, "groupBy": "modelId", "resolution": "week"}
        ),
        "budget": api.get_run_budget_capability(OPENAI, "gpt-4o"),
        "environment_deleted": api.delete_environment(own.id),
        "environment_gone": refusal(lambda: api.get_environment(own.id)),
    }


def environments(client: Client) -> dict[str, Any]:
    """Call the operations on environments that change nothing."""
    api = client.environments
    return {
        "environments": api.list_environments(),
        "every_environment": api.list_environments(all=True),
        "environment": api.get_environment(OPENAI),
        "trainable": api.list_environment_trainable_models(OPENAI),
        "models": api.list_environment_models(OPENAI, text="mini"),
    }


def watch(api: Any) -> set[str]:
    """Return the methods of `api` that were not called; the set shrinks with each call."""
    names = {name for name in dir(type(api)) if not name.startswith("_")}
    uncalled = {name for name in names if f"{name}{RAW}" in names}
    for method in uncalled.copy():
        for name in (method, f"{method}{RAW}"):
            setattr(api, name, watched(getattr(api, name), method, uncalled))
    return uncalled


def watched(function: Any, method: str, uncalled: set[str]) -> Any:
    """Return a function that calls `function` and removes `method` from `uncalled`."""

    def call(*arguments: Any, **named: Any) -> Any:
        uncalled.discard(method)
        return function(*arguments, **named)

    return call


def refusal(call: Any) -> dict[str, Any] | None:
    """Return the status and body with which a call is refused."""
    try:
        call()
    except ApiException as error:
        return {"status": error.status, "body": json.loads(error.body)}
    return None


if __name__ == "__main__":
    url, key = sys.argv[1:]
    client = Client(server_url=url, store_url=url, token_server_url=url, api_key=key)
    apis = (client.interaction_runs, client.interactions, client.environments)
    uncalled = [watch(api) for api in apis]
    answers = {**runs(client), **interactions(client), **environments(client)}
    answers |= {**interaction_changes(client), **environment_changes(client)}
    answers["uncalled"] = sorted(set().union(*uncalled))
    sys.stdout.write(json.dumps({name: plain(answer) for name, answer in answers.items()}))
