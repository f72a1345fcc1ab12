"""Health probes: liveness, readiness, and error texts without secrets."""

from pathlib import Path

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.settings import Config, ProfileSettings
from runs_mcp.http.auth import keys
from runs_mcp.http.layers.health import FRESH_S, Readiness
from tests import upstream
from tests.http.service import Clock, configured, running
from tests.upstream import TOKEN, Reply, reply

pytestmark = pytest.mark.anyio

RUNS = "GET /runs"


async def never(_: Request) -> Response:
    """An API that is too busy to answer."""
    await anyio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(reply([{"id": "r1"}]), None, id="a run"),
        pytest.param(reply([]), None, id="no runs yet"),
        pytest.param(
            reply({"message": f"bad token {TOKEN}"}, 401), "The Runs API did not accept the credential.", id="401"
        ),
        pytest.param(reply({}, 403), "The credential may not do this.", id="403"),
        pytest.param(reply({"message": f"at http://{TOKEN}"}, 500), "The Runs API failed.", id="500"),
        pytest.param(never, "The Runs API did not answer in time (", id="slow"),
        pytest.param(reply("hello"), "The Runs API answered something that is not a list.", id="nonsense"),
    ],
)
async def test_the_service_is_ready_if_the_api_accepts_its_credential(answer: Reply, problem: str | None) -> None:
    async with upstream.serving({RUNS: answer}) as api:
        config = configured(api)
        hasty = config.model_copy(update={"api": config.api.model_copy(update={"timeout_s": 0.2})})
        async with running(hasty if answer is never else config) as at:
            ready, live = await at.get("/readyz"), await at.get("/healthz")
    assert ready.status_code == (503 if problem else 200)
    assert ready.json()["status"] == ("not ready" if problem else "ready")
    assert ready.json().get("problem", "").startswith(problem or "")
    assert TOKEN not in ready.text
    assert (live.status_code, live.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("api", "problem"),
    [
        pytest.param(
            {"base_url": "http://127.0.0.1:9/api/v1", "auth": AuthSettings.model_validate({"value": TOKEN})},
            "The Runs API cannot be reached (",
            id="no server",
        ),
        pytest.param(
            {"base_url": "http://127.0.0.1:9/api/v1", "auth": AuthSettings(command="false")},
            "api.auth.command (false): the command failed with exit code 1.",
            id="no credential",
        ),
    ],
)
async def test_the_service_is_not_ready_if_the_api_is_unreachable(api: dict[str, object], problem: str) -> None:
    async with running(Config(api=ApiSettings.model_validate({**api, "max_retries": 0}))) as at:
        assert (await at.get("/readyz")).json()["problem"].startswith(problem)


async def test_the_service_is_not_ready_if_the_api_is_slow() -> None:
    async with upstream.serving({RUNS: never}) as api, running(configured(api)) as at:
        readiness = Readiness(at.service.servers, Clock(), max_check_s=0.05)
        assert await readiness.problem() == "The Runs API did not answer within 0.05 s."


async def test_probe_results_are_cached() -> None:
    clock = Clock()
    answers = {RUNS: [reply([]), reply({}, 500)]}
    async with upstream.serving(answers) as api, running(configured(api), now=clock) as at:
        assert [(await at.get("/readyz")).status_code for _ in range(3)] == [200] * 3
        assert api.count(RUNS) == 1
        clock.now += FRESH_S
        assert [(await at.get("/readyz")).status_code for _ in range(3)] == [503] * 3
        assert api.count(RUNS) == 2


async def test_concurrent_probes_share_a_request() -> None:
    asked, answer = anyio.Event(), anyio.Event()
    statuses: list[int] = []

    async def held(request: Request) -> Response:
        asked.set()
        await answer.wait()
        return await reply([])(request)

    async with upstream.serving({RUNS: held}) as api, running(configured(api)) as at:

        async def probe() -> None:
            statuses.append((await at.get("/readyz")).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(probe)
            await asked.wait()
            assert (await at.get("/healthz")).status_code == 200, "the liveness probe does not wait"
            answer.set()
        assert statuses == [200] * 10
        assert api.count(RUNS) == 1


async def test_the_service_is_not_ready_while_it_stops() -> None:
    async with upstream.serving({RUNS: reply([])}) as api, running(configured(api)) as at:
        assert (await at.get("/readyz")).status_code == 200
        at.service.servers.drain()
        ready, live = await at.get("/readyz"), await at.get("/healthz")
    assert (ready.status_code, ready.json()["problem"]) == (503, "The server is stopping.")
    assert live.status_code == 200


async def test_a_profile_with_a_failing_api_does_not_affect_the_others(tmp_path: Path) -> None:
    keys.add(tmp_path / "keys.json", "ci", ("runs:read",))
    auth = BearerAuthSettings(kind="bearer", keys_file=tmp_path / "keys.json")
    nowhere = {"base_url": "http://127.0.0.1:9/api/v1", "auth": {"value": TOKEN}, "max_retries": 0}
    acme = ProfileSettings.model_validate({"callers": ["acme"], "api": nowhere})
    async with upstream.serving({RUNS: reply([])}) as api:
        config = configured(api, auth=auth, without_profile="serve").model_copy(update={"profiles": {"acme": acme}})
        async with running(config) as at:
            assert (await at.get("/readyz")).status_code == 200
            assert len(list(at.service.servers)) == 2
