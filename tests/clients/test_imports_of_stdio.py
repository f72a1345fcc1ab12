"""Modules that a server over stdio never loads, because each of them costs start time and memory."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from runs_mcp.sandbox import DEMO_KEY, running
from tests.clients.processes import CLEAN
from tests.clients.stdio_peer import started

pytestmark = pytest.mark.anyio

LISTED_AT_EXIT = """
import atexit, sys
from pathlib import Path
from runs_mcp.cli.main import main
atexit.register(lambda: Path(sys.argv[-1]).write_text("\\n".join(sys.modules)))
main(["serve"])
"""
NEVER_LOADED = (
    "frontmatter",
    "genai_prices",
    "jsonschema",
    "jwt",
    "mgqpy",
    "opentelemetry.sdk",
    "prometheus_client",
    "re2",
    "redis",
    "runs_mcp.cli.terminal",
    "runs_mcp.http",
    "runs_mcp.redis",
    "runs_mcp.sandbox",
    "sqlite3",
    "yaml",
)
"""`mcp` itself imports its client, uvicorn and cryptography, and `httpx` imports rich: see docs/upstream."""


def api_of(url: str) -> Mapping[str, str]:
    return {"RUNS_MCP_API__BASE_URL": f"{url}/api/v1", "RUNS_MCP_API__AUTH__VALUE": DEMO_KEY}


async def test_a_first_call_over_stdio_loads_no_module_of_other_commands(tmp_path: Path) -> None:
    listing = tmp_path / "modules"
    async with (
        running() as sandbox,
        started(["-c", LISTED_AT_EXIT, str(listing)], {**CLEAN, **api_of(sandbox.url)}) as peer,
    ):
        await peer.send(
            '{"jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": {"name": "list_runs", "arguments": {}}}'
        )
        assert not (await peer.answer_to("x"))["result"].get("isError")
    loaded = listing.read_text().splitlines()
    assert "aiohttp" in loaded
    assert not set(NEVER_LOADED) & set(loaded)
