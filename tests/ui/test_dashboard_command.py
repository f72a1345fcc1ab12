"""`runs-mcp dashboard` as a process: access, permitted requests, and opening the browser."""

import os
import stat
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from playwright.async_api import Browser, expect

from tests.calls import call
from tests.http_client import sdk_http_client
from tests.ui.conftest import Dashboard, dashboard_process
from tests.ui.open_page import Look, looking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PAGES = ("", "dashboard.html", "run.html")


@pytest.mark.parametrize("page", [*PAGES, "mcp"])
async def test_requests_without_the_cookie_are_refused(dashboard: Dashboard, page: str) -> None:
    async with sdk_http_client(base_url=dashboard.url) as stranger:
        assert (await stranger.get(page)).status_code == 403
        assert (await stranger.post(page)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param({"Origin": "https://example.com"}, 403, id="another site's page"),
        pytest.param({"Origin": "null"}, 403, id="a page without an origin"),
        pytest.param({"Host": "example.com"}, 421, id="another name for this machine"),
    ],
)
async def test_other_pages_cannot_call_the_dashboard(
    dashboard: Dashboard, headers: dict[str, str], refusal: int
) -> None:
    async with dashboard.http() as http:
        assert (await http.post("mcp", json={}, headers=headers)).status_code == refusal


async def test_the_printed_address_admits_a_single_browser(browser: Browser) -> None:
    async with dashboard_process("--sandbox") as address:
        async with looking(browser) as first:
            await first.page.goto(address)
            await expect(first.view.get_by_role("heading", name="Over time")).to_be_visible()
            assert "token" not in first.page.url
            await first.page.reload()
            await expect(first.view.get_by_role("heading", name="Over time")).to_be_visible()
        async with looking(browser) as second:
            answer = await second.page.goto(address)
            assert answer
            assert answer.status == 403
            second.problems.clear()  # the browser reports the status as an error


async def test_the_dashboard_only_reads(dashboard: Dashboard) -> None:
    async with dashboard.client() as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert names >= {"compute_run_facets", "search_runs", "get_run"}
    assert "create_run" not in names


@pytest.mark.parametrize("page", PAGES)
async def test_pages_are_neither_cached_nor_framed(dashboard: Dashboard, page: str) -> None:
    async with dashboard.http() as http:
        headers = (await http.get(page)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    if page:
        assert headers["content-security-policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
    else:
        assert headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_the_dashboard_can_open_on_a_run(look: Look, dashboard: Dashboard) -> None:
    async with dashboard.client() as client:
        run_id = (await call(client, "list_runs", limit=1)).structured["runs"][0]["id"]
    await dashboard.open(look, f"?run={run_id}")
    await expect(look.view.get_by_text(run_id)).to_be_visible()


async def test_the_browser_is_opened_on_a_private_file_that_leads_to_the_dashboard(
    tmp_path: Path, browser: Browser
) -> None:
    pipe, program = tmp_path / "pipe", tmp_path / "browser"
    os.mkfifo(pipe)
    program.write_text(f'#!/bin/sh\necho "$@" > {pipe}\n', encoding="utf-8")
    program.chmod(0o700)
    async with dashboard_process("--sandbox", "--run", "a run", browser=program) as address:
        arguments = (await anyio.Path(pipe).read_text(encoding="utf-8")).strip()
        file = anyio.Path(urlsplit(arguments).path)
        assert arguments == file.as_uri(), "the process list shows nothing else"
        assert stat.S_IMODE((await file.stat()).st_mode) == 0o600
        assert stat.S_IMODE((await file.parent.stat()).st_mode) == 0o700
        assert escape(address) in await file.read_text(encoding="utf-8")
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(arguments)
        await page.wait_for_url(f"{address.partition('?')[0]}?run=a+run")
        await expect(page.frame_locator("iframe").get_by_role("alert")).to_be_visible()
        await context.close()


async def test_a_page_reports_that_its_server_has_stopped(look: Look) -> None:
    async with dashboard_process("--sandbox") as address:
        await look.page.goto(address)
        await expect(look.view.get_by_text("All 200 runs")).to_be_visible()
    await look.view.get_by_role("button", name="Refresh").click()
    await expect(look.view.get_by_role("alert")).to_contain_text("not being served any more")
    await look.view.locator(".run-row").first.click()
    await expect(look.view.get_by_role("button", name="Try again")).to_be_visible()
    look.problems.clear()  # the browser reports refused connections as errors
