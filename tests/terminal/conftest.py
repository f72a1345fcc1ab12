"""A sandbox on a real port, and the environment of commands that use the sandbox."""

from collections.abc import Iterator, Mapping

import pytest
from anyio.from_thread import start_blocking_portal

from runs_mcp.sandbox import DEMO_KEY, running
from tests.clients.processes import CLEAN


@pytest.fixture(scope="package")
def sandbox_environment() -> Iterator[Mapping[str, str]]:
    """The variables for commands that use the sandbox shared by the tests of this folder."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running()) as started:
        yield {
            **CLEAN,
            "RUNS_MCP_API__BASE_URL": f"{started.url}/api/v1",
            "RUNS_MCP_API__AUTH__KIND": "api_key",
            "RUNS_MCP_API__AUTH__VALUE": DEMO_KEY,
        }
