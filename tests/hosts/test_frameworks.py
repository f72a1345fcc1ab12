"""Agent frameworks use everything that the server offers, over each transport, with their own defaults."""

import json
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from runs_mcp.server.tools import OPERATIONS
from tests.hosts import results
from tests.hosts.frameworks import FRAMEWORKS, TRANSPORTS, Framework, Transport
from tests.hosts.observation import Observation, observed

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(900)]
COMMITTED = results.committed()
TEXT_ONLY_ERRORS = {"crewai", "llama_index", "semantic_kernel"}
"""Frameworks that give the text of an error to the model as if it were an answer."""


Sessions = Mapping[str, Mapping[Transport, Observation]]
Session = tuple[Framework, Transport, Observation]


@pytest.fixture(scope="module")
async def sessions(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    """The sessions of all frameworks."""
    return await observed(FRAMEWORKS, tmp_path_factory.mktemp("sessions"))


@pytest.fixture(params=product(FRAMEWORKS, TRANSPORTS), ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def session(request: pytest.FixtureRequest, sessions: Sessions) -> Session:
    """A framework, a transport, and their session with the server."""
    framework, transport = request.param
    seen = sessions[framework.name][transport]
    assert not seen.failure, seen.failure
    return framework, transport, seen


def test_every_tool_is_offered(session: Session) -> None:
    assert set(session[2].record["tools"]) == {operation.name for operation in OPERATIONS}


def test_runs_are_listed(session: Session) -> None:
    record = session[2].record
    assert record["run_id"] in record["listed"]
    assert "list_runs(limit=1, offset=1)" in record["listed"], "the call for the next page arrives"


def test_an_error_is_reported_as_an_error(session: Session) -> None:
    framework, _, seen = session
    assert "list_runs shows the ids of runs." in seen.record["error"]["text"]
    assert seen.record["error"]["is_error"] == (framework.name not in TEXT_ONLY_ERRORS)


def test_a_run_that_outlasts_the_frameworks_patience_is_created_once_and_arrives_whole(session: Session) -> None:
    framework, _, seen = session
    timeout_s = seen.record["default_timeout_s"]
    assert timeout_s is None or timeout_s > 60 or framework.outlasts_s > timeout_s
    assert "completed" in seen.record["slow"][-1]
    assert list(dict.fromkeys(re.findall(r"word\d+", " ".join(seen.record["slow"])))) == seen.words
    assert seen.created == 1


def test_a_resource_and_a_prompt_arrive_where_the_framework_has_them(session: Session) -> None:
    record = session[2].record
    if record["resource"] is not None:
        assert f"runs://{record['run_id']}" in record["resource"] or record["run_id"] in record["resource"]
    if record["prompt"] is not None:
        assert f'get_run(run_id="{record["run_id"]}")' in record["prompt"]


def test_the_table_of_results_is_up_to_date(session: Session) -> None:
    framework, transport, seen = session
    row: dict[str, Any] = COMMITTED[framework.name]
    assert row["version"] == framework.version
    assert json.loads(json.dumps(results.result(seen))) == row[transport]
    if transport == "http":
        assert results.clients(seen) == row["client"]
