"""The platform's own TypeScript clients, unmodified, against the sandbox: the reference document's, and today's."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from runs_mcp.sandbox import DEMO_KEY, Sandbox
from tests.clients import node

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DRIVER = Path(__file__).parent / "platform.mjs"
SENTIMENT = {"sentiment": "positive", "score": 1.0, "evidence": ["love", "fast"]}
CLIENTS: dict[str, Any] = {
    "old": {"dependencies": {"@becomposable/client": "0.42.2"}, "overrides": {"@becomposable/common": "0.39.1"}},
    "new": {"dependencies": {"@vertesia/client": "1.5.0"}},
}


@pytest.fixture(scope="module", params=list(CLIENTS))
async def got(request: pytest.FixtureRequest, sandbox: Sandbox) -> dict[str, Any]:
    """What one of the clients got from every operation."""
    era = request.param
    folder = node.installed(f"platform-{era}", **CLIENTS[era])
    script = folder / DRIVER.name
    script.write_text(DRIVER.read_text(encoding="utf-8"), encoding="utf-8")
    printed = await anyio.to_thread.run_sync(partial(node.run, [str(script), era, sandbox.url, DEMO_KEY]))
    return {"era": era, **json.loads(printed)}


def result(got: dict[str, Any], value: Any) -> Any:
    """`value` as a result, in the client's contract."""
    kind = "text" if isinstance(value, str) else "json"
    return [{"type": kind, "value": value}] if got["era"] == "new" else value


async def test_list(got: dict[str, Any]) -> None:
    assert len(got["roots"]) == 100
    assert not any(run.get("parent") for run in got["roots"])
    updated = [run["updated_at"] for run in got["roots"]]
    assert updated == sorted(updated, reverse=True)
    assert len(got["filtered"]) == 5
    assert {run["modelId"] for run in got["filtered"]} == {"gpt-4o"}
    assert {run["status"] for run in got["filtered"]} <= {"completed", "failed"}


async def test_create_without_streaming_blocks_and_gives_the_whole_run(got: dict[str, Any]) -> None:
    created = got["created"]
    assert created["status"] == "completed"
    assert created["result"] == result(got, SENTIMENT)
    assert created["tags"] == ["by-client"]
    assert isinstance(created["interaction"], str)


async def test_retrieve(got: dict[str, Any]) -> None:
    retrieved = got["retrieved"]
    assert retrieved["id"] == got["created"]["id"]
    assert retrieved["interaction"]["name"] == "ClassifySentiment"
    assert retrieved["parameters"] == {"text": "I love the fast delivery."}
    assert retrieved["result"] == result(got, SENTIMENT)


async def test_create_with_streaming_writes_as_it_goes(got: dict[str, Any]) -> None:
    words = "".join(f"word{number} " for number in range(1, 21))
    assert got["written"] == words
    assert got["streamed"]["status"] == "completed"
    assert got["streamed"]["result"] == result(got, words)


async def test_facets(got: dict[str, Any]) -> None:
    name = "statuses" if got["era"] == "new" else "status"
    total = got["facets"]["total"]
    assert total > 10
    assert got["facets"][name] == [{"_id": "failed", "count": total}]
    assert sum(bucket["count"] for bucket in got["facets"]["environments"]) == total


async def test_search_and_find(got: dict[str, Any]) -> None:
    created = got["created"]["id"]
    assert created in [run["id"] for run in got["searched"]]
    assert {"id": created, "status": "completed"} in got["found"]


async def test_filter_options(got: dict[str, Any]) -> None:
    assert {"OpenAI production", "Bedrock EU", "Vertex AI"} <= {option["name"] for option in got["options"]}
    assert all(option["count"] > 0 for option in got["options"])


async def test_a_refusal_is_read_as_the_platforms(got: dict[str, Any]) -> None:
    assert got["refused"]["status"] == 422
    assert "ClassifySentiment" in got["refused"]["message"]
