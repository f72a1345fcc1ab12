"""docs/dashboard.png: what `runs-mcp dashboard` shows."""

from pathlib import Path

from playwright.async_api import async_playwright, expect

from tests.ui.conftest import FLAGS, chromium, dashboard_process
from tests.ui.open_page import looking


async def taken(file: Path) -> None:
    """Take a picture of the dashboard of a sandbox."""
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
