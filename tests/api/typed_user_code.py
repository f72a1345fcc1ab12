"""Code of a user of the library, as a type checker sees it. mypy checks this file; a test runs it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, assert_type

import httpx
from pydantic import MISSING

from runs_mcp.api import (
    ApiSettings,
    Bucket,
    Chunk,
    Closed,
    Edition,
    Environment,
    Event,
    Facets,
    FilterOption,
    Interaction,
    ListFilters,
    Ref,
    Resolution,
    Run,
    RunError,
    RunsApiError,
    RunsClient,
    SearchFilters,
    TokenUse,
    connect,
)


async def use(transport: httpx.AsyncBaseTransport) -> None:
    """Call every operation and use every result by its type."""
    async with connect(base_url="https://runs.example/api/v1", token="a-token", transport=transport) as runs:
        assert_type(runs, RunsClient)
        assert_type(runs.edition, Edition)
        failed: ListFilters = {"status": "failed", "model": MISSING, "parent": False}
        recent: SearchFilters = {"query": "refund", "tags": ["a"]}
        assert_type(await runs.list_runs(limit=5, **failed), list[Run])
        assert_type(await runs.search_runs(offset=5, **recent), list[Run])
        assert_type(await runs.find_runs({"status": "failed"}, select=["id"]), list[Run])
        assert_type(await runs.get_filter_options("model", status="failed"), list[FilterOption])
        facets = await runs.compute_facets(facets=["status"], status="failed")
        assert_type(facets, Facets)
        assert_type([bucket for buckets in facets.buckets.values() for bucket in buckets], list[Bucket])
        assert_type(await runs.create_run(interaction="i1", stream=True), Run)
        async with runs.stream_run("r1") as events:
            assert_type(events, AsyncIterator[Event])
            async for event in events:
                assert_type(event, Chunk | Closed)
        assert_type(await runs.catalog.list_interactions(), list[Interaction])
        assert_type(await runs.catalog.resolve_interaction("i1", model="gpt-4o"), Resolution)
        assert_type(await runs.catalog.list_environments(), list[Environment])
        use_run(await runs.get_run("r1", include_prompt=False))


def use_run(run: Run) -> None:
    """Use the properties of a run by their types."""
    assert_type(run.id, str)
    assert_type(run.status, str | None)
    assert_type(run.interaction, Ref | None)
    assert_type(run.error, RunError | None)
    assert_type(run.token_use, TokenUse | None)
    assert_type(run.created_at, datetime | None)
    assert_type(run.tags, Sequence[str])
    assert_type(run.output, Any)


def use_errors(error: RunsApiError) -> None:
    """Use the attributes of an error by their types."""
    assert_type(error.retry_safe, bool)
    assert_type(error.retry_after_s, float | None)
    assert_type(error.run_id, str | None)


async def misuse(runs: RunsClient) -> None:
    """Make mistakes that a type checker reports; an unused `ignore` is an error as well."""
    await runs.list_runs(limit="5")  # type: ignore[arg-type]
    await runs.list_runs(stauts="failed")  # type: ignore[call-arg]
    await runs.search_runs(tags="a")  # a text is a sequence of texts, which no type checker reports
    await runs.create_run(data={})  # type: ignore[call-arg]
    connect(ApiSettings(), transport=httpx.Client())  # type: ignore[arg-type]
