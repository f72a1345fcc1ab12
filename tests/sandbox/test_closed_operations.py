"""Operations that are closed to a credential, or have unusual answers."""

from itertools import combinations
from pathlib import Path

import httpx
import pytest

from runs_mcp.sandbox import FixedAnswer, SandboxOptions, closed, closed_operations
from runs_mcp.sandbox.sandbox_options import Operation
from tests.command_line import USAGE, run_command
from tests.sandbox.sandbox_client import answered, sandbox

pytestmark = pytest.mark.anyio

REQUESTS: dict[Operation, tuple[str, str]] = {
    "facets": ("POST", "/runs/facets"),
    "find": ("POST", "/runs/find"),
    "filter_options": ("GET", "/runs/filter-options/model"),
    "interactions": ("GET", "/interactions/names"),
    "environments": ("GET", "/environments"),
}
BODIES = {"facets": {"facets": []}, "find": {"query": {}}}


async def statuses(api: httpx.AsyncClient) -> dict[str, int]:
    """Return the status with which each operation answers."""
    found: dict[str, int] = {}
    for operation, (method, path) in REQUESTS.items():
        found[operation] = (await api.request(method, path, json=BODIES.get(operation))).status_code
    return found


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("operations", list(combinations(REQUESTS, 2)), ids="+".join)
async def test_any_operations_can_be_closed(operations: tuple[Operation, ...], status: int) -> None:
    options = SandboxOptions(seed_runs=1, answers=closed(*operations, status=status))
    async with sandbox(options) as api:
        assert await statuses(api) == dict.fromkeys(REQUESTS, 200) | dict.fromkeys(operations, status)
        assert len(await answered(await api.get("/runs"))) == 1


async def test_a_closed_operation_answers_in_the_form_of_the_platform() -> None:
    async with sandbox(SandboxOptions(seed_runs=0, answers=closed("find", status=404))) as api:
        response = await api.post("/runs/find", json={"query": {}})
        assert response.json() == {"error": "Not Found", "status": 404, "message": "Not Found"}


async def test_a_fixed_answer_has_any_status_body_and_headers() -> None:
    page = FixedAnswer(
        status=502, body="<html>Bad gateway</html>", media_type="text/html", headers={"retry-after": "7"}
    )
    async with sandbox(SandboxOptions(seed_runs=0, answers={"list_runs": page})) as api:
        response = await api.get("/runs")
        assert (response.status_code, response.text) == (502, "<html>Bad gateway</html>")
        assert response.headers["retry-after"] == "7"
        assert response.headers["content-type"].startswith("text/html")


def test_operations_are_closed_by_their_names() -> None:
    answers = closed_operations(["facets", "find=404"])
    assert {operation: answer.status for operation, answer in answers.items()} == {"facets": 403, "find": 404}


@pytest.mark.parametrize("text", ["nothing", "find=200", "find=x"])
def test_the_command_rejects_unknown_operations_and_statuses(tmp_path: Path, text: str) -> None:
    finished = run_command("sandbox", "--close", text, cwd=tmp_path)
    assert finished.returncode == USAGE
    assert "--close" in finished.stderr
