"""MongoDB filters: extended JSON as it is sent, and the search that replaces a closed `find`."""

import json
import re
from typing import Any

import httpx
import pytest
import respx

from runs_mcp.api import FindClosedError, InvalidArgumentError
from tests.api.conftest import Open

pytestmark = pytest.mark.anyio

RUN = {"id": "r1", "status": "completed"}


@pytest.mark.parametrize("edition", ["composable", "vertesia"])
@pytest.mark.parametrize("status", [403, 404])
async def test_where_find_is_closed_a_search_replaces_it(
    router: respx.MockRouter, open_client: Open, status: int, edition: str
) -> None:
    router.post(path__regex="/find$").mock(return_value=httpx.Response(status))
    search = router.post(path__regex="/search$").mock(return_value=httpx.Response(200, json=[{**RUN, "modelId": "m"}]))
    query = {
        "status": "failed",
        "modelId": {"$eq": "m1"},
        "tags": {"$all": ["a"]},
        "created_at": {"$gte": "2026-01-01"},
    }
    async with open_client(edition=edition) as client:
        [run] = await client.find_runs(query, limit=3, select=["id", "status"])
    assert json.loads(search.calls.last.request.content) == {
        "limit": 3,
        "query": {"status": "failed", "model": "m1", "tags": ["a"], "start": "2026-01-01T00:00:00.000Z"},
    }
    assert run.raw == RUN


@pytest.mark.parametrize(
    ("edition", "query"),
    [
        pytest.param("vertesia", {"execution_time": {"$gt": 5}}, id="another field"),
        pytest.param("vertesia", {"status": {"$eq": "failed", "$ne": "failed"}}, id="two conditions on a field"),
        pytest.param("vertesia", {"status": {"$in": ["failed", "created"]}}, id="several statuses"),
        pytest.param("vertesia", {"tags": {"$all": []}}, id="no tags, which no run has"),
        pytest.param("vertesia", {"tags": {"$all": ["a", {"$exists": True}]}}, id="tags that are no texts"),
        pytest.param("vertesia", {"created_at": {"$gte": "yesterday"}}, id="a time that is none"),
        pytest.param("vertesia", {"created_at": {"$gte": "2026-01-01T00:00:00.0005Z"}}, id="below the precision"),
        pytest.param("vertesia", {"created_at": {"$lte": "9999-12-31T23:59:59.999Z"}}, id="up to the last time"),
        pytest.param("vertesia", {"$and": [{"status": "failed"}, {"status": "created"}]}, id="a field twice"),
        pytest.param("vertesia", {"$and": [{"parent": None}, {"parent": "r1"}]}, id="filters that exclude each other"),
        pytest.param("vertesia", {"$or": [{"status": "failed"}]}, id="a choice"),
        pytest.param("composable", {"_id": "r1"}, id="a filter of the other edition"),
    ],
)
async def test_a_filter_that_no_search_expresses_is_refused(
    router: respx.MockRouter, open_client: Open, edition: str, query: dict[str, Any]
) -> None:
    router.post(path__regex="/find$").mock(return_value=httpx.Response(403, json={"message": "internal"}))
    async with open_client(edition=edition) as client:
        with pytest.raises(FindClosedError) as refused:
            await client.find_runs(query)
    assert (refused.value.status, refused.value.api_message) == (403, "internal")


@pytest.mark.parametrize(
    ("query", "search"),
    [
        pytest.param({"_id": {"$in": ["r1", "r2"]}}, {"run_ids": ["r1", "r2"]}, id="ids"),
        pytest.param({"tags": {"$nin": ["a"]}}, {"exclude_tags": ["a"]}, id="tags that runs lack"),
        pytest.param({"parent": None}, {"is_root": True}, id="no parent"),
        pytest.param({"parent": {"$ne": None}}, {"is_root": False}, id="any parent"),
        pytest.param({"parent": "r1"}, {"parent": ["r1"]}, id="a parent"),
        pytest.param(
            {"finish_reason": "stop", "created_by": "u"}, {"finish_reason": "stop", "created_by": "u"}, id="2"
        ),
        pytest.param(
            {"$and": [{"status": "failed"}, {"created_at": {"$gt": {"$date": 0}, "$lte": "2026-01-01T00:00:00Z"}}]},
            {"status": "failed", "start": "1970-01-01T00:00:00.001Z", "end": "2026-01-01T00:00:00.001Z"},
            id="bounds of time beside another condition",
        ),
    ],
)
async def test_a_search_replaces_each_filter_with_the_same_meaning(
    router: respx.MockRouter, open_client: Open, query: dict[str, Any], search: dict[str, Any]
) -> None:
    router.post(path__regex="/find$").mock(return_value=httpx.Response(403))
    route = router.post(path__regex="/search$").mock(return_value=httpx.Response(200, json=[]))
    async with open_client(edition="vertesia") as client:
        await client.find_runs(query)
    assert json.loads(route.calls.last.request.content) == {"query": search}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        pytest.param({"$gte": {"$date": "2026-01-01T01:00:00+01:00"}}, {"$gte": "2026-01-01T00:00:00.000Z"}, id="date"),
        pytest.param({"$lt": {"$date": {"$numberLong": "1000"}}}, {"$lt": "1970-01-01T00:00:01.000Z"}, id="number"),
        pytest.param(
            {"$gt": {"$numberLong": "5000"}, "$lt": {"$numberDouble": "6.5"}}, {"$gt": 5000, "$lt": 6.5}, id="n"
        ),
        pytest.param({"$in": [{"$oid": "66b2"}, "x"]}, {"$in": ["66b2", "x"]}, id="id"),
        pytest.param(
            {"$regularExpression": {"pattern": "^a", "options": "i"}}, {"$regex": "^a", "$options": "i"}, id="re"
        ),
    ],
)
async def test_find_sends_extended_json_as_plain_json(
    router: respx.MockRouter, open_client: Open, value: dict[str, Any], sent: dict[str, Any]
) -> None:
    route = router.post(path__regex="/find$").mock(return_value=httpx.Response(200, json=[]))
    async with open_client() as client:
        await client.find_runs({"$and": [{"field": value}]})
    assert json.loads(route.calls.last.request.content) == {"query": {"$and": [{"field": sent}]}}


@pytest.mark.parametrize(
    "value",
    [
        *({"$date": "yesterday"}, {"$date": True}, {"$date": None}, {"$date": 1e300}, {"$date": 10**30}),
        *({"$date": {"$numberLong": "soon"}}, {"$date": {"$numberLong": 1.5}}, {"$date": "2026-01-01", "more": 1}),
        *({"$oid": 1}, {"$binary": {}}, {"$numberLong": "x"}, {"$numberLong": True}, {"$numberInt": 1.5}),
        *({"$numberDouble": "NaN"}, {"$numberDouble": "-Infinity"}, {"$numberDecimal": "1e999"}),
    ],
    ids=str,
)
async def test_extended_json_without_a_plain_form_is_not_sent(open_client: Open, value: dict[str, Any]) -> None:
    name = re.escape(next(iter(value)))
    async with open_client() as client:
        for query in ({"field": value}, {"$or": [{"field": {"$in": [value]}}]}, value):
            with pytest.raises(InvalidArgumentError, match=f"^MongoDB filter: {name}"):
                await client.find_runs(query)
