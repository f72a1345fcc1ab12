"""Servers of tests end with their test, even if it fails or is cancelled."""

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from tests import upstream

pytestmark = pytest.mark.anyio


async def test_a_server_ends_with_a_test_that_is_cancelled() -> None:
    with anyio.CancelScope() as test:
        async with upstream.serving({}):
            test.cancel()
            await anyio.sleep_forever()
    assert test.cancelled_caught


async def test_an_application_that_does_not_start_fails_its_test_alone() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError

    with pytest.raises(ExceptionGroup) as failed:
        async with upstream.listening(lambda _: broken, lifespan="on"):
            await anyio.sleep_forever()
    assert failed.group_contains(RuntimeError, match="did not start")
