"""Reading runs: comparisons, the end of long fields, numbers that JavaScript cannot hold, and values of fields."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.server.render.portable_json import for_javascript
from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import Replies, reply

pytestmark = pytest.mark.anyio

FIRST: dict[str, Any] = {
    "id": "r1",
    "status": "completed",
    "modelId": "gpt-4o",
    "config": {"temperature": 0, "max_tokens": 100},
    "parameters": {"a/b": "x" * 500 + "left" + "y" * 500, "same": "z" * 5_000},
    "result": "Hello",
}
SECOND: dict[str, Any] = {
    **FIRST,
    "id": "r2",
    "config": {"temperature": 1, "max_tokens": 100, "top_p": 0.5},
    "parameters": {"a/b": "x" * 500 + "right" + "y" * 500, "same": "z" * 5_000},
}
TWO: Replies = {"GET /runs/r1": reply(FIRST), "GET /runs/r2": reply(SECOND)}


async def test_compared_runs_show_a_line_for_each_difference_then_common_values_once(connect: Connect) -> None:
    async with upstream.serving(TWO) as api, connect(configured(api)) as client:
        answer = await call(client, "get_run", run_ids=["r1", "r2"], compare=True)
    differences, common = answer.text.partition("Differences: r1 | r2\n")[2].split("Common:\n")
    assert "/modelId: gpt-4o\n" in common
    assert "/config/max_tokens: 100" in common
    assert differences.splitlines() == [
        "/config/temperature: 0 | 1",
        differences.splitlines()[1],
        "/config/top_p: (absent) | 0.5",
    ]
    assert differences.splitlines()[1].startswith("/parameters/a~1b: …")
    assert "left" in differences
    assert "right" in differences
    assert answer.structured["compared"] == ["r1", "r2"]
    assert answer.structured["common"]["/status"] == "completed"
    assert answer.structured["differences"]["/config/temperature"] == [0, 1]
    assert len(answer.text) < 2_000


async def test_a_run_that_cannot_be_read_is_named_in_the_comparison(connect: Connect) -> None:
    replies: Replies = {**TWO, "GET /runs/r3": reply({"message": "none"}, 404)}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "get_run", run_ids=["r1", "r2", "r3"], compare=True, include=["config"])
    assert "r3: The Runs API found nothing there (404)" in answer.text
    assert "/parameters" not in answer.text


@pytest.mark.parametrize("arguments", [{"run_id": "r1"}, {"run_ids": ["r1"]}, {"run_ids": ["r1", "r1"]}])
async def test_a_comparison_needs_two_runs(client: Client, arguments: dict[str, Any]) -> None:
    answer = await call(client, "get_run", compare=True, **arguments)
    assert answer.failed
    assert "`compare` needs `run_ids` with two or more ids" in answer.text


async def test_tail_keeps_the_last_characters_of_large_fields(connect: Connect) -> None:
    run = {"id": "r1", "status": "completed", "result": "a" * 5_000 + "the end", "config": {"temperature": 0}}
    async with upstream.serving({"GET /runs/r1": reply(run)}) as api, connect(configured(api)) as client:
        for tool in ("get_run", "stream_run"):
            answer = await call(client, tool, run_id="r1", tail=7)
            assert answer.structured["result"] == "the end"
            assert answer.structured["cut"] == {"result": "runs://r1/result"} | (
                {"config": "runs://r1"} if tool == "get_run" else {}
            )
            assert "result:\n```\nthe end\n```" in answer.text
            assert "Cut to the last 7 characters: result (runs://r1/result)" in answer.text


@pytest.mark.parametrize("form", ["{}", "runs://{}", " {}\n"], ids=["its id", "its resource", "an id with spaces"])
async def test_a_run_is_named_by_its_id_or_its_resource(client: Client, form: str) -> None:
    [run] = (await call(client, "list_runs", status="completed", limit=1)).structured["runs"]
    named = form.format(run["id"])
    assert (await call(client, "get_run", run_id=named)).structured["id"] == run["id"]
    assert (await call(client, "get_run", run_ids=[named])).structured["runs"][0]["id"] == run["id"]
    assert (await call(client, "stream_run", run_id=named)).structured["id"] == run["id"]
    assert not (await call(client, "create_run", like=[named], dry_run=True)).failed


async def test_the_final_answer_of_stream_run_begins_at_the_offset(client: Client) -> None:
    created = await call(client, "create_run", interaction="SlowWriter", data={"chunks": 20, "delay_ms": 1})
    whole, run_id = created.structured["result"], created.structured["id"]
    answer = await call(client, "stream_run", run_id=run_id, offset=len(whole) - 12)
    assert answer.structured["result"] == whole[-12:]
    assert f"from character {len(whole) - 12:,} on" in answer.text
    assert "word1 " not in answer.text


async def test_an_object_is_returned_whole_at_any_offset(connect: Connect) -> None:
    run = {"id": "r1", "status": "completed", "result": {"a": 1}}
    async with upstream.serving({"GET /runs/r1": reply(run)}) as api, connect(configured(api)) as client:
        answer = await call(client, "stream_run", run_id="r1", offset=5)
    assert answer.structured["result"] == {"a": 1}


def raw(body: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return answer


async def test_large_integers_are_exact_in_text_and_texts_in_structured_content(connect: Connect) -> None:
    body = b'{"id": "r1", "status": "completed", "result": {"big": 12345678901234567890, "x": NaN, "y": 1e999, "n": 7}}'
    async with upstream.serving({"GET /runs/r1": raw(body)}) as api, connect(configured(api)) as client:
        answer = await call(client, "get_run", run_id="r1")
    assert answer.structured["result"] == {"big": "12345678901234567890", "x": "NaN", "y": "Infinity", "n": 7}
    assert '{"big":12345678901234567890,' in answer.text
    json.dumps(answer.structured, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "portable"),
    [
        pytest.param(2**53 - 1, 2**53 - 1, id="the largest exact integer"),
        pytest.param(-(2**53), "-9007199254740992", id="a negative integer beyond"),
        pytest.param(True, True, id="a boolean"),
        pytest.param([1.5, float("-inf")], [1.5, "-Infinity"], id="infinity in a list"),
        pytest.param([2**60, -(2**60)], [str(2**60), str(-(2**60))], id="large integers in a list"),
        pytest.param("NaN, 12345678901234567890", "NaN, 12345678901234567890", id="a text"),
    ],
)
def test_numbers_are_texts_only_where_javascript_would_change_them(value: object, portable: object) -> None:
    assert for_javascript({"field": value}) == {"field": portable}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        pytest.param({"error": "it broke"}, "it broke", id="an error that is a text"),
        pytest.param({"error": {"code": 429, "message": {"a": 1}}}, '429: {"a":1}', id="an error of other types"),
        pytest.param({"error": {"message": "no", "data": {"field": "x"}}}, '{"data":{"field":"x"}}', id="error data"),
        pytest.param({"token_use": {"total": 12}}, "tokens: total 12", id="a total alone"),
        pytest.param(
            {"token_use": {"prompt": 5, "result": None, "total": 9}}, "tokens: prompt 5, total 9", id="a part"
        ),
        pytest.param({"created_at": 1795168800000}, "created (UTC) 2026-11-20 10:00", id="milliseconds"),
    ],
)
async def test_unusual_fields_of_a_run_are_in_the_text_as_well(
    connect: Connect, fields: dict[str, Any], line: str
) -> None:
    run = {"id": "r1", "status": "failed", **fields}
    async with upstream.serving({"GET /runs/r1": reply(run)}) as api, connect(configured(api)) as client:
        answer = await call(client, "get_run", run_id="r1")
    assert line in re.split(r"\n| · ", answer.text)
    assert answer.structured == run


async def test_a_run_without_token_counts_has_no_line_of_tokens(connect: Connect) -> None:
    run = {"id": "r1", "status": "failed", "token_use": {"prompt": None}}
    async with upstream.serving({"GET /runs/r1": reply(run)}) as api, connect(configured(api)) as client:
        assert "tokens" not in (await call(client, "get_run", run_id="r1")).text


async def test_lists_and_groups_have_the_error_of_a_run_in_any_form(connect: Connect) -> None:
    runs = [
        {"id": "r1", "status": "failed", "error": "it broke"},
        {"id": "r2", "status": "failed", "error": {"code": 7}},
    ]
    listed, counted = reply(runs), reply({"total": 2})
    replies: Replies = {
        **dict.fromkeys(("GET /runs", "POST /runs/search", "POST /runs/find"), listed),
        "POST /runs/facets": counted,
    }
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        table = await call(client, "list_runs", limit=2)
        groups = await call(client, "aggregate_runs", by="error", measures=["runs", "median_ms"])
    assert "\nr1 | it broke\nr2 | 7\n" in table.text
    assert {group["by"]["error"] for group in groups.structured["groups"]} == {"none", "7"}


@pytest.mark.parametrize("field", ["finish_reason", "workflow.run_id", "inference-profile"])
async def test_the_values_of_any_field_of_runs_can_be_listed(connect: Connect, field: str) -> None:
    """The fields that the API accepts are not documented."""
    replies = {f"GET /runs/filter-options/{field}": reply([{"id": "a", "count": 2}])}
    async with upstream.serving(replies) as api, connect(configured(api)) as client:
        answer = await call(client, "get_run_filter_options", field=field)
    assert answer.structured["options"] == [{"id": "a", "count": 2}]
