"""Scans visit every run once, for any page limit of the API and any change during the scan."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as some

from runs_mcp.api import Run, UnavailableError
from runs_mcp.api.search_fallback import TICK
from runs_mcp.server.aggregate.run_scan import AT_ONCE, RunScan
from runs_mcp.server.aggregate.time_slices import TimeSlice

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 27, tzinfo=UTC)
AGES_S = some.lists(some.integers(0, 400_000_000), max_size=300)


class FakeRuns:
    """An API with a few runs and a limit on its pages. It calls `between` before each page."""

    def __init__(self, ages_s: list[int], cap: int, between: Callable[["FakeRuns"], None] = lambda _: None) -> None:
        self.runs: dict[str, datetime] = {}
        self.order: list[str] = []
        self.cap = cap
        self.pages = 0
        self._between = between
        for age in ages_s:
            self.create(NOW - timedelta(seconds=age))

    def create(self, moment: datetime) -> None:
        """Add a run, in front of all others."""
        run_id = f"run{len(self.runs)}"
        self.runs[run_id] = moment
        self.order.insert(0, run_id)

    async def page(self, span: TimeSlice) -> list[Run]:
        """Return a page of the runs in a slice, in the order of their last update."""
        self._between(self)
        self.pages += 1
        await anyio.lowlevel.checkpoint()
        inside = [
            run_id
            for run_id in self.order
            if (span.start is None or self.runs[run_id] >= span.start)
            and (span.end is None or self.runs[run_id] < span.end)
        ]
        return [Run({"id": one, "created_at": self.runs[one].isoformat()}) for one in inside[: self.cap]]


async def scanned(
    api: FakeRuns, *, matching: int | None = None, most: int = 50_000, end: datetime | None = None
) -> tuple[list[str], RunScan]:
    taken: list[str] = []
    scan = RunScan(api.page, lambda run: taken.append(run.id), most, matching)
    await scan.run(TimeSlice(end=end), deadline=anyio.current_time() + 30)
    return taken, scan


@given(ages_s=AGES_S, cap=some.integers(10, 60), known=some.booleans())
async def test_every_run_is_scanned_once_under_any_page_limit(ages_s: list[int], cap: int, known: bool) -> None:
    api = FakeRuns(ages_s, cap)
    taken, scan = await scanned(api, matching=len(ages_s) if known else None)
    assert len(taken) == len(set(taken)) == scan.covered
    assert set(taken) <= set(api.runs)
    if scan.complete:
        assert set(taken) == set(api.runs)
    if len(set(ages_s)) == len(ages_s):
        assert set(taken) == set(api.runs)


@given(ages_s=AGES_S, cap=some.integers(10, 60), moves=some.lists(some.integers(0, 1_000), max_size=60))
async def test_concurrent_creates_and_updates_neither_duplicate_nor_hide_a_run(
    ages_s: list[int], cap: int, moves: list[int]
) -> None:
    waiting = list(moves)

    def shift(api: FakeRuns) -> None:
        for _ in range(3):
            if waiting and api.order:
                api.order.insert(0, api.order.pop(waiting.pop() % len(api.order)))
                api.create(NOW + timedelta(seconds=api.pages))

    api = FakeRuns(list(dict.fromkeys(ages_s)), cap, shift)
    before = set(api.runs)
    taken, _ = await scanned(api)
    assert len(taken) == len(set(taken))
    assert before <= set(taken)


async def test_a_page_with_all_matching_runs_is_the_only_request() -> None:
    api = FakeRuns(list(range(0, 9_000, 100)), 1_000)
    taken, scan = await scanned(api, matching=90)
    assert (len(taken), scan.complete, api.pages) == (90, True, 1)


async def test_many_runs_take_few_more_pages_than_they_fill() -> None:
    api = FakeRuns(list(range(30 * 86_400, 0, -130)), 1_000)
    taken, scan = await scanned(api, matching=len(api.runs))
    assert (len(taken), scan.complete) == (len(api.runs), True)
    assert api.pages <= 2.5 * len(taken) / 1_000


async def test_more_simultaneous_runs_than_a_page_holds_leave_the_scan_incomplete() -> None:
    taken, scan = await scanned(FakeRuns([5] * 50, 20))
    assert (len(taken), scan.complete) == (20, False)


async def test_a_period_may_end_in_the_last_year_of_the_calendar() -> None:
    taken, scan = await scanned(FakeRuns(list(range(0, 5_000, 100)), 20), end=datetime(9999, 12, 31, tzinfo=UTC))
    assert (len(taken), scan.complete) == (50, True)


@pytest.mark.parametrize("after_ms", [0, 0.4], ids=["at the end", "within the tick of the end"])
async def test_an_api_that_includes_the_end_of_a_slice_leaves_the_scan_incomplete(after_ms: float) -> None:
    api = FakeRuns([], 20)
    for _ in range(50):
        api.create(NOW + timedelta(milliseconds=after_ms))

    async def inclusive(span: TimeSlice) -> list[Run]:
        return await api.page(TimeSlice(span.start, span.end and span.end + TICK))

    scan = RunScan(inclusive, lambda _: None, 10_000)
    await scan.run(TimeSlice(end=NOW), deadline=anyio.current_time() + 30)
    assert (scan.covered, scan.complete) == (20, False)


async def test_an_api_that_ignores_times_leaves_the_scan_incomplete() -> None:
    api = FakeRuns(list(range(0, 50_000, 100)), 100)

    async def same(_: TimeSlice) -> list[Run]:
        return await api.page(TimeSlice())

    scan = RunScan(same, lambda _: None, 10_000)
    await scan.run(TimeSlice(), deadline=anyio.current_time() + 30)
    assert (scan.covered, scan.complete) == (100, False)
    assert api.pages < 30


async def test_the_scan_stops_at_its_limit_with_the_newest_runs() -> None:
    api = FakeRuns(list(range(0, 500_000, 100)), 100)
    taken, scan = await scanned(api, most=700, matching=5_000)
    assert (len(taken), scan.complete) == (700, False)
    assert scan.oldest is not None
    assert scan.oldest > NOW - timedelta(seconds=500_000)


async def test_a_scan_beyond_its_deadline_returns_partial_results() -> None:
    api = FakeRuns(list(range(0, 50_000, 100)), 100)

    async def stuck(span: TimeSlice) -> list[Run]:
        if api.pages >= 3:
            await anyio.sleep_forever()
        return await api.page(span)

    scan = RunScan(stuck, lambda _: None, 10_000)
    await scan.run(TimeSlice(), deadline=anyio.current_time() + 0.05)
    assert scan.covered >= 100
    assert not scan.complete


async def test_a_failed_page_fails_the_scan() -> None:
    async def failing(_: TimeSlice) -> list[Run]:
        raise UnavailableError("gone")

    with pytest.raises(UnavailableError, match="gone"):
        await RunScan(failing, lambda _: None, 10).run(TimeSlice(), deadline=anyio.current_time() + 5)


async def test_a_failed_page_fails_the_scan_although_the_pages_beside_it_are_slow() -> None:
    api = FakeRuns(list(range(0, 50_000, 100)), 100)
    beside: list[TimeSlice] = []

    async def partly_stuck(span: TimeSlice) -> list[Run]:
        if api.pages == 0:
            return await api.page(span)
        beside.append(span)
        if len(beside) == AT_ONCE:
            raise UnavailableError("gone")
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(5), pytest.raises(UnavailableError, match="gone"):
        await RunScan(partly_stuck, lambda _: None, 10_000).run(TimeSlice(), deadline=anyio.current_time() + 600)


async def test_a_scan_reports_the_read_and_the_matching_runs() -> None:
    api, said = FakeRuns(list(range(0, 1_230_000, 100)), 1_000), list[str]()

    async def say(text: str) -> None:
        said.append(text)

    await RunScan(api.page, lambda _: None, 20_000, 12_300, say).run(TimeSlice(), deadline=anyio.current_time() + 30)
    numbers = [int(text.removesuffix(" of 12,300 runs").replace(",", "")) for text in said]
    assert numbers == sorted(numbers)
    assert (said[0], said[-1]) == ("1,000 of 12,300 runs", "12,300 of 12,300 runs")


@given(ages_s=AGES_S, cap=some.integers(10, 60))
async def test_a_narrowed_scan_reads_all_runs_and_yields_the_matching_runs(ages_s: list[int], cap: int) -> None:
    api, taken = FakeRuns(list(dict.fromkeys(ages_s)), cap), list[str]()

    async def every_third(page: Sequence[Run]) -> Sequence[Run]:
        return [run for run in page if int(run.id.removeprefix("run")) % 3 == 0]

    scan = RunScan(api.page, lambda run: taken.append(run.id), 20_000, narrow=every_third)
    await scan.run(TimeSlice(), deadline=anyio.current_time() + 30)
    assert sorted(taken) == sorted(one for one in api.runs if int(one.removeprefix("run")) % 3 == 0)
    assert scan.covered == len(taken)
