"""The code in docs/frameworks.md runs unchanged, with the address of a real server."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from tests.clients.processes import serving_http
from tests.docs.documents import Block, blocks
from tests.hosts.frameworks import find
from tests.hosts.observation import ENVIRONMENT

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]
PAGE = Path("docs/frameworks.md")
ADDRESS = "http://127.0.0.1:8000/mcp"
FRAMEWORKS = {
    "OpenAI Agents SDK": "openai_agents",
    "Pydantic AI": "pydantic_ai",
    "LangChain": "langchain",
    "Google ADK": "google_adk",
    "LlamaIndex": "llama_index",
    "CrewAI": "crewai",
    "Agno": "agno",
    "Strands": "strands",
    "Semantic Kernel": "semantic_kernel",
    "AI SDK": "ai_sdk",
    "Mastra": "mastra",
}
"""The framework of each section."""
BLOCKS = [block for block in blocks("python", "js") if block.document == PAGE]


@pytest.fixture(scope="module")
async def url(anyio_backend: str) -> AsyncIterator[str]:
    """A server over HTTP in front of a sandbox."""
    async with serving_http() as served:
        yield served


@pytest.mark.parametrize("block", [pytest.param(block, id=block.section) for block in BLOCKS])
async def test_the_code_starts_a_run_and_prints_its_result(block: Block, url: str, tmp_path: Path) -> None:
    framework = find(FRAMEWORKS[block.section])
    assert ADDRESS in block.text
    assert len(list(filter(None, block.text.splitlines()))) <= 15
    command = await anyio.to_thread.run_sync(framework.script, block.text.replace(ADDRESS, url))
    finished = await anyio.run_process(command, check=False, cwd=tmp_path, env=ENVIRONMENT)
    assert finished.returncode == 0, finished.stderr.decode()
    assert "One thing." in finished.stdout.decode()


def test_each_framework_has_a_section() -> None:
    assert [block.section for block in BLOCKS] == list(FRAMEWORKS)
