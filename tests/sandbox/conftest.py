"""A sandbox on a real port, and an HTTP client with every permission."""

from collections.abc import AsyncIterator

import httpx
import pytest

from runs_mcp.sandbox import SandboxOptions
from tests.sandbox.sandbox_client import sandbox


@pytest.fixture(scope="module")
async def api(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a sandbox with 200 runs."""
    async with sandbox(SandboxOptions()) as client:
        yield client
