"""Operations that continue or copy runs, and the requests that they reject."""

from typing import Any

import httpx
import pytest

from tests.sandbox.sandbox_client import TODAY, answered, create, get

pytestmark = pytest.mark.anyio

WORKFLOW = {"run_id": "wf-run-copy", "workflow_id": "wf-copy"}


async def test_a_copy_has_the_request_of_its_source_and_was_not_executed(api: httpx.AsyncClient) -> None:
    source = await create(api, "ClassifySentiment", {"text": "Good."})
    body = {"source_run_id": source["id"], "workflow": WORKFLOW}
    copied = await get(api, (await answered(await api.post("/runs/clone", json=body)))["id"])
    assert (copied["status"], copied["workflow"]) == ("created", WORKFLOW)
    assert copied["parameters"] == source["parameters"]
    assert not {"result", "token_use", "finish_reason"} & set(copied)


async def test_a_conversation_continues_with_results_of_tools_and_messages(api: httpx.AsyncClient) -> None:
    run = await create(api, "ClassifySentiment", {"text": "Good."})
    reference = {"id": run["id"], "account": "a", "project": "p"}
    body: dict[str, Any] = {"run": reference, "environment": "e1", "options": {}, "tools": []}
    results = [{"tool_use_id": "t1", "content": "12 degrees", "is_error": False}]
    first = await answered(await api.post("/runs/tool-results", json={**body, "results": results}))
    more = {**body, "conversation": first["conversation"], "message": "Thank you"}
    second = await answered(await api.post("/runs/user-message", json=more))
    assert second["result"] == [{"type": "text", "value": "Thank you"}]
    assert [turn["result"] for turn in second["conversation"]["turns"]] == ["12 degrees", "Thank you"]


async def test_an_execution_in_a_workflow_is_found_by_the_id_of_the_workflow(api: httpx.AsyncClient) -> None:
    body = {"type": "interaction", "interaction": "ClassifySentiment", "data": {"text": "Good."}}
    started = await answered(await api.post("/execute/async", json=body, headers=TODAY))
    query = {"query": {"workflow_run_ids": [started["runId"]]}}
    while not (found := await answered(await api.post("/runs/search", json=query, headers=TODAY))):
        pass
    assert [run["workflow"]["workflow_id"] for run in found] == [started["workflowId"]]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/runs/clone", {"source_run_id": "nothing", "workflow": WORKFLOW}, 404),
        ("/runs/clone", {"source_run_id": "nothing"}, 400),
        ("/runs/user-message", {"message": "Hello"}, 400),
        ("/execute/async", {"type": "other", "interaction": "ClassifySentiment"}, 400),
        ("/execute/rate-limit/request", {"interaction": "Nothing"}, 404),
        ("/interactions/facets", {"facets": [{"name": "colours", "field": "colour"}]}, 400),
    ],
)
async def test_invalid_requests_are_refused(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await api.post(path, json=body, headers=TODAY)).status_code == status
