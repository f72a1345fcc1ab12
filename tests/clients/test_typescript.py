"""The product through the TypeScript SDK's clients: version 1 and version 2, the latter in both eras."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from runs_mcp.server.tools import OPERATIONS
from tests.clients import node
from tests.clients.processes import SERVE

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
CLIENTS = [
    pytest.param(("v1", "legacy"), id="version 1"),
    pytest.param(("v2", "legacy"), id="version 2, handshake"),
    pytest.param(("v2", "auto"), id="version 2, 2026-07-28"),
]


@pytest.fixture(scope="module")
def modules() -> Path:
    """Return the folder in which npm has installed the SDKs."""
    return node.installed(
        "typescript", {"@modelcontextprotocol/sdk": "1.32.2", "@modelcontextprotocol/client": "2.4.0"}
    )


@pytest.fixture(params=CLIENTS)
def session(request: pytest.FixtureRequest, modules: Path) -> dict[str, Any]:
    """Return a client's record of a session."""
    version, mode = request.param
    script = modules / "session.mjs"
    script.write_text((HERE / "session.mjs").read_text(encoding="utf-8"), encoding="utf-8")
    seen: dict[str, Any] = json.loads(node.run([script, version, mode, sys.executable, *SERVE]))
    return seen


def test_a_session_has_progress_questions_and_subscriptions(session: dict[str, Any]) -> None:
    assert session["tools"] == len(OPERATIONS)
    assert session["listed"] == 3
    assert session["result"] == "".join(f"word{n} " for n in range(1, 21))
    assert session["written"].startswith("word1 ")
    assert session["result"].startswith(session["written"]), "an SDK drops progress read with the answer"
    assert session["increasing"]
    assert session["aborted"], "its AbortSignal ended the call"
    assert session["progressAfterAbort"] == 0
    assert session["statusAfterAbort"] == "completed", "the run itself continues"
    assert session["asked"] == ["Several environments have the name Staging. Which environment should be used?"]
    assert session["chosen"] == 1
    completed, refused = session["batch"]
    assert completed == "completed"
    assert "No run was created" in refused
    assert session["updated"], "the client was notified of a change of the run it subscribed to"
    assert session["refused"].endswith("Nothing was sent.")
    assert session["resource"] == session["result"]
    assert session["prompts"] == 5
