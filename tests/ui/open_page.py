"""Pages of the server in the frame of a host."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Frame, FrameLocator, Page

from tests import ROOT
from tests.clients import node

ARTEFACTS = ROOT / "test-artifacts"
AXE = "axe-core"


@dataclass  # without slots, since the methods are listeners of the browser's events
class Look:
    """The page of a host, the frame in it, and the requests and errors of both."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """URLs of all requests."""
    problems: list[str] = field(default_factory=list)
    """Errors of the console and the page, including violations of the content security policy."""

    @property
    def view(self) -> FrameLocator:
        """Return the content of the frame."""
        return self.page.frame_locator("iframe")

    @property
    def frame(self) -> Frame:
        """Return the frame itself, to run code in."""
        return self.page.frames[1]

    def note(self, message: ConsoleMessage) -> None:
        """Record a warning or an error of the console."""
        if message.type in ("warning", "error"):
            self.problems.append(message.text)

    def check(self) -> None:
        """Assert that the page had no errors and no requests to other hosts."""
        assert not self.problems, self.problems
        assert {urlsplit(url).hostname for url in self.asked} <= {"127.0.0.1", None}

    async def screenshot(self, name: str) -> None:
        """Save a picture of the whole page as an artefact."""
        height = await self.frame.evaluate("document.documentElement.getBoundingClientRect().height")
        size = self.page.viewport_size
        assert size
        await self.page.set_viewport_size({"width": size["width"], "height": max(int(height) + 1, 600)})
        await self.frame.wait_for_function("height => innerHeight >= height", arg=int(height))
        # The browser paints the frame after it has changed its size.
        await self.frame.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        await self.page.screenshot(path=ARTEFACTS / f"{name}.png")
        await self.page.set_viewport_size(size)

    async def accessibility_problems(self) -> list[str]:
        """Return the accessibility problems that axe finds."""
        axe = node.installed(AXE, {AXE: "4.14.1"}) / "node_modules" / AXE / "axe.min.js"
        await self.frame.evaluate(axe.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.frame.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {place['html']} {place['failureSummary']}"
            for violation in found["violations"]
            for place in violation["nodes"]
        ]

    async def overflow_px(self) -> int:
        """Return by how many pixels the page is wider than its frame."""
        return int(await self.frame.evaluate("document.documentElement.scrollWidth - innerWidth"))


@asynccontextmanager
async def looking(browser: Browser, *, width: int = 1200, scheme: str = "light") -> AsyncIterator[Look]:
    """Yield a new page, and assert at the end that it had no errors and no requests to other hosts."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]  # a literal there
        reduced_motion="reduce",
        locale="en-GB",
    )
    try:
        look = Look(await context.new_page())
        context.on("request", lambda request: look.asked.append(request.url))
        look.page.on("console", look.note)
        look.page.on("pageerror", lambda error: look.problems.append(str(error)))
        yield look
        look.check()
    finally:
        await context.close()
