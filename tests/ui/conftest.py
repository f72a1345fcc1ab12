"""A headless Chromium, and pages in it that note what they ask for and what goes wrong."""

import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest
from anyio.streams.text import TextReceiveStream
from playwright.async_api import Browser, async_playwright

from tests.clients.processes import CLEAN
from tests.ui.open_page import Look, looking

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium() -> str:
    """The browser on this machine."""
    names = (os.environ.get("CHROME"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if not found:
        pytest.fail("These tests need Chromium: apt-get install chromium, or name one in $CHROME.")
    return found


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """One for all tests, since it takes a while to start."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        await started.close()


@pytest.fixture
async def look(browser: Browser) -> AsyncIterator[Look]:
    """Yield a page, and require at the end that it had no errors and no requests to other hosts."""
    async with looking(browser) as page:
        yield page


@asynccontextmanager
async def dashboard_process(*arguments: str, browser: Path | None = None) -> AsyncIterator[str]:
    """The address that `runs-mcp dashboard` prints, while it serves; `browser`, if any, is what it opens it with."""
    opening = [] if browser else ["--no-browser"]
    command = [sys.executable, "-m", "runs_mcp", "dashboard", *opening, *arguments]
    environment = {**CLEAN, "BROWSER": str(browser)}
    async with await anyio.open_process(command, stdout=PIPE, stderr=PIPE, env=environment) as process:
        assert process.stdout
        try:
            async for text in TextReceiveStream(process.stdout):
                if found := re.search(r"http://\S+", text):
                    yield found[0]
                    break
        finally:
            process.terminate()


@pytest.fixture(scope="module")
async def dashboard(anyio_backend: str) -> AsyncIterator[str]:
    """The address of a dashboard in front of a sandbox."""
    async with dashboard_process("--sandbox") as url:
        yield url
