"""Operations that the API closes to the credential: every answer agrees with the one when all are open."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any

import jwt
import pytest
from mcp.client import Client
from pydantic import SecretStr

from runs_mcp.api import EDITIONS, NotFoundError
from runs_mcp.api import connect as connect_api
from runs_mcp.cli.sandbox_api import EXCHANGE, sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import DEMO_KEY, FixedAnswer, Operation, SandboxOptions, closed, running
from runs_mcp.sandbox.access import EXECUTE_ONLY_KEY, READ_ONLY_KEY
from runs_mcp.server import build_server
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS
from tests.calls import PATIENT, Answer, call
from tests.conftest import Connect

pytestmark = pytest.mark.anyio

CLOSABLE: Mapping[str, tuple[Operation, ...]] = {
    "find": ("find",),
    "facets": ("facets",),
    "filter options": ("filter_options",),
    "names": ("interaction_names",),
    "catalogue": ("interaction_export", "interaction_endpoints", "interaction_resolve"),
    "environments": ("environments",),
}
EVERY_TOOL = {one.name for one in OPERATIONS}
A_RUN = "9e2a14495fe903d14d33964b"
"""A run of every new sandbox, since the same seed gives the same runs."""
FIND_PAGING = {"next_query", "note"}
ALL = tuple(chain.from_iterable(CLOSABLE.values()))
SINCE = {"created_at": {"$gte": {"$date": "2020-01-01T00:00:00Z"}, "$lte": {"$date": {"$numberLong": "4102444800000"}}}}
CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "list by name": ("list_runs", {"interaction": "ContractReview", "limit": 100}),
    "list by unknown name": ("list_runs", {"interaction": "ContractRevue"}),
    "list by an ambiguous name": ("list_runs", {"environment": "Staging"}),
    "list by status": ("list_runs", {"status": "failed", "limit": 100}),
    "search by name": ("search_runs", {"environment": "Bedrock EU", "start": "2020-01-01", "limit": 100}),
    "search sorted": ("search_runs", {"sort": "-execution_time", "limit": 10}),
    "find by name and status": ("find_runs", {"query": {"interaction": "ContractReview", "status": "completed"}}),
    "find by extended dates": ("find_runs", {"query": {"$and": [SINCE, {"status": "failed"}]}}),
    "find by several tags": ("find_runs", {"query": {"tags": {"$all": ["nightly"]}}}),
    "find by no tags": ("find_runs", {"query": {"tags": {"$all": []}}}),
    "find by two conditions": ("find_runs", {"query": {"status": {"$eq": "failed", "$ne": "failed"}}}),
    "find what searches cannot": ("find_runs", {"query": {"execution_time": {"$gt": 2000}}}),
    "find prompts": ("find_runs", {"query": {"status": "completed"}, "select": ["prompt"], "limit": 3}),
    "count": ("compute_run_facets", {}),
    "count under filters": ("compute_run_facets", {"status": "failed", "interaction": "ContractReview"}),
    "interactions used": ("get_run_filter_options", {"field": "interaction"}),
    "environments": ("get_run_filter_options", {"field": "environment"}),
    "models": ("get_run_filter_options", {"field": "model"}),
    "statuses": ("get_run_filter_options", {"field": "status"}),
    "tags of failed runs": ("get_run_filter_options", {"field": "tag", "status": "failed"}),
    "aggregate": ("aggregate_runs", {"by": "model", "measures": ["runs", "failed", "total_tokens"]}),
    "aggregate by name": ("aggregate_runs", {"interaction": "ContractReview", "by": ["status"], "measures": ["runs"]}),
    "aggregate where": ("aggregate_runs", {"where": {"status": "failed"}, "by": ["environment"], "measures": ["runs"]}),
    "a run": ("get_run", {"run_id": A_RUN}),
    "a run and a missing run": ("get_run", {"run_ids": [A_RUN, "0" * 24], "include": ["result"]}),
    "follow a run that has ended": ("stream_run", {"run_id": A_RUN}),
    "dry run": ("create_run", {"interaction": "ContractReview", "data": {"contract": "x"}, "dry_run": True}),
    "dry run of nothing": ("create_run", {"interaction": "ContractRevue", "data": {}, "dry_run": True}),
    "interactions": ("list_interactions", {"limit": 100}),
    "one interaction": ("list_interactions", {"interaction": "ContractReview"}),
    "a draft that no run has used": ("list_interactions", {"interaction": "TranslateNote"}),
}
CHANGES: tuple[Operation, ...] = ("get_run", "update_run", "delete_run")
"""The operations of the tools that change runs."""


@dataclass
class Platform:
    """A sandbox and its currently closed operations."""

    config: Config
    answers: dict[Operation, FixedAnswer] = field(default_factory=dict)

    @asynccontextmanager
    async def client(self, *operations: Operation, status: int = 403) -> AsyncIterator[Client]:
        """Yield a client of a server whose credential may not use `operations`."""
        self.answers.clear()
        self.answers.update(closed(*operations, status=status))
        async with Client(build_server(self.config).mcp, client_info=PATIENT) as client:
            yield client
        self.answers.clear()


@pytest.fixture(scope="module", params=list(EXCHANGE))
async def platform(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Platform]:
    """A platform of either edition."""
    answers: dict[Operation, FixedAnswer] = {}
    async with running(SandboxOptions(answers=answers)) as started:
        api = sandbox_api(started.url, ApiSettings.model_validate({"edition": request.param}))
        manage = EDITIONS[request.param].changes_runs
        yield Platform(Config.model_validate({"api": api, "server": {"manage": manage}}), answers)


async def answers_of(client: Client) -> dict[str, Answer]:
    """Return the answer to each call."""
    return {name: await call(client, tool, **arguments) for name, (tool, arguments) in CALLS.items()}


def rows(answer: Answer) -> list[Any]:
    """Return the ids of the runs, or the rows of a selection without ids."""
    return [run.get("id") or run for run in answer.structured["runs"]]


def counts(answer: Answer) -> dict[str, dict[str, int]]:
    """Return the counts of values, without those of runs that lack the field."""
    facets = answer.structured["facets"]
    return {name: {one["id"]: one["count"] for one in facets[name] if "id" in one} for name in facets}


def values(answer: Answer) -> set[str]:
    """Return the ids of the values of a filter."""
    return {one["id"] for one in answer.structured["options"]}


def require_same(name: str, full: Answer, answer: Answer) -> None:
    """Fail if `answer` contradicts the answer with all operations open."""
    if full.failed or answer.failed:
        assert answer.failed, "an error became an answer"
        assert full.failed or "there is no" not in answer.text
        return
    match CALLS[name][0]:
        case "compute_run_facets":
            assert counts(answer) == counts(full)
            assert answer.structured["total"] == full.structured["total"]
        case "get_run_filter_options" if answer.structured.get("complete") is False:
            assert "Others may exist" in answer.text
            assert "End of list." not in answer.text
            assert values(answer)
        case "get_run_filter_options":
            assert values(full) >= values(answer)
        case "list_interactions":
            known = {one["interaction"] for one in full.structured["interactions"]}
            listed = {one["interaction"] for one in answer.structured["interactions"]}
            assert listed == known or (listed <= known and "note" in answer.structured)
        case "create_run":
            [expected], [preview] = full.structured["runs"], answer.structured["runs"]
            assert ("failure" in preview) <= ("failure" in expected)
            assert preview.get("input") in {expected.get("input"), "not checked"}
        case "get_run" | "stream_run":
            assert answer.structured == full.structured
        case "aggregate_runs":
            assert answer.structured["groups"] == full.structured["groups"]
            assert answer.structured["complete"]
        case _:
            assert rows(answer) == rows(full)
            # Where a search replaces `find`, the next page is the next page of the search, which a note says.
            assert answer.structured.keys() - FIND_PAGING == full.structured.keys() - FIND_PAGING
            assert ("next" in answer.structured) == ("next" in full.structured)


@pytest.fixture(scope="module")
async def full(platform: Platform) -> dict[str, Answer]:
    """The answers with all operations open."""
    async with platform.client() as client:
        return await answers_of(client)


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    # Few operations, or all but one: a missing substitute shows when its own substitutes are closed, or alone open.
    list(chain.from_iterable(combinations(CLOSABLE, size) for size in (1, 2, len(CLOSABLE) - 1))),
    ids="+".join,
)
async def test_no_combination_of_closed_operations_makes_an_answer_false(
    platform: Platform, full: dict[str, Answer], names: tuple[str, ...]
) -> None:
    async with platform.client(*chain.from_iterable(CLOSABLE[name] for name in names)) as client:
        for name, answer in (await answers_of(client)).items():
            require_same(name, full[name], answer)


@pytest.mark.parametrize("status", [403, 404])
async def test_answers_stay_true_with_all_operations_closed(
    platform: Platform, full: dict[str, Answer], status: int
) -> None:
    async with platform.client(*ALL, status=status) as client:
        answers = await answers_of(client)
    for name, answer in answers.items():
        require_same(name, full[name], answer)
    failed = {name for name, answer in answers.items() if answer.failed}
    assert failed == {
        *("list by unknown name", "list by an ambiguous name", "a draft that no run has used"),
        *("find by no tags", "find by two conditions", "find what searches cannot", "find prompts"),
    }


def subsets(operations: tuple[Operation, ...]) -> Iterator[tuple[Operation, ...]]:
    """Yield every choice of some of `operations`."""
    return chain.from_iterable(combinations(operations, size) for size in range(1, len(operations) + 1))


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("operations", list(subsets(CHANGES)), ids="+".join)
async def test_changes_are_reported_as_the_api_has_made_them(
    platform: Platform, operations: tuple[Operation, ...], status: int
) -> None:
    if not platform.config.server.manage:
        assert not EDITIONS[platform.config.api.edition].changes_runs
        return
    async with connect_api(platform.config.api) as runs:
        run_id = (await runs.create_run(interaction="AlwaysFails", tags=["before"])).id
        async with platform.client(*ALL, *operations, status=status) as client:
            updated = await call(client, "update_run", run_ids=[run_id], add_tags=["after"])
            unchanged = await call(client, "update_run", run_ids=[run_id], remove_tags=["unknown"])
        tags = list((await runs.get_run(run_id)).tags)
        async with platform.client(*ALL, *operations, status=status) as client:
            deleted = await call(client, "delete_runs", run_ids=[run_id])
        try:
            left = bool(await runs.get_run(run_id))
            await runs.delete_run(run_id)
        except NotFoundError:
            left = False
    assert (updated.structured["runs"][0]["outcome"] == "updated") == (tags == ["before", "after"])
    assert (tags == ["before"]) == ("update_run" in operations or "get_run" in operations)
    assert (unchanged.structured["runs"][0]["outcome"] == "updated") == ("get_run" not in operations)
    assert (deleted.structured["runs"][0]["outcome"] == "deleted") == (not left) == ("delete_run" not in operations)
    for answer in (updated, unchanged, deleted):
        failed = answer.structured["runs"][0]["outcome"] == "failed"
        assert ("Nothing was changed." in answer.text) == failed


def test_every_tool_is_called_while_operations_are_closed() -> None:
    called = {tool for tool, _ in CALLS.values()}
    assert called | {"update_run", "delete_runs"} == EVERY_TOOL | {one.name for one in MANAGE_OPERATIONS}


async def test_an_inexpressible_filter_is_refused_with_the_working_alternatives(platform: Platform) -> None:
    async with platform.client("find") as client:
        answer = await call(client, "find_runs", query={"execution_time": {"$gt": 2000}})
        where = await call(client, "aggregate_runs", where={"execution_time": {"$gt": 2000}}, measures=["runs"])
    for one in (answer, where):
        assert one.failed
        assert "may not use MongoDB filters" in one.text
        assert "What works: search_runs" in one.text


async def test_runs_are_created_and_read_with_only_the_public_operations(platform: Platform) -> None:
    async with platform.client(*ALL) as client:
        created = await call(client, "create_run", interaction="ContractReview", data={"contract": "None."})
        assert not created.failed, created.text
        read = await call(client, "get_run", run_id=created.structured["id"])
        followed = await call(client, "stream_run", run_id=created.structured["id"])
    assert read.structured["status"] == followed.structured["status"] == "completed"


@pytest.mark.parametrize(
    ("key", "lacks"),
    [
        pytest.param(DEMO_KEY, set(), id="every permission"),
        pytest.param(READ_ONLY_KEY, {"create_run"}, id="read only"),
        pytest.param(EXECUTE_ONLY_KEY, EVERY_TOOL - {"create_run", "stream_run"}, id="execute only"),
    ],
)
async def test_tools_that_the_credential_does_not_permit_are_not_listed(
    platform: Platform, connect: Connect, key: str, lacks: set[str]
) -> None:
    auth = platform.config.api.auth.model_copy(update={"value": SecretStr(key)})
    config = platform.config.model_copy(update={"api": platform.config.api.model_copy(update={"auth": auth})})
    async with connect(config) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert listed & EVERY_TOOL == EVERY_TOOL - lacks
    server = build_server(config)
    async with Client(server.mcp, client_info=PATIENT) as first:
        await first.list_tools()
        assert server.services
        assert {name for name in EVERY_TOOL if name not in server.services.permitted} == lacks


async def test_a_tool_that_is_not_listed_explains_itself_when_it_is_called(platform: Platform) -> None:
    auth = platform.config.api.auth.model_copy(update={"value": SecretStr(READ_ONLY_KEY)})
    config = platform.config.model_copy(update={"api": platform.config.api.model_copy(update={"auth": auth})})
    async with Client(build_server(config).mcp, client_info=PATIENT) as client:
        answer = await call(client, "create_run", interaction="ContractReview", data={})
    assert answer.failed
    assert "interaction:execute" in answer.text
    assert "No run was created." in answer.text


@pytest.mark.parametrize(
    ("claims", "listed"),
    [
        pytest.param({"permissions": ["run:read"]}, False, id="a token that lists other permissions"),
        pytest.param({"permissions": ["run:read", "interaction:execute"]}, True, id="a token with the permission"),
        pytest.param({}, True, id="a token that lists none"),
        pytest.param(None, True, id="a token that cannot be read"),
    ],
)
async def test_lists_and_instructions_follow_the_token_without_a_request(
    connect: Connect, claims: dict[str, Any] | None, *, listed: bool
) -> None:
    token = "opaque" if claims is None else jwt.encode(claims, "k" * 32)
    api = {"base_url": "http://127.0.0.1:9/api/v1", "auth": {"kind": "token", "value": token}}
    async with connect(Config.model_validate({"api": api})) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert ("create_run" in names) is listed
        assert ("create_run" in (client.instructions or "")) is listed
        assert "- list_runs " in (client.instructions or "")
