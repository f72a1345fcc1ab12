"""A headless Chromium, and pages in it that record their requests and errors."""

import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.async_api import Browser, async_playwright, expect

from tests.calls import PATIENT
from tests.clients.processes import CLEAN, printed_url
from tests.http_client import sdk_http_client
from tests.ui.open_page import Look, looking

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

ADDRESS = re.compile(r"The dashboard is at (http://\S+)\n")


# A page reads for seconds while other tests use the same processors.
expect.set_options(timeout=20_000)


def chromium() -> str:
    """Return the path of the browser on this machine."""
    names = (os.environ.get("CHROME"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if not found:
        pytest.fail("These tests need Chromium: apt-get install chromium, or name one in $CHROME.")
    return found


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Yield a browser for all tests, since it takes a second to start."""
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
    """Run `runs-mcp dashboard`, which opens its address with `browser` if given; yield the address."""
    opening = [] if browser else ["--no-browser"]
    command = [sys.executable, "-m", "runs_mcp", "dashboard", *opening, *arguments]
    environment = {**CLEAN, "BROWSER": str(browser)}
    async with await anyio.open_process(command, stdout=PIPE, stderr=None, env=environment) as process:
        assert process.stdout
        try:
            yield await printed_url(process.stdout, ADDRESS)
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard that has admitted the tests."""

    url: str
    cookies: httpx2.Cookies

    async def open(self, look: Look, query: str = "") -> None:
        """Open the dashboard in a page that has its cookie."""
        await look.page.context.add_cookies([{"name": n, "value": v, "url": self.url} for n, v in self.cookies.items()])
        await look.page.goto(f"{self.url}{query}")

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Yield a client of the MCP endpoint beside the pages."""
        async with (
            self.http() as http,
            Client(streamable_http_client(f"{self.url}mcp", http_client=http), client_info=PATIENT) as client,
        ):
            yield client

    def http(self) -> httpx2.AsyncClient:
        """Return an HTTP client with the cookie."""
        return sdk_http_client(base_url=self.url, cookies=self.cookies)


@asynccontextmanager
async def admitted(*arguments: str) -> AsyncIterator[Dashboard]:
    """Run a dashboard, exchange its token for a cookie, and yield it."""
    async with dashboard_process(*arguments) as address, sdk_http_client() as http:
        assert (await http.get(address)).status_code == 200
        yield Dashboard(address.partition("?")[0], http.cookies)


@pytest.fixture(scope="module")
async def dashboard(anyio_backend: str) -> AsyncIterator[Dashboard]:
    """Yield a dashboard of a sandbox."""
    async with admitted("--sandbox") as served:
        yield served
