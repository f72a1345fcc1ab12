"""The screenshots in the documents: the dashboard, the run viewer and the MCP Inspector, each with a sandbox."""

import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
from anyio.streams.text import TextReceiveStream
from playwright.async_api import Browser, ViewportSize, async_playwright, expect

from docs.generate.tools import SAMPLE_RUN
from tests.clients import node
from tests.clients.test_inspector import INSPECTOR
from tests.ports import free_ports
from tests.ui.conftest import FLAGS, chromium, dashboard_process
from tests.ui.open_page import looking

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+\?\S+")
SIZE: ViewportSize = {"width": 1_300, "height": 800}


async def take_all(folder: Path) -> None:
    """Save every screenshot to `folder`."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium(), args=FLAGS) as browser,
    ):
        await _take_dashboard(browser, folder / "dashboard.png")
        await _take_run_viewer(browser, folder / "run-viewer.png")
        await _take_inspector(browser, folder / "inspector.png")


async def _take_dashboard(browser: Browser, file: Path) -> None:
    async with dashboard_process("--sandbox") as url, looking(browser) as look:
        await look.page.goto(url)
        await expect(look.view.get_by_text("All 200 runs")).to_be_visible()
        await expect(look.view.locator("#answer")).to_have_attribute("aria-busy", "false")
        await look.page.screenshot(path=file)


async def _take_run_viewer(browser: Browser, file: Path) -> None:
    async with dashboard_process("--sandbox", "--run", SAMPLE_RUN) as url, looking(browser) as look:
        await look.page.goto(url)
        await expect(look.view.locator("#viewer .badge")).to_be_visible()
        await look.page.screenshot(path=file)


async def _take_inspector(browser: Browser, file: Path) -> None:
    async with _inspector() as address:
        page = await browser.new_page(viewport=SIZE)
        await page.goto(address)
        await page.locator("label:has(input[type=checkbox])").first.click()
        await page.get_by_text("Tools", exact=True).click()
        await page.get_by_text("Aggregate runs", exact=True).click()
        await expect(page.get_by_text("Execute Tool")).to_be_visible()
        await page.screenshot(path=file)


@asynccontextmanager
async def _inspector() -> AsyncIterator[str]:
    """Start the Inspector on a server with a sandbox; yield its address."""
    program = node.installed("inspector", INSPECTOR) / "node_modules" / ".bin" / "mcp-inspector"
    client_port, server_port = free_ports(2)
    ports = {"CLIENT_PORT": str(client_port), "SERVER_PORT": str(server_port), "MCP_AUTO_OPEN_ENABLED": "false"}
    command = [str(program), "--web", sys.executable, "-m", "runs_mcp", "serve", "--sandbox"]
    environment = {**os.environ, **node.ENVIRONMENT, **ports}
    async with await anyio.open_process(command, env=environment, stderr=DEVNULL) as process:
        assert process.stdout
        printed = ""
        async for text in TextReceiveStream(process.stdout):
            printed += text
            if found := ADDRESS.search(printed):
                break
        else:
            raise RuntimeError(f"the Inspector printed no address: {printed}")
        yield found[0]
        process.terminate()
