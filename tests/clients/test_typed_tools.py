"""Tools of single interactions through the Inspector, the TypeScript SDK, and an agent framework in strict mode."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from runs_mcp.cli.sandbox_api import sandbox_api
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.config.settings import Config
from runs_mcp.sandbox import SandboxOptions, running
from tests.clients import node
from tests.clients.interpreter import python_with
from tests.clients.test_inspector import ERAS, inspect, inspector
from tests.clients.test_typescript import CLIENTS, modules
from tests.http import service

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
__all__ = ["inspector", "modules"]

HERE = Path(__file__).parent
AGENTS = "openai-agents==0.24.0"
CALLS: dict[str, dict[str, Any]] = {
    "run_translate_note": {"note": "Hello", "language": "de"},
    "run_summarize_text": {"text": "One thing. Another thing."},
    "run_classify_sentiment": {"text": "I love it"},
    "run_billing_invoice": {"amounts": [1.5, 2]},
}
"""Arguments by tool, with only the required fields."""


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """The address of a server with a tool for every interaction of a sandbox, difficult interactions included."""
    async with running(SandboxOptions(odd_interactions=True, seed_runs=20)) as sandbox:
        config = Config.model_validate(
            {
                "api": sandbox_api(sandbox.url, ApiSettings()),
                "server": {"interaction_tools": {"include": ["*"], "limit": 100}},
            }
        )
        async with service.running(config) as served:
            yield served.endpoint


@pytest.mark.parametrize("era", ERAS)
async def test_the_inspector_lists_and_calls_interaction_tools(inspector: Path, url: str, era: str) -> None:
    look = partial(inspect, inspector, [url], "--protocol-era", era)
    listed = await look("--method", "tools/list", "--strict")
    assert set(CALLS) <= {tool["name"] for tool in listed["tools"]}
    given = ["--tool-name", "run_translate_note", "--tool-args-json", json.dumps(CALLS["run_translate_note"])]
    answer = await look("--method", "tools/call", *given)
    structured = answer["structuredContent"]
    # The modern Inspector turns the call into a task, and the result of a task is the run as the API returns it.
    assert structured["output" if era == "legacy" else "result"]["language"] == "de"


@pytest.mark.parametrize("sdk", CLIENTS)
async def test_the_typescript_sdk_accepts_the_output_of_interaction_tools(
    modules: Path, url: str, sdk: tuple[str, str]
) -> None:
    script = modules / "typed_tools.mjs"
    script.write_text((HERE / script.name).read_text(encoding="utf-8"), encoding="utf-8")
    arguments = [str(script), *sdk, url, json.dumps(CALLS)]
    seen = json.loads(await anyio.to_thread.run_sync(partial(node.run, arguments)))
    assert set(CALLS) <= set(seen["tools"])
    for answer in seen["answers"].values():
        assert not answer.get("isError"), answer
        assert answer["structuredContent"]["status"] == "completed"
    assert seen["answers"]["run_classify_sentiment"]["structuredContent"]["output"]["sentiment"] == "positive"


async def test_an_agent_in_strict_mode_calls_interaction_tools_with_null_for_optional_fields(url: str) -> None:
    python = await anyio.to_thread.run_sync(python_with, AGENTS)
    command = [str(python), str(HERE / "strict_agent.py"), url, json.dumps(CALLS)]
    finished = await anyio.run_process(command, check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    seen = json.loads(finished.stdout)
    typed = {name: tool for name, tool in seen["tools"].items() if name.startswith("run_")}
    loose = {name for name, tool in typed.items() if not tool["strict"]}
    assert len(typed) > 10
    assert all("data" in typed[name]["schema"]["properties"] for name in loose), "only unusable schemas are not strict"
    assert not loose & set(CALLS)
    for tool in typed.values():
        if tool["strict"]:
            assert tool["schema"]["required"] == list(tool["schema"]["properties"])
    assert seen["final"] == "Done."
    for name, answer in seen["answers"].items():
        assert "completed" in answer, (name, answer)
