"""Tolerant parsing: a valid answer never fails to parse, and none of its fields is lost."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from runs_mcp.api import ProtocolError, Run
from tests.api.conftest import Open

WHOLE: dict[str, Any] = {
    "id": "r1",
    "interaction": {"id": "i1", "name": "Summary", "extra": 1},
    "environment": {"id": "e1", "name": "Prod"},
    "modelId": "gpt-4o",
    "status": "completed",
    "created_at": "2023-04-20T12:00:00.000Z",
    "tags": ["a"],
    "parameters": {"x": 1},
    "result": {"y": 2},
    "prompt": [{"role": "user"}],
    "token_use": {"prompt": 10, "completion": 5},
    "execution_time": 0.5,
    "tomorrow": {"new": True},
}


def test_a_run_keeps_every_field_as_sent() -> None:
    assert Run(WHOLE).raw == WHOLE


def test_a_documented_run_reads_as_documented() -> None:
    run = Run(WHOLE)
    assert (run.id, run.status, run.model_id, run.tags) == ("r1", "completed", "gpt-4o", ["a"])
    assert run.interaction
    assert run.interaction.label == "Summary"
    assert run.created_at
    assert run.created_at.year == 2023
    assert run.token_use
    assert (run.token_use.prompt, run.token_use.result) == (10, 5)
    assert run.execution_time_ms == 0.5


@pytest.mark.parametrize(
    ("sent", "field", "expected"),
    [
        pytest.param({"interaction": "i1"}, "interaction.id", "i1", id="a bare id"),
        pytest.param({"interaction": {"_id": "i1"}}, "interaction.id", "i1", id="a database id"),
        pytest.param({"environment": None}, "environment", None, id="a deleted environment"),
        pytest.param({"environment": 7}, "environment", None, id="a reference that is neither"),
        pytest.param({"interaction": {"id": "i1", "name": "Summary"}}, "interaction_label", "Summary", id="a name"),
        pytest.param({"interaction": {"_id": "i1", "name": ""}}, "interaction_label", "i1", id="an empty name"),
        pytest.param({"environment": "e1"}, "environment_label", "e1", id="the label of a bare id"),
        pytest.param({"environment": {"id": 7}}, "environment_label", "", id="a label that is none"),
        pytest.param({}, "environment_label", "", id="the label of no reference"),
        pytest.param({"parent": {"id": "p1", "status": "x"}}, "parent", "p1", id="a parent as a run"),
        pytest.param({"parent": "p1"}, "parent", "p1", id="a parent as an id"),
        pytest.param({"tags": "a"}, "tags", ["a"], id="one tag"),
        pytest.param({"tags": None}, "tags", [], id="no tags"),
        pytest.param({"tags": ["a", 7]}, "tags", ["a"], id="a tag that is none"),
        pytest.param({"status": "paused"}, "status", "paused", id="an unknown status"),
        pytest.param({"status": 3}, "status", None, id="a status that is none"),
        pytest.param({"created_at": "soon"}, "created_at", None, id="a time that is none"),
        pytest.param({"execution_time": "long"}, "execution_time_ms", None, id="a duration that is none"),
        pytest.param({"token_use": {"result": 5}}, "token_use.result", 5, id="tokens, in fact"),
        pytest.param({"token_use": []}, "token_use", None, id="tokens that are none"),
        pytest.param({"error": "boom"}, "error.text", "boom", id="an error that is text"),
        pytest.param({"error": ""}, "error", None, id="an empty error"),
        pytest.param({"error": [1]}, "error", None, id="an error that is none"),
        pytest.param(
            {"error": {"code": 429, "message": ["a"]}}, "error.text", '429: ["a"]', id="an error of other types"
        ),
        pytest.param({"error": {"code": "c", "message": "m"}}, "error.text", "c: m", id="an error"),
        pytest.param({"_id": "r1"}, "id", "r1", id="the run's database id"),
        pytest.param({}, "id", "", id="nothing at all"),
    ],
)
def test_an_odd_field_never_spoils_a_run(sent: dict[str, Any], field: str, expected: Any) -> None:
    value: Any = Run(sent)
    for name in field.split("."):
        value = getattr(value, name)
    assert value == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("2026-11-19T14:00:00.000Z", datetime(2026, 11, 19, 14, tzinfo=UTC), id="UTC"),
        pytest.param("2026-11-19T14:00:00", datetime(2026, 11, 19, 14, tzinfo=UTC), id="no zone"),
        pytest.param("2026-11-19T14:00:00+02:00", datetime(2026, 11, 19, 12, tzinfo=UTC), id="another zone"),
        pytest.param("0001-01-01T00:00:00+02:00", None, id="before the first year in UTC"),
        pytest.param(1_795_098_612, datetime(2026, 11, 19, 14, 30, 12, tzinfo=UTC), id="seconds since 1970"),
        pytest.param(1_795_098_612_000, datetime(2026, 11, 19, 14, 30, 12, tzinfo=UTC), id="milliseconds since 1970"),
        pytest.param(17, None, id="a number that is no time"),
        pytest.param(10**40, None, id="a huge number"),
        pytest.param(float("inf"), None, id="a number beyond all numbers"),
        pytest.param(True, None, id="true"),
    ],
)
def test_times_are_read_in_utc(sent: object, expected: datetime | None) -> None:
    run = Run({"created_at": sent, "updated_at": sent})
    assert (run.created_at, run.updated_at) == (expected, expected)
    assert {moment.tzinfo for moment in (run.created_at, run.updated_at) if moment} <= {UTC}


@pytest.mark.parametrize(
    ("result", "output", "text"),
    [
        pytest.param(None, None, "", id="none"),
        pytest.param("Hello", "Hello", "Hello", id="text"),
        pytest.param({"a": 1}, {"a": 1}, '{"a":1}', id="object"),
        pytest.param([1, 2], [1, 2], "[1,2]", id="a list that is no parts"),
        pytest.param(
            [{"type": "text", "value": "He"}, {"type": "text", "value": "llo"}], "Hello", "Hello", id="text parts"
        ),
        pytest.param(
            [{"type": "thoughts", "value": "hm"}, {"type": "json", "value": {"a": 1}}],
            {"a": 1},
            '{"a":1}',
            id="json part",
        ),
        pytest.param([{"type": "image", "value": "…"}], "", "", id="only an image"),
    ],
)
def test_a_result_reads_alike_in_every_contract(result: Any, output: Any, text: str) -> None:
    run = Run({"result": result})
    assert run.output == output
    assert run.text == text


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("created", False),
        ("processing", False),
        ("completed", True),
        ("failed", True),
        ("cancelled", True),
        (None, False),
    ],
)
def test_a_run_has_ended_by_its_status(status: str | None, final: bool) -> None:
    assert Run({"status": status}).is_final is final


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("total", "expected"),
    [(30, 30), ([{"count": 30}], 30), (None, None), ([], None), ("30", None), (True, None)],
)
async def test_a_total_comes_in_three_shapes(
    router: respx.MockRouter, open_client: Open, total: Any, expected: int | None
) -> None:
    buckets = [{"_id": None, "count": 2}, {"_id": "failed", "count": 1, "name": "Failed"}, {"_id": "odd", "count": "x"}]
    body = {"statuses": buckets, "total": total, "note": "unheard of"}
    router.route().mock(return_value=httpx.Response(200, json=body))
    async with open_client(edition="vertesia") as client:
        facets = await client.compute_facets()
    assert facets.total == expected
    assert [(one.label, one.count) for one in facets.buckets["status"]] == [("none", 2), ("Failed", 1), ("odd", 0)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        pytest.param([{"id": "r1"}], id="a bare list"),
        pytest.param({"results": [{"id": "r1"}], "meta": {}}, id="results"),
        pytest.param({"runs": [{"id": "r1"}]}, id="runs"),
        pytest.param([{"id": "r1"}, "odd"], id="with something that is no run"),
    ],
)
async def test_a_list_comes_in_several_shapes(router: respx.MockRouter, open_client: Open, body: Any) -> None:
    router.route().mock(return_value=httpx.Response(200, json=body))
    async with open_client() as client:
        assert [run.id for run in await client.list_runs()] == ["r1"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(200, html="<p>Hello</p>"), id="HTML"),
        pytest.param(httpx.Response(200, text=""), id="nothing"),
        pytest.param(httpx.Response(200, json={"odd": 1}), id="an object that is no list"),
        pytest.param(httpx.Response(200, json="odd"), id="a text"),
        pytest.param(httpx.Response(302, headers={"location": "https://elsewhere.example"}), id="a redirect"),
    ],
)
async def test_an_undocumented_response_is_a_protocol_error(
    router: respx.MockRouter, open_client: Open, response: httpx.Response
) -> None:
    route = router.route().mock(return_value=response)
    async with open_client() as client:
        with pytest.raises(ProtocolError):
            await client.list_runs()
    assert route.call_count == 1, "a redirect is not followed with the token"


@pytest.mark.anyio
async def test_filter_options_come_as_objects_or_bare_values(router: respx.MockRouter, open_client: Open) -> None:
    router.route().mock(return_value=httpx.Response(200, json=[{"id": "e1", "name": "Prod", "count": 3}, "gpt-4o"]))
    async with open_client() as client:
        options = await client.get_filter_options("environment")
    assert [(one.id, one.name, one.count) for one in options] == [("e1", "Prod", 3), ("gpt-4o", None, None)]
