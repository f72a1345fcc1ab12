"""All eight operations for real: over a port, in both editions, against the sandbox."""

from datetime import UTC, datetime, timedelta

import pytest

from runs_mcp.api import Chunk, Closed, RunsClient, connect
from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["composable", "vertesia"])
def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> RunsClient:
    """A client of one edition, not opened yet."""
    return connect(sandbox_api(sandbox.url, ApiSettings.model_validate({"edition": request.param})))


async def test_every_operation_works_against_the_sandbox(client: RunsClient) -> None:
    async with client as runs:
        newest = await runs.list_runs(limit=5, status="completed")
        assert [run.status for run in newest] == ["completed"] * 5
        roots = await runs.list_runs(parent=False, limit=50)
        assert len(roots) == 50
        assert not any(run.parent for run in roots)

        created = await runs.create_run(
            interaction="SummarizeText", data={"text": "One thing. Another thing."}, tags=["real"], stream=True
        )
        assert created.status == "created"
        async with runs.stream_run(created.id) as events:
            seen = [event async for event in events]
        assert isinstance(seen[-1], Closed)
        written = "".join(event.text for event in seen if isinstance(event, Chunk))
        run = await runs.get_run(created.id)
        assert run.is_final
        assert run.text == written == "One thing. Another thing."

        blocking = await runs.create_run(
            interaction="ClassifySentiment", data={"text": "I love it"}, config={"temperature": 0.5}, stream=False
        )
        assert blocking.output == {"sentiment": "positive", "score": 1.0, "evidence": ["love"]}

        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        assert created.id in [one.id for one in await runs.search_runs(query="another", start=hour_ago, tags=["real"])]
        [found] = await runs.find_runs({"id": created.id}, limit=1, select=["id", "status"])
        assert found.raw == {"id": created.id, "status": "completed"}

        facets = await runs.compute_facets(status="failed")
        assert [(one.id, one.count) for one in facets.buckets["status"]] == [("failed", facets.total)]
        options = await runs.get_filter_options("environment", status="failed")
        assert {"OpenAI production", "Bedrock EU"} <= {one.name for one in options}
