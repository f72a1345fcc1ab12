"""MongoDB filters: selection, rejection, and narrowing by SQL, which changes no result."""

import contextlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.sandbox.storage import mongo_filter as find
from runs_mcp.sandbox.storage.run_store import RunStore as Store
from runs_mcp.sandbox.storage.run_store import SlowFilterError
from tests.sandbox.sandbox_client import JsonObject, answered

pytestmark = pytest.mark.anyio

CASES: JsonObject = json.loads(Path(__file__).with_name("find-cases.json").read_text(encoding="utf-8"))
DOCUMENTS: list[JsonObject] = CASES["documents"]
REFUSED = {
    "unknown op": "$foo",
    "$where": "$where",
    "$function": "$expr",
    "unknown top op": "$foo",
    "$in not list": "$in",
    "$or not list": "$or",
    "$size str": "$size",
    "bad regex": "$regex",
}


@pytest.fixture(scope="module")
def store() -> Store:
    """The documents of the cases."""
    filled = Store(None)
    filled.add(DOCUMENTS)
    return filled


def matching(store: Store, query: JsonObject) -> list[int]:
    return sorted(document["_id"] for document in store.find(query, limit=100))


def refusal(store: Store, query: JsonObject) -> str:
    with pytest.raises(find.UnsupportedFilterError) as refused:
        store.find(query, limit=1)
    return str(refused.value)


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: f"{case['group']} {json.dumps(case['query'])}")
def test_a_filter_selects_the_same_documents_as_mongodb(store: Store, case: JsonObject) -> None:
    assert matching(store, case["query"]) == case["ids"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["name"])
def test_an_unsupported_filter_is_rejected_with_the_name_of_its_operator(store: Store, case: JsonObject) -> None:
    assert REFUSED[case["name"]] in refusal(store, case["query"])


@pytest.mark.parametrize(
    ("query", "operator"),
    [
        ({"$nor": {"status": "failed"}}, "$nor"),
        ({"$and": "status"}, "$and"),
        ({"$or": [{"status": {"$near": 1}}]}, "$near"),
        ({"status": {"$not": {"$type": "string"}}}, "$type"),
        ({"tags": {"$elemMatch": {"$mod": [2, 0]}}}, "$mod"),
        ({"tags": {"$all": "a"}}, "$all"),
        ({"status": {"$nin": "failed"}}, "$nin"),
        ({"tags": {"$elemMatch": "a"}}, "$elemMatch"),
        ({"status": {"$exists": {"$gt": 1}, "$text": "x"}}, "$text"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value),
)
def test_a_rejection_names_the_operator_at_any_depth(store: Store, query: JsonObject, operator: str) -> None:
    assert operator in refusal(store, query)


@pytest.mark.parametrize("query", CASES["harmless"], ids=json.dumps)
def test_sql_injection_selects_nothing_and_changes_nothing(store: Store, query: JsonObject) -> None:
    with contextlib.suppress(find.UnsupportedFilterError):
        assert matching(store, query) == []
    assert matching(store, {}) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_regular_expression_that_backtracks_is_answered(pattern: str) -> None:
    store = Store(None)
    store.add([{"id": "1", "prompt": "a" * 5_000 + "!"}, {"id": "2", "prompt": "x" * 5_000}])
    assert store.find({"prompt": {"$regex": pattern}}, limit=10) == []


@pytest.mark.parametrize(
    "query",
    [
        {"$and": [{"status": "completed"}] * 3_000},
        {"$and": [{"status": {"$in": []}}, {"status": "completed"}] * 1_500},
        {"status": {"$in": ["completed", *(f"s{number}" for number in range(9_999))]}, "id": {"$in": ["r1"] * 10_000}},
        {"tags": {"$in": [f"t{number}" for number in range(10_000)]}},
    ],
    ids=["many conditions", "many empty lists", "long lists", "many tags"],
)
def test_a_filter_too_long_for_sql_is_still_evaluated(store: Store, query: JsonObject) -> None:
    matches = find.build_matcher(query)
    assert matching(store, query) == [document["_id"] for document in DOCUMENTS if matches(document)]


def nested(levels: int) -> JsonObject:
    query: JsonObject = {"status": "completed"}
    for _ in range(levels):
        query = {"$and": [query]}
    return query


@pytest.mark.parametrize(
    ("query", "reason"),
    [(nested(40), "nested deeper than 20 levels"), ({"status": {"$in": ["a"] * 10_001}}, "more than 10000 values")],
    ids=["depth", "length"],
)
def test_a_filter_that_is_too_deep_or_too_long_is_rejected(store: Store, query: JsonObject, reason: str) -> None:
    assert reason in refusal(store, query)


def test_a_filter_that_takes_too_long_is_rejected(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs_mcp.sandbox.storage.run_store.FIND_BUDGET_S", -1)
    with pytest.raises(SlowFilterError, match="narrow it by status, interaction or date"):
        store.find({"prompt": "x"}, limit=1)


VALUES = ("completed", "failed", "m1", "i1", "a", "b", "", "2024-01-01T00:00:00.000Z", "2023", None, 5, True, ["a"])
FIELDS = ("id", "_id", "status", "modelId", "interaction", "interaction.id", "environment", "tags", "created_at", "n")


def value() -> some.SearchStrategy[Any]:
    plain = some.sampled_from(VALUES)
    return plain | some.builds(lambda one: {"id": one, "name": "N"}, plain) | some.lists(plain, max_size=3)


def document() -> some.SearchStrategy[JsonObject]:
    named = some.builds(lambda one: {"id": one, "name": "N"}, value())
    plain = dict.fromkeys(("status", "modelId", "environment", "created_at", "updated_at", "parent", "n"), value())
    tags = value() | some.lists(some.sampled_from("abc"), unique=True)
    return some.fixed_dictionaries({}, optional={**plain, "interaction": value() | named, "tags": tags})


def condition() -> some.SearchStrategy[Any]:
    plain, several = some.sampled_from(VALUES), some.lists(some.sampled_from(VALUES), max_size=3)
    ordered = some.sampled_from(["2023", "2024", "a", "failed", 4])
    operators = {
        **dict.fromkeys(("$eq", "$ne"), plain),
        **dict.fromkeys(("$in", "$nin", "$all"), several),
        **dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), ordered),
        "$exists": some.booleans(),
        "$not": some.fixed_dictionaries({"$in": several}),
    }
    return plain | some.one_of([some.fixed_dictionaries({name: given}) for name, given in operators.items()])


def query() -> some.SearchStrategy[JsonObject]:
    return some.recursive(
        some.dictionaries(some.sampled_from(FIELDS), condition(), min_size=1, max_size=2),
        lambda inner: some.dictionaries(
            some.sampled_from(["$and", "$or", "$nor"]),
            some.lists(inner, min_size=1, max_size=3),
            min_size=1,
            max_size=1,
        ),
        max_leaves=6,
    )


@given(some.lists(document(), min_size=1, max_size=12), some.lists(query(), min_size=1, max_size=8))
def test_narrowing_by_sql_never_loses_a_run(written: list[JsonObject], queries: list[JsonObject]) -> None:
    documents = [{"id": f"r{number}", **one} for number, one in enumerate(written)]
    store = Store(None)
    store.add(documents)
    for one in queries:
        matches = find.build_matcher(one)
        found = {document["id"] for document in store.find(one, limit=100)}
        assert found == {document["id"] for document in documents if matches(document)}, one
    store.close()


async def found(api: httpx.AsyncClient, **body: Any) -> list[JsonObject]:
    runs: list[JsonObject] = await answered(await api.post("/runs/find", json=body))
    return runs


async def test_find_evaluates_the_names_of_runs_over_http(api: httpx.AsyncClient) -> None:
    [run] = await found(api, query={"status": "failed", "error.code": "context_length_exceeded"}, limit=1)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("field", ["interaction", "environment", "account", "project"])
async def test_a_reference_is_filtered_and_answered_by_its_id(api: httpx.AsyncClient, field: str) -> None:
    [newest] = await answered(await api.get("/runs", params={"limit": 1}))
    runs = await found(api, query={field: newest[field]["id"]})
    assert {run[field] for run in runs} == {newest[field]["id"]}
    assert newest["id"] in {run["id"] for run in runs}


async def test_dates_may_be_given_as_mongodb_writes_them(api: httpx.AsyncClient) -> None:
    [newest] = await answered(await api.get("/runs", params={"limit": 1}))
    plain = await found(api, query={"created_at": {"$lt": newest["created_at"]}}, limit=1_000)
    written = await found(api, query={"created_at": {"$lt": {"$date": newest["created_at"]}}}, limit=1_000)
    assert plain == written
    assert newest["id"] not in {run["id"] for run in plain}


async def test_found_runs_are_newest_first_and_paged(api: httpx.AsyncClient) -> None:
    query = {"status": "completed"}
    every = [run["id"] for run in await found(api, query=query, limit=1_000)]
    times = [run["updated_at"] for run in await found(api, query=query, limit=1_000)]
    assert times == sorted(times, reverse=True)
    pages = [await found(api, query=query, limit=20, offset=offset) for offset in range(0, len(every) + 20, 20)]
    assert [run["id"] for page in pages for run in page] == every
    assert await found(api, query=query, offset=10**15) == []
    assert await found(api, query=query, limit=0) == []


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("status", {"id", "status"}),
        ("id status created_at", {"id", "status", "created_at"}),
        ("-id status", {"status"}),
        ("-_id status modelId", {"status", "modelId"}),
        ("status nothing", {"id", "status"}),
    ],
)
async def test_select_includes_the_named_fields(api: httpx.AsyncClient, select: str, expected: set[str]) -> None:
    [run] = await found(api, query={}, limit=1, select=select)
    assert set(run) == expected


async def test_select_excludes_fields_named_with_a_minus(api: httpx.AsyncClient) -> None:
    [whole] = await found(api, query={}, limit=1)
    [run] = await found(api, query={}, limit=1, select="-prompt -parameters -config.model")
    assert set(whole) - set(run) == {"prompt", "parameters"}
    assert set(whole["config"]) - set(run["config"]) == {"model"}


async def test_select_reaches_into_objects(api: httpx.AsyncClient) -> None:
    [run] = await found(api, query={"status": "completed"}, limit=1, select="token_use.prompt token_use.total")
    assert set(run) == {"id", "token_use"}
    assert set(run["token_use"]) == {"prompt", "total"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"query": {"status": {"$where": "1"}}}, "$where"),
        ({"query": {}, "select": "status -prompt"}, "select cannot both include and exclude"),
        ({"query": {"prompt": {"$regex": "("}}}, "$regex"),
    ],
)
async def test_a_rejected_query_is_a_400_with_the_reason(api: httpx.AsyncClient, body: JsonObject, named: str) -> None:
    response = await api.post("/runs/find", json=body)
    assert response.status_code == 400
    assert response.json()["error"] == "Bad Request"
    assert named in response.json()["message"]


async def test_find_needs_a_query(api: httpx.AsyncClient) -> None:
    response = await api.post("/runs/find", json={"limit": 1})
    assert response.status_code == 400
    assert response.json()["details"] == "query: Field required"
