"""Call every run, interaction and environment operation of the generated Python client, unmodified.

Usage: python platform_generated.py URL KEY. Writes the answers to standard output as one JSON object.
"""

import json
import sys
from typing import Any

from vertesia_client import Client  # type: ignore[import-not-found]  # installed in an environment of its own
from vertesia_client.openapi.exceptions import ApiException  # type: ignore[import-not-found]
from vertesia_client.openapi.models.async_execution_payload import (  # type: ignore[import-not-found]
    AsyncExecutionPayload,
)
from vertesia_client.openapi.models.async_interaction_execution_payload import (  # type: ignore[import-not-found]
    AsyncInteractionExecutionPayload,
)
from vertesia_client.openapi.models.interactions_export_payload_versions_inner import (  # type: ignore[import-not-found]
    InteractionsExportPayloadVersionsInner,
)

SUMMARY = "66a1f0c2e4b0a1b2c3d40001"
OPENAI = "66b2f0c2e4b0a1b2c3d4e001"


def plain(value: Any) -> Any:
    """Return a model of the client, or anything made of models, as JSON values."""
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
    answers = {**runs(client), **interactions(client), **environments(client)}
    sys.stdout.write(json.dumps({name: plain(answer) for name, answer in answers.items()}))
