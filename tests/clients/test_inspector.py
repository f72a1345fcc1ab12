"""The product through the MCP Inspector's command line, in both eras."""

import json
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from runs_mcp.server.tools import OPERATIONS
from tests.clients import node
from tests.clients.processes import SERVE, serving_http

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ERAS = ["legacy", "modern"]
INSPECTOR = {"@modelcontextprotocol/inspector": "2.12.0"}


@pytest.fixture(scope="module")
def inspector() -> Path:
    """The Inspector's program."""
    folder = node.installed("inspector", INSPECTOR)
    return folder / "node_modules" / ".bin" / "mcp-inspector"


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """A server over HTTP in front of a sandbox."""
    async with serving_http() as served:
        yield served


async def inspect(program: Path, target: list[str], *options: str) -> dict[str, Any]:
    """Return the result of a request, or the whole answer if the Inspector adds nothing to the result."""
    answer = await inspected(program, target, *options)
    result: dict[str, Any] = answer.get("result", answer)
    return result


async def inspected(program: Path, target: list[str], *options: str) -> dict[str, Any]:
    """Return the output of the Inspector."""
    patience = ["--connect-timeout", "60000"]  # ms; the default is too short while other tests use the processors
    arguments = [str(program), "--cli", *target, "--format", "json", "--quiet", *patience, *options]
    answer: dict[str, Any] = json.loads(await anyio.to_thread.run_sync(partial(node.run, arguments)))
    return answer


@pytest.mark.parametrize("era", ERAS)
async def test_tools_are_listed_over_stdio_and_no_schema_is_unportable(inspector: Path, era: str) -> None:
    server = [sys.executable, *SERVE]
    answer = await inspected(inspector, server, "--protocol-era", era, "--method", "tools/list", "--strict")
    assert "schemaFindings" not in answer, "no errors and no warnings"
    assert len(answer.get("result", answer)["tools"]) == len(OPERATIONS)


@pytest.mark.parametrize("era", ERAS)
async def test_every_tool_can_be_called(inspector: Path, url: str, era: str) -> None:
    async def called(tool: str, **arguments: Any) -> dict[str, Any]:
        options = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
        answer = await inspect(inspector, [url], "--protocol-era", era, *options)
        assert not answer.get("isError"), answer
        structured: dict[str, Any] = answer["structuredContent"]
        return structured

    created = await called("create_run", interaction="SummarizeText", data={"text": "One thing. Another thing."})
    assert created["status"] == "completed"
    run_id = created["id"]
    assert (await called("get_run", run_id=run_id))["parameters"] == {"text": "One thing. Another thing."}
    assert (await called("stream_run", run_id=run_id))["result"] == created["result"]
    assert (await called("list_runs", limit=1))["runs"][0]["id"] == run_id
    assert (await called("search_runs", query="another", limit=1))["runs"][0]["id"] == run_id
    assert (await called("find_runs", query={"id": run_id}))["runs"][0]["id"] == run_id
    assert (await called("compute_run_facets"))["facets"]["status"]
    assert (await called("get_run_filter_options", field="model"))["options"]


@pytest.mark.parametrize("era", ERAS)
async def test_resources_and_prompts_can_be_read(inspector: Path, url: str, era: str) -> None:
    def asked(method: str, *options: str) -> Any:
        return inspect(inspector, [url], "--protocol-era", era, "--method", method, *options)

    uri = (await asked("resources/list"))["resources"][0]["uri"]
    [content] = (await asked("resources/read", "--uri", uri))["contents"]
    assert json.loads(content["text"])["id"] == uri.removeprefix("runs://")
    assert len((await asked("resources/templates/list"))["resourceTemplates"]) == 4
    assert len((await asked("prompts/list"))["prompts"]) == 5
    prompt = await asked("prompts/get", "--prompt-name", "debug_failed_run", "--prompt-args", "run_id=r1")
    assert "`r1`" in prompt["messages"][0]["content"]["text"]
