"""A thousand streams in one process: each call gets the whole text of its own run, in order, and no other text."""

import resource
from collections.abc import Iterator
from itertools import count

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.config.settings import Config
from tests import upstream
from tests.calls import Answer, Notifications, call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import CLOSE, Replies, Upstream, chunk, events

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STREAMS = 1_000
PIECES = 10


def pieces(run_id: str) -> list[str]:
    return [f"{run_id}.{number} " for number in range(PIECES)]


def patient(api: Upstream) -> Config:
    """Return a configuration under which a busy machine causes no timeout."""
    config = configured(api, max_wait_s=250, stall_s=250)
    return config.model_copy(update={"api": config.api.model_copy(update={"timeout_s": 250})})


@pytest.fixture
def open_files() -> Iterator[None]:
    """Raise the limit of open files, since both ends of every stream are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8 * STREAMS)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("open_files")
async def test_a_thousand_streams_at_once_lose_nothing(connect: Connect) -> None:
    numbers, opened, everybody = count(), count(1), anyio.Event()

    async def create(_: Request) -> Response:
        return JSONResponse({"id": f"r{next(numbers)}", "status": "created"})

    async def stream(request: Request) -> Response:
        if next(opened) == STREAMS:
            everybody.set()  # all streams are open at the same time
        first, *rest = map(chunk, pieces(request.url.path.split("/")[-2]))
        return await events(first, everybody, *rest, CLOSE)(request)

    async def get(request: Request) -> Response:
        run_id = request.url.path.split("/")[-1]
        return JSONResponse({"id": run_id, "status": "completed", "result": "".join(pieces(run_id))})

    places = {f"GET /runs/r{number}": get for number in range(STREAMS)}
    streams = {f"GET /runs/r{number}/stream": stream for number in range(STREAMS)}
    replies: Replies = {"POST /runs": create, **places, **streams}
    answers: list[tuple[Answer, Notifications]] = []
    async with upstream.serving(replies) as api, connect(patient(api)) as client:

        async def run() -> None:
            progress = Notifications()
            answers.append((await call(client, "create_run", interaction="i1", progress=progress), progress))

        async with anyio.create_task_group() as tasks:
            for _ in range(STREAMS):
                tasks.start_soon(run)
    assert len({answer.structured["id"] for answer, _ in answers}) == STREAMS
    for answer, progress in answers:
        assert progress.text == answer.structured["result"] == "".join(pieces(answer.structured["id"]))
