"""`runs-mcp dashboard` as a process: who gets in, what can be done there, and how it is opened."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from mcp.client import Client
from playwright.async_api import expect

from tests.calls import call
from tests.http_client import http_client
from tests.ui.conftest import dashboard_process
from tests.ui.open_page import Look

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PAGES = ("", "dashboard.html", "run.html")


async def status(url: str, method: str = "GET", **headers: str) -> int:
    async with http_client() as client:
        return (await client.request(method, url, headers=headers)).status_code


@pytest.mark.parametrize("page", [*PAGES, "mcp"])
async def test_requests_without_the_secret_path_are_refused(dashboard: str, page: str) -> None:
    parts = urlsplit(dashboard)
    for path in (f"/{page}", f"/{'x' * (len(parts.path) - 2)}/{page}"):
        assert await status(f"{parts.scheme}://{parts.netloc}{path}") == 404


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param({"Origin": "https://example.com"}, 403, id="another site's page"),
        pytest.param({"Origin": "null"}, 403, id="a page without an origin"),
        pytest.param({"Host": "example.com"}, 421, id="another name for this machine"),
    ],
)
async def test_other_pages_cannot_call_the_dashboard(dashboard: str, headers: dict[str, str], refusal: int) -> None:
    assert await status(f"{dashboard}mcp", "POST", **{"Content-Type": "application/json"}, **headers) == refusal


async def test_the_dashboard_only_reads(dashboard: str) -> None:
    async with Client(f"{dashboard}mcp") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert names >= {"compute_run_facets", "search_runs", "get_run"}
    assert "create_run" not in names


@pytest.mark.parametrize("page", PAGES)
async def test_pages_are_neither_cached_nor_framed(dashboard: str, page: str) -> None:
    async with http_client() as client:
        headers = (await client.get(f"{dashboard}{page}")).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    if page:
        assert headers["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
    else:
        assert headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_the_dashboard_can_open_on_a_run(look: Look, dashboard: str) -> None:
    async with Client(f"{dashboard}mcp") as client:
        run_id = (await call(client, "list_runs", limit=1)).structured["runs"][0]["id"]
    await look.page.goto(f"{dashboard}?run={run_id}")
    await expect(look.view.get_by_text(run_id)).to_be_visible()


async def test_the_browser_is_opened_at_the_address_that_is_printed(tmp_path: Path) -> None:
    pipe, browser = tmp_path / "pipe", tmp_path / "browser"
    os.mkfifo(pipe)
    browser.write_text(f'#!/bin/sh\necho "$1" > {pipe}\n', encoding="utf-8")
    browser.chmod(0o700)
    async with dashboard_process("--sandbox", "--run", "a run", browser=browser) as url:
        assert (await anyio.Path(pipe).read_text(encoding="utf-8")).strip() == url
    assert url.endswith("/?run=a+run")


async def test_a_page_reports_that_its_server_has_stopped(look: Look) -> None:
    async with dashboard_process("--sandbox") as url:
        await look.page.goto(url)
        await expect(look.view.get_by_text("All 200 runs")).to_be_visible()
    await look.view.get_by_role("button", name="Refresh").click()
    await expect(look.view.get_by_role("alert")).to_contain_text("not being served any more")
    await look.view.locator(".run-row").first.click()
    await expect(look.view.get_by_role("button", name="Try again")).to_be_visible()
    look.problems.clear()  # the browser notes refused connections
