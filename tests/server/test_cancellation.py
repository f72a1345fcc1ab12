"""A caller that cancels or disconnects: what was asked of the API for it is closed, not left to run its course."""

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

PROMISED_S = 1


class Endless:
    """A request that is never answered, and knows when it came and when its caller left."""

    def __init__(self) -> None:
        self.came, self.left = anyio.Event(), anyio.Event()

    async def __call__(self, request: Request) -> Response:
        """Wait until the connection is closed."""
        self.came.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.left.set()
        return Response()


async def test_a_cancelled_call_closes_its_connection_to_the_api_within_a_second(connect: Connect) -> None:
    endless = Endless()
    async with upstream.serving({"GET /runs": endless}) as api, connect(configured(api)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, client, "list_runs")
            await endless.came.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()


async def test_a_client_that_disconnects_closes_the_connection_to_the_api_within_a_second(connect: Connect) -> None:
    endless = Endless()
    async with upstream.serving({"GET /runs": endless}) as api:
        async with anyio.create_task_group() as tasks, connect(configured(api)) as client:
            tasks.start_soon(call, client, "list_runs")
            await endless.came.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PROMISED_S):
            await endless.left.wait()
