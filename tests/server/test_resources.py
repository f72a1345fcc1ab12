"""Runs as resources."""

import json
from collections.abc import Awaitable, Callable

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import INVALID_PARAMS, TextResourceContents
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.settings import Config
from runs_mcp.server.resources import slices
from runs_mcp.server.server import build_server
from tests import upstream
from tests.calls import PATIENT, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]


async def read(client: Client, uri: str) -> object:
    [content] = (await client.read_resource(uri, cache_mode="bypass")).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_listing_pages_through_all_runs_newest_first(client: Client) -> None:
    uris: list[str] = []
    page = await client.list_resources(cache_mode="bypass")
    uris += [resource.uri for resource in page.resources]
    while page.next_cursor:
        page = await client.list_resources(cursor=page.next_cursor, cache_mode="bypass")
        uris += [resource.uri for resource in page.resources]
    listed = [run["id"] for run in (await call(client, "list_runs", limit=5)).structured["runs"]]
    assert uris[:5] == [f"runs://{run_id}" for run_id in listed]
    uris = [uri for uri in uris if uri.startswith("runs://")]
    assert len(uris) == len(set(uris)) >= 200


async def test_listing_ends_at_the_newest_runs_that_the_setting_names() -> None:
    runs = [{"id": f"r{number}"} for number in range(200)]

    async def page(request: Request) -> Response:
        offset, limit = (int(request.query_params.get(name, "0")) for name in ("offset", "limit"))
        return JSONResponse(runs[offset : offset + limit])

    async with upstream.serving({"GET /runs": page}) as api:
        config = Config.model_validate({"api": api.api, "server": {"listed_runs": 120}})
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            pages = [await client.list_resources()]
            while cursor := pages[-1].next_cursor:
                pages.append(await client.list_resources(cursor=cursor))
    listed = [resource for page in pages for resource in page.resources if resource.uri.startswith("runs://")]
    assert [resource.name for resource in listed] == [f"r{number}" for number in range(120)]
    assert api.count("GET /runs") == len(pages) == 3


async def test_listed_runs_have_the_time_of_their_last_change_in_utc(connect: Connect) -> None:
    runs = [
        {"id": "r1", "updated_at": "2026-11-19T14:00:00Z"},
        {"id": "r2", "updated_at": "2026-11-19T14:00:00"},
        {"id": "r3", "updated_at": "2026-11-19T14:00:00+02:00"},
        {"id": "r4"},
    ]
    async with upstream.serving({"GET /runs": reply(runs)}) as api, connect(configured(api)) as client:
        listed = (await client.list_resources()).resources[: len(runs)]
    assert [run.annotations and run.annotations.last_modified for run in listed] == [
        "2026-11-19T14:00:00+00:00",
        "2026-11-19T14:00:00+00:00",
        "2026-11-19T12:00:00+00:00",
        None,
    ]


async def test_clients_may_keep_a_run_that_has_ended_and_no_other() -> None:
    replies = {
        "GET /runs/r1": reply({"id": "r1", "status": "completed"}),
        "GET /runs/r2": reply({"status": "processing"}),
    }
    async with (
        upstream.serving(replies) as api,
        Client(build_server(Config(api=api.api)).mcp, client_info=PATIENT) as client,
    ):
        ended, running = await client.read_resource("runs://r1"), await client.read_resource("runs://r2")
        tools, prompts = await client.list_tools(), await client.list_prompts()
    assert (ended.ttl_ms, running.ttl_ms) == (3_600_000, 0)
    assert (tools.ttl_ms, tools.cache_scope) == (300_000, "private")
    assert (prompts.ttl_ms, prompts.cache_scope) == (300_000, "public")


async def test_every_result_names_the_server_with_its_icon_and_website() -> None:
    async with (
        upstream.serving({}) as api,
        Client(build_server(Config(api=api.api)).mcp, client_info=PATIENT) as client,
    ):
        listed = await client.list_tools()
    stamp = (listed.meta or {})["io.modelcontextprotocol/serverInfo"]
    assert stamp["name"] == "runs-mcp"
    assert stamp["websiteUrl"].startswith("https://")
    assert stamp["icons"][0]["src"].startswith("data:image/svg+xml;base64,")


async def test_a_run_reads_whole_and_its_parts_alone(client: Client) -> None:
    answer = await call(client, "create_run", interaction="ClassifySentiment", data={"text": "I love it"})
    uri = f"runs://{answer.structured['id']}"
    run = await read(client, uri)
    assert isinstance(run, dict)
    assert run["result"] == {"sentiment": "positive", "score": 1.0, "evidence": ["love"]}
    for part in ("result", "parameters", "prompt"):
        assert await read(client, f"{uri}/{part}") == run[part]


async def test_a_run_is_read_fresh(client: Client) -> None:
    created = await call(client, "create_run", interaction="SlowWriter", data={"chunks": 5}, wait=False)
    run_id = created.structured["id"]
    await call(client, "stream_run", run_id=run_id)
    run = await read(client, f"runs://{run_id}")
    assert isinstance(run, dict)
    assert run["status"] == "completed"


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        pytest.param("runs://nope", "There is no run 'nope'", id="unknown run"),
        pytest.param("runs://a%2Fb", "not a run id", id="an id with a slash"),
        pytest.param("runs://a%3Fb", "not a run id", id="an id with a query"),
        pytest.param("runs://..%2F..%2Fauth", "not a run id", id="an id that climbs"),
        pytest.param("runs://r1/colour", "it has result, parameters, prompt", id="unknown part"),
        pytest.param("elsewhere://r1", "Unknown resource", id="another scheme"),
    ],
)
async def test_an_unreadable_uri_is_an_invalid_request(client: Client, uri: str, says: str) -> None:
    with pytest.raises(MCPError) as refused:
        await client.read_resource(uri)
    assert refused.value.code == INVALID_PARAMS
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("garbage", id="garbage"),
        pytest.param("b2Zmc2V0Oi01MA==", id="a negative offset"),
        pytest.param("b2Zmc2V0OjUw!", id="more than a cursor"),
        pytest.param("b2Zmc2V0OjUw=", id="a cursor in another spelling"),
        pytest.param("b2Zmc2V0OjAwNTA=", id="an offset in another spelling"),
        pytest.param("b2Zmc2V0OjUwMA==", id="an offset beyond the list"),
        pytest.param("", id="empty"),
    ],
)
@pytest.mark.parametrize(
    "list_page", [Client.list_resources, Client.list_resource_templates, Client.list_prompts, Client.list_tools]
)
async def test_an_invalid_cursor_is_refused_by_every_list(
    client: Client, list_page: Callable[..., Awaitable[object]], cursor: str
) -> None:
    with pytest.raises(MCPError, match="Unknown cursor") as refused:
        await list_page(client, cursor=cursor)
    assert refused.value.code == INVALID_PARAMS


async def test_the_templates_are_published(client: Client) -> None:
    templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == [
        "runs://{run_id}",
        "runs://{run_id}/{part}",
        "runs://{run_id}{?path,offset,limit}",
        "runs://{run_id}/{part}{?path,offset,limit}",
    ]


async def test_a_large_result_is_read_a_piece_at_a_time(client: Client) -> None:
    answer = await call(client, "create_run", interaction="SlowWriter", data={"chunks": 3_000, "delay_ms": 0})
    run_id = answer.structured["id"]
    whole = await read(client, f"runs://{run_id}/result")
    pieces: list[str] = []
    uri: str | None = f"runs://{run_id}/result?offset=0&limit=9000"
    while uri:
        piece = await read(client, uri)
        assert isinstance(piece, dict)
        pieces.append(piece["value"])
        uri = piece.get("next")
    assert len(pieces) == 3
    assert "".join(pieces) == whole


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("/parameters?path=/text", "I love it", id="a pointer into a part"),
        pytest.param("?path=/result/evidence/0", "love", id="a pointer into the run"),
        pytest.param("?path=/prompt&offset=1&limit=1", "user", id="items of a list"),
    ],
)
async def test_a_json_pointer_selects_a_part(client: Client, query: str, expected: str) -> None:
    created = await call(client, "create_run", interaction="ClassifySentiment", data={"text": "I love it"})
    piece = await read(client, f"runs://{created.structured['id']}{query}")
    value = piece["value"][0]["role"] if isinstance(piece, dict) else piece
    assert value == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param("?path=/nope", "there is no 'nope' in an object with", id="nothing there"),
        pytest.param("?path=nope", "is not a JSON pointer: a pointer starts with a slash", id="no pointer"),
        pytest.param("?path=/tags/9", "there is no '9' in a list of", id="beyond a list"),
        pytest.param("/parameters?offset=1", "this is an object with text: add a path", id="a window on an object"),
        pytest.param("?path=/id&offset=x", "`offset` must be a whole number", id="no number"),
    ],
)
async def test_a_missing_part_lists_the_parts_that_exist(client: Client, query: str, says: str) -> None:
    created = await call(client, "create_run", interaction="ClassifySentiment", data={"text": "I love it"})
    with pytest.raises(MCPError) as refused:
        await client.read_resource(f"runs://{created.structured['id']}{query}")
    assert refused.value.code == INVALID_PARAMS
    assert says in str(refused.value)


async def test_the_next_link_is_readable_if_its_path_contains_a_space(connect: Connect) -> None:
    run = {"id": "r1", "status": "completed", "result": {"two words + a plus": "abcdef"}}
    async with upstream.serving({"GET /runs/r1": reply(run)}) as api, connect(configured(api)) as client:
        first = await read(client, "runs://r1/result?path=/two%20words%20%2B%20a%20plus&offset=0&limit=4")
        assert isinstance(first, dict)
        second = await read(client, first["next"])
    assert isinstance(second, dict)
    assert [first["value"], second["value"]] == ["abcd", "ef"]


async def test_a_resource_is_valid_json_and_keeps_every_digit(connect: Connect) -> None:
    async def answer(_: Request) -> Response:
        body = b'{"id": "r1", "status": "completed", "result": {"n": 12345678901234567890, "x": NaN, "y": -1e999}}'
        return Response(body, media_type="application/json")

    async with upstream.serving({"GET /runs/r1": answer}) as api, connect(configured(api)) as client:
        [content] = (await client.read_resource("runs://r1/result", cache_mode="bypass")).contents
    assert isinstance(content, TextResourceContents)
    assert content.text == '{"n":12345678901234567890,"x":"NaN","y":"-Infinity"}'


def test_the_uri_of_the_next_piece_encodes_a_space_so_that_it_can_be_read() -> None:
    piece = slices.cut("x" * 20, "runs://r1", "/result/a b", offset=0, limit=5)
    found = UriTemplate.parse("runs://{run_id}{?path,offset,limit}").match(piece["next"])
    assert found == {"run_id": "r1", "path": "/result/a b", "offset": "5", "limit": "5"}


@pytest.mark.parametrize(
    ("uri", "prompt"),
    [("runs://r1", None), ("runs://r1/prompt", None), ("runs://r1/result", "false"), ("runs://r1/parameters", "false")],
)
async def test_the_prompt_is_requested_only_if_it_is_shown(connect: Connect, uri: str, prompt: str | None) -> None:
    asked: list[str | None] = []

    async def run(request: Request) -> Response:
        asked.append(request.query_params.get("include_prompt"))
        return await reply({"id": "r1", "status": "completed", "result": {}, "parameters": {}, "prompt": []})(request)

    async with upstream.serving({"GET /runs/r1": run}) as api:
        config = Config.model_validate({"api": api.api.model_copy(update={"edition": "vertesia"})})
        async with connect(config) as client:
            await client.read_resource(uri)
    assert asked == [prompt]
