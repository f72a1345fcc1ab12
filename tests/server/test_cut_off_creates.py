"""The memory of calls that were cut off: its duration, its size, and its callers."""

import anyio
import pytest

from runs_mcp.server.runs.background_create import PendingCreate
from runs_mcp.server.runs.cut_off_creates import MOST, CutOffCreates, StartedCreates
from runs_mcp.server.runs.idempotent_create import CreateTags
from tests.http.service import Clock

pytestmark = pytest.mark.anyio


def started(request: str = "a") -> StartedCreates:
    return StartedCreates(request, {0: PendingCreate(CreateTags(None))})


async def stayed() -> bool:
    return False


async def left() -> bool:
    return True


async def test_a_call_is_remembered_for_some_seconds() -> None:
    clock = Clock()
    creates = CutOffCreates(60, now=clock)
    creates.keep(started())
    clock.now += 59
    assert await creates.take(StartedCreates("a"))
    creates.keep(started())
    clock.now += 60
    assert not await creates.take(StartedCreates("a"))


async def test_each_call_is_repeated_once() -> None:
    creates = CutOffCreates(60)
    first, second = started(), started()
    creates.keep(first)
    creates.keep(second)
    taken = [await creates.take(StartedCreates("a")) for _ in range(3)]
    assert taken == [first.pending, second.pending, None]
    assert not await creates.take(StartedCreates("b"))


async def test_the_oldest_are_forgotten_beyond_a_number() -> None:
    creates = CutOffCreates(60)
    for number in range(MOST + 1):
        creates.keep(started(str(number)))
    assert not await creates.take(StartedCreates("0"))
    assert await creates.take(StartedCreates("1"))


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
    assert not await creates.take(StartedCreates("a"))


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
    assert not await creates.take(StartedCreates("delivered"))
    assert await creates.take(StartedCreates("left"))
    assert await creates.take(StartedCreates("cancelled"))


async def test_a_call_that_goes_on_without_its_client_shares_its_creates() -> None:
    creates, call = CutOffCreates(60), started()
    async with creates.kept(call, left):
        taken = await creates.take(StartedCreates("a"))
        call.pending[1] = PendingCreate(CreateTags(None))
    assert set(taken) == {0, 1}
    assert not await creates.take(StartedCreates("a"))


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
        assert not await creates.take(StartedCreates("a"))

    async with anyio.create_task_group() as tasks, creates.kept(started(), left_after_the_answer):
        tasks.start_soon(repeat)
        await checked.wait()
        answered.set()
