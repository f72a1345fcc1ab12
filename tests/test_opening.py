"""The first questions of a host: answered from the last start, once, and only while they would be answered alike."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from runs_mcp.opening import Opening
from tests.clients.processes import CLEAN

WITH_TOKEN = {**CLEAN, "COMPOSABLE_TOKEN": "a-token"}
Questions = Sequence[tuple[str, Mapping[str, Any]]]
ABOUT = {"name": "test", "version": "1"}
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": ABOUT}
ENVELOPE = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": ABOUT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
GREETINGS: dict[str, Questions] = {
    "handshake": [("initialize", HANDSHAKE), ("tools/list", {}), ("prompts/list", {})],
    "2026-07-28": [("server/discover", ENVELOPE), ("tools/list", ENVELOPE), ("prompts/list", ENVELOPE)],
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a host starts the server with; what is kept is kept below here."""
    return {**WITH_TOKEN, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def answers(questions: Questions, environment: Mapping[str, str], *arguments: str) -> list[dict[str, Any]]:
    """What a server just started says to all these questions, asked at once, in their order."""
    asked = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": p} for number, (method, p) in enumerate(questions)
    ]
    lines = "".join(f"{json.dumps(one)}\n" for one in asked)
    with subprocess.Popen(
        [sys.executable, "-m", "runs_mcp", "serve", *arguments],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(lines)
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in asked]
        process.stdin.close()
        assert process.stdout.read() == "", "nothing is answered twice"
    return sorted(said, key=lambda answer: int(answer["id"]))


def kept(environment: Mapping[str, str]) -> list[Path]:
    return list(Path(environment["XDG_CACHE_HOME"]).rglob("*.json"))


def doctor(file: Path) -> None:
    """Have what is kept say something that the server would not."""
    content = json.loads(file.read_text(encoding="utf-8"))
    for question, answer in content["answers"].items():
        if "tools/list" in question:
            answer["tools"] = [{"name": "kept", "inputSchema": {"type": "object"}}]
    file.write_text(json.dumps(content), encoding="utf-8")


def names(answer: Mapping[str, Any]) -> list[str]:
    return [tool["name"] for tool in answer["result"]["tools"]]


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
def test_every_start_is_answered_alike_and_the_second_from_what_was_kept(
    greeting: Questions, environment: dict[str, str]
) -> None:
    call = ("tools/call", {"name": "get_run", "arguments": {}, **greeting[0][1]})
    first = answers([*greeting, call], environment)
    assert answers([*greeting, call], environment) == first
    [file] = kept(environment)
    doctor(file)
    third = answers([*greeting, call], environment)
    assert names(third[1]) == ["kept"]
    assert third[3] == first[3], "the server itself has heard the greeting too"


def test_what_is_kept_holds_no_secret_and_is_ours_alone(environment: dict[str, str]) -> None:
    answers(GREETINGS["handshake"], {**environment, "RUNS_MCP_API__AUTH__VALUE": "a-secret"}, "--sandbox")
    [file] = kept(environment)
    assert "a-secret" not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_configuration_is_answered_by_the_server(environment: dict[str, str]) -> None:
    answers(GREETINGS["handshake"], environment)
    read_only = answers(GREETINGS["handshake"], {**environment, "RUNS_MCP_SERVER__READ_ONLY": "true"})
    assert "create_run" not in names(read_only[1])


def test_what_comes_before_the_handshake_is_left_to_the_server(environment: dict[str, str]) -> None:
    answers(GREETINGS["handshake"], environment)
    [too_early] = answers([("tools/list", {})], environment)
    assert "error" in too_early


def test_a_server_that_cannot_start_keeps_nothing(environment: dict[str, str]) -> None:
    answers(GREETINGS["handshake"], environment)
    del environment["COMPOSABLE_TOKEN"]
    command = [sys.executable, "-m", "runs_mcp", "serve"]
    failed = subprocess.run(command, env=environment, input=b"", capture_output=True, check=False)
    assert failed.returncode == 2
    assert kept(environment) == []


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda file: file.chmod(0o666), id="others could have written it"),
        pytest.param(lambda file: file.write_bytes(b"{"), id="it is broken"),
        pytest.param(
            lambda file: file.write_text('{"state": "another", "answers": {}}'), id="it is of another program"
        ),
    ],
)
def test_what_cannot_be_trusted_is_not_used(spoil: Any, environment: dict[str, str]) -> None:
    first = answers(GREETINGS["handshake"], environment)
    [file] = kept(environment)
    doctor(file)
    spoil(file)
    assert answers(GREETINGS["handshake"], environment) == first


def test_where_nothing_can_be_kept_the_server_answers(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert len(answers(GREETINGS["handshake"], environment)) == 3


def test_no_home_means_nothing_is_kept() -> None:
    opening = Opening.of(["serve"], {name: value for name, value in os.environ.items() if name == "PATH"})
    opening.asked(1, "tools/list", {})
    assert not opening.answered(1, {"tools": []})
