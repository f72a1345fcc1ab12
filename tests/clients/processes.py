"""Servers in processes of their own, as users start them."""

import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

SERVE = ("-m", "runs_mcp", "serve", "--sandbox")
SERVING = re.compile(r"serving MCP at (http://[^\"\s]+)")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("RUNS_MCP_", "COMPOSABLE_"))}


@asynccontextmanager
async def serving_http(arguments: Sequence[str] = SERVE) -> AsyncIterator[str]:
    """Run a server over HTTP for the duration of the block; yield its URL."""
    async with http_process(arguments) as (url, _):
        yield url


@asynccontextmanager
async def http_process(
    arguments: Sequence[str] = SERVE, environment: Mapping[str, str] = CLEAN
) -> AsyncIterator[tuple[str, Process]]:
    """Run a server over HTTP for the duration of the block; yield its URL and its process."""
    command = [sys.executable, *arguments, "--http", "--port", "0"]
    async with await anyio.open_process(command, stdout=PIPE, stderr=PIPE, env=environment) as process:
        assert process.stderr
        try:
            yield await _url(TextReceiveStream(process.stderr)), process
        finally:
            if process.returncode is None:
                process.terminate()


async def _url(log: TextReceiveStream) -> str:
    seen = ""
    async for text in log:
        seen += text
        if found := SERVING.search(seen):
            return found[1]
    raise AssertionError(f"the server did not start: {seen}")
