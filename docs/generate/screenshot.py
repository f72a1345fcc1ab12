"""The picture docs/dashboard.png: a screenshot of `runs-mcp dashboard`."""

from pathlib import Path

from playwright.async_api import async_playwright, expect

from tests.ui.conftest import FLAGS, chromium, dashboard_process
from tests.ui.open_page import looking


async def take(file: Path) -> None:
    """Save a screenshot of the dashboard of a sandbox to `file`."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium(), args=FLAGS) as browser,
        dashboard_process("--sandbox") as url,
        looking(browser) as look,
    ):
        await look.page.goto(url)
        await expect(look.view.get_by_text("All 200 runs")).to_be_visible()
        await expect(look.view.locator("#answer")).to_have_attribute("aria-busy", "false")
        await look.page.screenshot(path=file)
