"""Servers in separate processes, as users start them."""

import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

SERVE = ("-m", "runs_mcp", "serve", "--sandbox")
SERVING = re.compile(r"serving MCP at (http://[^\"\s]+)")
SANDBOX = re.compile(r"The sandbox is at (http://[^/]+)/api/v1")
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
    async with (
        await anyio.open_process(
            [sys.executable, *arguments, "--http", "--port", "0"], stdout=PIPE, stderr=PIPE, env=environment
        ) as process,
        _announced(process, SERVING, process.terminate) as url,
    ):
        yield url, process


@asynccontextmanager
async def sandbox_process(*options: str) -> AsyncIterator[tuple[str, Process]]:
    """Yield the URL and the process of the `sandbox` command; kill the process at the end."""
    command = [sys.executable, "-m", "runs_mcp", "sandbox", "--port", "0", *options]
    async with (
        await anyio.open_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=CLEAN) as process,
        _announced(process, SANDBOX, process.kill) as url,
    ):
        yield url, process


@asynccontextmanager
async def _announced(process: Process, pattern: re.Pattern[str], stop: Callable[[], None]) -> AsyncIterator[str]:
    """Yield the URL that a process prints on its standard error; `stop` it at the end if it still runs."""
    assert process.stderr
    try:
        yield await printed_url(process.stderr, pattern)
    finally:
        if process.returncode is None:
            stop()


async def printed_url(output: ByteReceiveStream, pattern: re.Pattern[str]) -> str:
    """Read the output of a process until it prints the first group of `pattern`, and return that group.

    Raises:
        AssertionError: the output ended without a match.
    """
    seen = ""
    async for text in TextReceiveStream(output):
        seen += text
        if found := pattern.search(seen):
            return found[1]
    raise AssertionError(f"the process did not start: {seen}")
