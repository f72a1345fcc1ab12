"""Retry of a whole attempt, which is token, request and answer, where a repetition is safe."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import tenacity

from runs_mcp.api.errors import RunsApiError

DEADLINE_S = 30.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 8.0
EXCHANGES_PER_CALL = 2
"""Attempts of one call to exchange an API key."""

OnWait = Callable[[float, RunsApiError], Awaitable[None]]
"""Receives the seconds before each repetition of a request, and the error that causes it."""
Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")

_backoff = tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)


async def retry(attempt: Callable[[], Awaitable[T]], *, max_retries: int, on_wait: OnWait | None, sleep: Sleep) -> T:
    """Return the result of the first attempt that succeeds.

    Repeats an attempt whose error is `retry_safe` up to `max_retries` times, within 30 s. Waits as long as the API
    asks, else with exponential backoff and full jitter. A failed exchange of an API key is repeated once.

    Raises:
        RunsApiError: the error of the last attempt.
    """
    try:
        return await attempt()
    except RunsApiError as error:
        if not error.retry_safe:
            raise
        failed = [error]
    exchanges = count(1)

    async def resume() -> T:
        # tenacity takes 40 µs even if the attempt succeeds, a fifth of a call, so it starts with the first failure.
        if failed:
            raise failed.pop()
        return await attempt()

    def is_repeatable(error: BaseException) -> bool:
        if not isinstance(error, RunsApiError) or not error.retry_safe:
            return False
        return not error.during_exchange or next(exchanges) < EXCHANGES_PER_CALL

    async def announce(state: tenacity.RetryCallState) -> None:
        if on_wait and isinstance(error := _error(state), RunsApiError):
            await on_wait(state.upcoming_sleep, error)

    attempts = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(is_repeatable),
        stop=tenacity.stop_after_attempt(max_retries + 1) | tenacity.stop_before_delay(DEADLINE_S),
        wait=_wait,
        before_sleep=announce,
        sleep=sleep,
        reraise=True,
    )
    return await attempts(resume)


def _wait(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    if isinstance(error, RunsApiError) and error.retry_after_s is not None:
        return error.retry_after_s
    return _backoff(state)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
