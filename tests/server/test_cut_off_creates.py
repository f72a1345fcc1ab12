"""The memory of calls that were cut off: its duration, its size, and its callers."""

import math
from collections.abc import Mapping

import anyio
import pytest

from runs_mcp.server.create.background_create import PendingCreate
from runs_mcp.server.create.cut_off_creates import MOST, SETTLE_TURNS, CutOffCreates, StartedCreates
from runs_mcp.server.create.idempotent_create import CreateTags
from tests.http.service import Clock

pytestmark = pytest.mark.anyio


def started(request: str = "a") -> StartedCreates:
    return StartedCreates(request, {0: PendingCreate(CreateTags(None))})


async def taken(creates: CutOffCreates, request: str = "a", until: float = math.inf) -> Mapping[int, PendingCreate]:
    """Return the creates that a new call with `request` has taken over."""
    call = StartedCreates()
    await creates.take_over(call, request, until)
    assert call.taken_over == bool(call.pending)
    return call.pending


async def stayed() -> bool:
    return False


async def left() -> bool:
    return True


async def test_a_call_is_remembered_for_some_seconds() -> None:
    clock = Clock()
    creates = CutOffCreates(60, now=clock)
    creates.keep(started())
    clock.now += 59
    assert await taken(creates)
    creates.keep(started())
    clock.now += 60
    assert not await taken(creates)


async def test_each_call_is_repeated_once() -> None:
    creates = CutOffCreates(60)
    first, second = started(), started()
    creates.keep(first)
    creates.keep(second)
    assert [await taken(creates) for _ in range(3)] == [first.pending, second.pending, {}]
    assert not await taken(creates, "b")


async def test_the_oldest_are_forgotten_beyond_a_number() -> None:
    creates = CutOffCreates(60)
    for number in range(MOST + 1):
        creates.keep(started(str(number)))
    assert not await taken(creates, "0")
    assert await taken(creates, "1")


@pytest.mark.parametrize(
    ("repeat_s", "call"),
    [
        pytest.param(0, started(), id="switched off"),
        pytest.param(60, started(""), id="a call that has a key of its own"),
        pytest.param(60, StartedCreates("a"), id="a call that had sent nothing"),
    ],
)
async def test_some_calls_are_not_remembered(repeat_s: float, call: StartedCreates) -> None:
    creates = CutOffCreates(repeat_s)
    creates.keep(call)
    assert not await taken(creates)


async def test_a_call_counts_as_cut_off_if_it_is_cancelled_or_its_client_has_left() -> None:
    creates = CutOffCreates(60)
    async with creates.kept(started("delivered"), stayed):
        pass
    async with creates.kept(started("left"), left):
        pass
    with anyio.CancelScope() as scope:
        async with creates.kept(started("cancelled"), stayed):
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert not await taken(creates, "delivered")
    assert await taken(creates, "left")
    assert await taken(creates, "cancelled")


async def test_a_call_that_goes_on_without_its_client_shares_its_creates() -> None:
    creates, call = CutOffCreates(60), started()
    async with creates.kept(call, left):
        shared = await taken(creates)
        call.pending[1] = PendingCreate(CreateTags(None))
    assert set(shared) == {0, 1}
    assert not await taken(creates)


async def test_a_call_answered_while_its_connection_is_checked_was_not_cut_off() -> None:
    creates = CutOffCreates(60)
    checked, answered = anyio.Event(), anyio.Event()

    async def left_after_the_answer() -> bool:
        if checked.is_set():
            return False
        checked.set()
        await answered.wait()
        return True

    async def repeat() -> None:
        assert not await taken(creates)

    async with anyio.create_task_group() as tasks, creates.kept(started(), left_after_the_answer):
        tasks.start_soon(repeat)
        await checked.wait()
        answered.set()


async def test_a_repeat_waits_for_a_cancellation_that_a_busy_server_delivers_late() -> None:
    """Each turn of a busy event loop takes longer than the minimum wait, and the cancellation takes several turns."""
    creates, call = CutOffCreates(60, settle_s=0), started()
    repeats: list[object] = []

    async def repeat() -> None:
        repeats.append(await taken(creates))

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with creates.kept(call, stayed):
                tasks.start_soon(repeat)
                for _ in range(SETTLE_TURNS // 2):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
                await anyio.lowlevel.checkpoint()
    assert repeats == [call.pending]


async def test_a_call_waits_for_its_cancellation_behind_its_repeat() -> None:
    """The repeat arrived first, and has sent nothing yet; the cancelled call arrives second."""
    creates, late = CutOffCreates(60), StartedCreates()
    reached = False
    async with creates.kept(StartedCreates("a"), stayed), anyio.create_task_group() as tasks:

        async def arrive_late() -> None:
            nonlocal reached
            async with creates.kept(late, stayed):
                await creates.take_over(late, "a")
                reached = True

        tasks.start_soon(arrive_late)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert not reached


async def test_an_equal_call_does_not_share_the_creates_of_a_call_in_progress() -> None:
    creates = CutOffCreates(60, settle_s=0)
    async with creates.kept(started(), stayed):
        assert not await taken(creates)


async def test_a_repeat_does_not_wait_beyond_its_deadline() -> None:
    creates = CutOffCreates(60)
    async with creates.kept(started(), stayed):
        assert not await taken(creates, until=anyio.current_time())


async def test_a_call_abandoned_before_its_create_shares_it() -> None:
    creates, call = CutOffCreates(60), StartedCreates("a")
    async with creates.kept(call, left):
        assert await taken(creates) is call.pending
        assert not await taken(creates)


async def test_no_call_in_progress_is_repeated_if_repeats_are_switched_off() -> None:
    creates = CutOffCreates(0)
    async with creates.kept(started(), left):
        assert not await taken(creates)
