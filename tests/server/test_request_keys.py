"""Request keys: the same request gets the same run, and no caller gets the run of another request or caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.api import RunsClient, connect
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import CreateLimitSettings
from runs_mcp.server.create.create_limit import CreateLimit, OwnStartCounts
from runs_mcp.server.create.idempotent_create import IdempotentCreate, RequestKeyConflictError
from runs_mcp.server.create.run_request import RunRequest
from runs_mcp.server.runs.shared_state import MAX_KEYS, KeyedRun, OwnRequestKeys
from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Upstream

pytestmark = pytest.mark.anyio

REQUEST: dict[str, Any] = {"interaction": "Review", "data": {"text": "a"}, "model": "gpt-4o"}

UNLIMITED = CreateLimit(CreateLimitSettings(), OwnStartCounts())


class Platform:
    """A Runs API that keeps the runs it creates, which end at once."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def add(self, tags: list[str], *, later_s: float = 0, **request: Any) -> dict[str, Any]:
        """Keep a run that is created in `later_s` seconds."""
        number, created = len(self.runs), datetime.now(UTC) + timedelta(seconds=later_s)
        interaction, data = request.get("interaction", "Review"), request.get("data", {"text": "a"})
        run = {"id": f"r{number}", "status": "completed", "created_at": created.isoformat(), "tags": tags}
        self.runs.append({**run, "interaction": {"id": f"i-{interaction}", "name": interaction}, "parameters": data})
        return self.runs[-1]

    async def create(self, request: Request) -> Response:
        sent = await request.json()
        return JSONResponse(self.add(sent.pop("tags", []), **sent))

    async def list(self, request: Request) -> Response:
        tag, first = request.query_params.get("tag"), int(request.query_params.get("offset", 0))
        found = [run for run in reversed(self.runs) if tag is None or tag in run["tags"]]
        return JSONResponse(found[first : first + int(request.query_params.get("limit", 10))])

    async def get(self, request: Request) -> Response:
        run_id = request.url.path.rsplit("/", 1)[-1]
        found = [run for run in self.runs if run["id"] == run_id]
        return JSONResponse(found[0]) if found else JSONResponse({}, 404)

    async def tags(self, _: Request) -> Response:
        tags = [tag for run in self.runs for tag in run["tags"]]
        return JSONResponse([{"id": tag, "name": tag, "count": 1} for tag in tags])

    async def facets(self, _: Request) -> Response:
        tags = [tag for run in self.runs for tag in run["tags"]]
        return JSONResponse({"total": len(self.runs), "tags": [{"_id": tag, "count": 1} for tag in tags]})


@asynccontextmanager
async def serving(platform: Platform) -> AsyncIterator[Upstream]:
    replies: dict[str, Any] = {f"GET /runs/r{number}": platform.get for number in range(300)}
    replies |= {"POST /runs": platform.create, "GET /runs": platform.list, "POST /runs/facets": platform.facets}
    async with upstream.serving({**replies, "GET /runs/filter-options/tag": platform.tags}) as api:
        yield api


async def create(runs: RunsClient, *, caller: str | None = None, key: str = "k", **changes: Any) -> str:
    """Return the id of the run that a newly started process gets for a request."""
    creates = IdempotentCreate(runs, OwnRequestKeys(), UNLIMITED, tagging=True)
    request = RunRequest(tags=["mine"], **{**REQUEST, **changes})
    tags = await creates.tags_for(key, caller=caller, request=request)
    return (await creates.create(tags, request)).id


async def test_the_same_request_gets_the_same_run_across_a_restart(connect: Connect) -> None:
    async with serving(Platform()) as api:
        ids = []
        for _ in range(2):
            async with connect(configured(api)) as client:
                ids += [(await call(client, "create_run", request_key="k", **REQUEST)).structured["id"]] * 2
    assert set(ids) == {"r0"}
    assert api.count("POST /runs") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"interaction": "Other"},
        {"data": {"text": "b"}},
        {"model": "gpt-5"},
        {"environment": "66b2f0c2e4b0a1b2c3d4e004"},
        {"config": {"temperature": 1}},
        {"interaction_tag": "v2"},
        {"result_schema": {"type": "object"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("restarted", [False, True], ids=["in memory", "across a restart"])
async def test_a_different_request_with_the_same_key_is_an_error(
    connect: Connect, changes: dict[str, Any], *, restarted: bool
) -> None:
    async with serving(Platform()) as api, connect(configured(api)) as first, connect(configured(api)) as second:
        await call(first, "create_run", request_key="k", **REQUEST)
        client = second if restarted else first
        answer = await call(client, "create_run", request_key="k", **{**REQUEST, **changes})
    assert answer.failed
    assert "This request_key was used for a different request (run r0): use another key." in answer.text
    assert api.count("POST /runs") == 1


async def test_callers_and_profiles_with_the_same_key_get_runs_of_their_own() -> None:
    async with serving(Platform()) as api, connect(api.api) as runs:
        callers = ['["sales", "ann"]', '["sales", "ben"]', '["legal", "ann"]', None]
        assert [await create(runs, caller=caller) for caller in callers] == ["r0", "r1", "r2", "r3"]
        assert [await create(runs, caller=caller) for caller in callers] == ["r0", "r1", "r2", "r3"]


async def test_another_credential_has_other_tags() -> None:
    platform = Platform()
    async with serving(platform) as api:
        async with connect(api.api) as runs:
            await create(runs)
        other = ApiSettings.model_validate({"base_url": api.api.base_url, "auth": {"value": "another-secret"}})
        async with connect(other) as runs:
            await create(runs)
    assert set(platform.runs[0]["tags"]) & set(platform.runs[1]["tags"]) == {"mine"}


async def test_tags_reveal_neither_key_nor_request() -> None:
    platform = Platform()
    async with serving(platform) as api, connect(api.api) as runs:
        await create(runs, key="secret-key")
    [mine, key, request] = platform.runs[0]["tags"]
    assert mine == "mine"
    assert key.startswith("runs-mcp:key-")
    assert request.startswith("runs-mcp:req-")
    assert not any(word in f"{key} {request}" for word in ("secret-key", "Review", "gpt-4o"))


@pytest.mark.parametrize("copies", [1, 250])
async def test_a_run_planted_with_copied_tags_is_never_returned(copies: int) -> None:
    platform = Platform()
    async with serving(platform) as api, connect(api.api) as runs:
        assert await create(runs) == "r0"
        for _ in range(copies):
            platform.add(platform.runs[0]["tags"], later_s=3_000)
        assert await create(runs) == "r0"


async def test_a_run_planted_with_the_tag_of_the_key_alone_does_not_change_the_run() -> None:
    platform = Platform()
    async with serving(platform) as api, connect(api.api) as runs:
        await create(runs)
        platform.add(platform.runs[0]["tags"][1:2], later_s=3_000)
        assert await create(runs) == "r0"
        with pytest.raises(RequestKeyConflictError):
            await create(runs, model="other")


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param({"later_s": 3_000}, id="later"),
        pytest.param({"interaction": "Other"}, id="at once, of another interaction"),
        pytest.param({"data": {"text": "b"}}, id="at once, on other data"),
    ],
)
async def test_a_run_planted_with_copied_tags_is_not_returned_when_the_original_is_deleted(
    planted: dict[str, Any],
) -> None:
    platform = Platform()
    async with serving(platform) as api, connect(api.api) as runs:
        await create(runs)
        platform.add(platform.runs[0]["tags"], **planted)
        platform.runs[0] = {**platform.runs[0], "id": "deleted", "tags": []}
        with pytest.raises(RequestKeyConflictError) as refused:
            await create(runs)
    assert refused.value.run_id == "r1"


async def test_a_run_is_found_though_the_api_adds_to_its_data() -> None:
    platform = Platform()
    async with serving(platform) as api, connect(api.api) as runs:
        await create(runs)
        platform.runs[0]["parameters"] |= {"language": "en"}
        assert await create(runs) == "r0"


async def test_a_run_that_was_deleted_is_created_again(connect: Connect) -> None:
    platform = Platform()
    async with serving(platform) as api, connect(configured(api)) as client:
        await call(client, "create_run", request_key="k", **REQUEST)
        platform.runs[0] = {"id": "r9", "status": "completed", "tags": []}
        assert (await call(client, "create_run", request_key="k", **REQUEST)).structured["id"] == "r1"


async def test_a_run_of_a_key_that_cannot_be_read_is_named(connect: Connect) -> None:
    platform = Platform()
    unreadable = upstream.reply({"message": "busy"}, 500)
    replies = {"POST /runs": platform.create, "GET /runs": platform.list, "GET /runs/r0": unreadable}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        await call(client, "create_run", request_key="k", **REQUEST)
        answer = await call(client, "create_run", request_key="k", **REQUEST)
    assert answer.text.startswith("Run r0 was accepted, but following it failed. The Runs API failed (500).")
    assert len(platform.runs) == 1


@pytest.mark.usefixtures("quick_polls")
async def test_a_run_whose_answer_was_lost_is_not_denied_though_the_clock_of_the_api_is_wrong(
    connect: Connect,
) -> None:
    platform = Platform()

    async def lost(request: Request) -> Response:
        sent = await request.json()
        platform.add(sent.pop("tags"), later_s=3_000, **sent)
        return JSONResponse({"message": "busy"}, 500)

    replies = {"POST /runs": lost, "GET /runs": platform.list, "GET /runs/r0": platform.get}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "create_run", request_key="k", **REQUEST)
    assert "It is not known whether a run was created." in answer.text
    assert 'list_runs(tag="runs-mcp:key-' in answer.text


async def test_callers_cannot_set_tags_of_the_server(connect: Connect) -> None:
    async with serving(Platform()) as api, connect(configured(api)) as client:
        for tag in ("runs-mcp:key-0123", " Runs-MCP:x"):
            answer = await call(client, "create_run", tags=["fine", tag], **REQUEST)
            assert answer.failed
            assert "tags that begin with runs-mcp: are set by the server alone" in answer.text
    assert api.asked == []


async def everything(client: Client) -> str:
    """Return everything that a reader receives about the runs and their tags."""
    answers = [
        await call(client, tool, **arguments)
        for tool, arguments in (
            ("get_run_filter_options", {"field": "tag"}),
            ("compute_run_facets", {"facets": ["tags"]}),
            ("list_runs", {}),
            ("get_run", {"run_id": "r0"}),
            ("get_run", {"run_ids": ["r0"]}),
        )
    ]
    told = [f"{answer.text} {answer.structured}" for answer in answers]
    return "\n".join([*told, (await client.read_resource("runs://r0")).model_dump_json()])


async def test_readers_are_not_shown_the_tags_of_the_server(connect: Connect) -> None:
    platform = Platform()
    async with serving(platform) as api, connect(configured(api)) as client:
        created = await call(client, "create_run", request_key="k", tags=["mine"], **REQUEST)
        told = f"{created.text} {created.structured} {await everything(client)}"
    assert len(platform.runs[0]["tags"]) == 3
    assert "mine" in told
    assert "runs-mcp:" not in told


async def test_a_key_in_use_by_another_request_is_an_error(connect: Connect) -> None:
    came, go = anyio.Event(), anyio.Event()

    async def slow(_: Request) -> Response:
        came.set()
        await go.wait()
        return JSONResponse({"id": "r0", "status": "completed"})

    replies = {"POST /runs": slow, "GET /runs": upstream.reply([])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call(client, "create_run", request_key="k", **REQUEST))
        await came.wait()
        answer = await call(client, "create_run", request_key="k", **{**REQUEST, "model": "other"})
        assert "used for a different request (a run that is being created)" in answer.text
        go.set()


async def test_a_process_forgets_the_oldest_of_very_many_keys() -> None:
    keys = OwnRequestKeys()
    for number in range(MAX_KEYS + 1):
        await keys.keep(str(number), KeyedRun(f"r{number}", "q"))
    assert await keys.find("0") is None
    assert await keys.find("1") == KeyedRun("r1", "q")
