"""Times in the forms that models write."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from mcp.client import Client

from runs_mcp.server.params import moment
from tests.calls import call

NOVEMBER = datetime(2026, 11, 19, 14, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("2026-11-19T14:30:12Z", NOVEMBER, id="ISO 8601"),
        pytest.param("2026-11-19T14:30:12", NOVEMBER, id="without a zone: UTC"),
        pytest.param("2026-11-19T15:30:12+01:00", NOVEMBER, id="another zone"),
        pytest.param("20261119T143012Z", NOVEMBER, id="without separators"),
        pytest.param(1795098612, NOVEMBER, id="epoch seconds"),
        pytest.param("1795098612", NOVEMBER, id="epoch seconds as text"),
        pytest.param(1795098612000, NOVEMBER, id="epoch milliseconds"),
        pytest.param("1795098612000", NOVEMBER, id="epoch milliseconds as text"),
        pytest.param(1795098612.0, NOVEMBER, id="fractional epoch seconds"),
        pytest.param("20261119", datetime(2026, 11, 19, tzinfo=UTC), id="a date without separators"),
    ],
)
def test_iso_8601_times_are_parsed(value: object, expected: datetime) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param("90m", timedelta(minutes=90), id="minutes"),
        pytest.param("24h", timedelta(hours=24), id="hours"),
        pytest.param("7 D", timedelta(days=7), id="days with a space and a capital"),
        pytest.param("2w", timedelta(weeks=2), id="weeks"),
    ],
)
def test_ages_are_counted_back_from_now(age: str, expected: timedelta) -> None:
    before = datetime.now(UTC)
    found = moment(age)
    assert before - expected <= found <= datetime.now(UTC) - expected


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param("999999d", "an age is at most 36,500 days", id="an age before all runs"),
        pytest.param("999999999w", "an age is at most 36,500 days", id="an age beyond the calendar"),
        pytest.param("1M", "M is ambiguous", id="minutes or months"),
        pytest.param("99999999999", "epoch seconds have 10 digits", id="neither seconds nor milliseconds"),
        pytest.param("0001-01-01T00:00+14:00", "neither an ISO 8601", id="before the calendar"),
        pytest.param("1795", "neither an ISO 8601", id="a year alone"),
        pytest.param("yesterday", "neither an ISO 8601", id="a word"),
        pytest.param(True, "neither an ISO 8601", id="a boolean"),
    ],
)
def test_other_times_are_rejected_with_the_reason(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        moment(value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "condition",
    [
        pytest.param({"created_at": {"$gte": "7d"}}, id="a comparison"),
        pytest.param({"$and": [{"created_at": {"$gte": "7d"}}]}, id="in a conjunction"),
        pytest.param({"created_at": {"$not": {"$lt": "7d"}}}, id="negated"),
    ],
)
async def test_ages_in_mongodb_filters_equal_those_of_other_tools(client: Client, condition: dict[str, object]) -> None:
    expected = await call(client, "aggregate_runs", measures=["runs"], start="7d")
    by_filter = await call(client, "aggregate_runs", measures=["runs"], where=condition)
    found = await call(client, "find_runs", query=condition, select=["status"], limit=1_000)
    assert (
        expected.structured["total"]["runs"] == by_filter.structured["total"]["runs"] == len(found.structured["runs"])
    )
    assert found.structured["runs"]


@pytest.mark.anyio
async def test_epochs_in_mongodb_filters_are_times(client: Client) -> None:
    week_ago = int((datetime.now(UTC) - timedelta(days=7)).timestamp())
    expected = await call(client, "aggregate_runs", measures=["runs"], start=str(week_ago))
    found = await call(client, "aggregate_runs", measures=["runs"], where={"created_at": {"$gte": week_ago}})
    assert found.structured["total"]["runs"] == expected.structured["total"]["runs"] > 0


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "argument"), [("find_runs", "query"), ("aggregate_runs", "where")])
async def test_a_mongodb_filter_with_no_time_is_refused_and_never_reads_as_no_runs(
    client: Client, tool: str, argument: str
) -> None:
    answer = await call(client, tool, **{argument: {"updated_at": {"$gte": "yesterday"}}})
    assert answer.failed
    assert re.fullmatch(
        "`updated_at`: neither an ISO 8601 date or time, nor an age such as 24h or 7d, nor epoch seconds or "
        r"milliseconds; it is \d{4}-\d\d-\d\d \d\d:\d\d UTC \(got 'yesterday'\)\. Nothing was sent\.",
        answer.text,
    )


@pytest.mark.anyio
@pytest.mark.parametrize("condition", [{"$exists": True}, {"$ne": None}, {"$gte": {"$date": "2020-01-01T00:00:00Z"}}])
async def test_other_conditions_on_times_are_sent_as_they_are(client: Client, condition: dict[str, object]) -> None:
    assert (await call(client, "find_runs", query={"created_at": condition}, limit=1)).structured["runs"]
