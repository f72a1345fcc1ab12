"""`runs-mcp dashboard` in a browser: it shows the data of the API and is accessible."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from runs_mcp.sandbox import SandboxOptions, running
from tests.calls import call
from tests.ui.conftest import Dashboard, admitted
from tests.ui.open_page import Look, looking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ALL = "All 200 runs of the period."
THEMES = ("light", "dark")
CONTROLS = "button, select, input, summary, [role=slider]"


async def opened(look: Look, dashboard: Dashboard, query: str = "") -> Look:
    """Open the dashboard and wait until it has read everything."""
    await dashboard.open(look, query)
    await expect(look.view.get_by_text(ALL)).to_be_visible()
    await expect(look.view.locator("#answer")).not_to_have_attribute("aria-busy", "true")
    return look


async def facet(look: Look, name: str) -> dict[str, int]:
    """Return the counts of one facet."""
    bars = look.view.get_by_role("region", name=name, exact=True).get_by_role("button")
    texts = [text.rsplit("\n", 1) for text in await bars.all_inner_texts()]
    return {value.strip(): int(count) for value, count in texts}


async def table(look: Look, title: str) -> list[list[str]]:
    """Return the rows of a chart shown as a table, without its head."""
    await look.view.get_by_label(f"{title}, as a table").click()
    rows = look.view.get_by_role("region", name=f"{title}, table").get_by_role("row")
    await rows.nth(1).wait_for()
    return [text.split("\t") for text in (await rows.all_inner_texts())[1:]]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [1900, 1200, 400])
async def test_the_dashboard_fits_and_is_accessible_in_both_themes(
    browser: Browser, dashboard: Dashboard, theme: str, width: int
) -> None:
    async with looking(browser, width=width, scheme=theme) as look:
        await opened(look, dashboard)
        assert await look.overflow_px() <= 0
        await look.screenshot(f"dashboard-{theme}-{width}")
        assert await look.accessibility_problems() == []
        await look.view.locator(".run-row", has_text="failed").first.click()
        await expect(look.view.get_by_role("heading", name="Parameters")).to_be_visible()
        assert await look.overflow_px() <= 0
        await look.screenshot(f"run-{theme}-{width}")
        assert await look.accessibility_problems() == []


async def test_counts_equal_those_of_the_api(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    statuses = await facet(look, "Status")
    assert sum(statuses.values()) == sum((await facet(look, "Models")).values()) == 200
    rows = await table(look, "Runs per day")
    assert 30 <= len(rows) <= 32
    for column, status in enumerate(("completed", "failed", "created"), start=1):
        assert sum(int(row[column]) for row in rows) == statuses[status]
    models = [row[0] for row in await table(look, "Latency by model")]
    assert set(models) == set(await facet(look, "Models"))
    await expect(look.view.locator(".figure", has_text="Failed")).to_contain_text(str(statuses["failed"]))


async def test_runs_over_time_are_split_by_status_model_or_environment(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    legend = look.view.get_by_role("figure", name="Runs per day").locator(".legend")
    await expect(legend).to_have_text("completedfailedcreated")
    for split, value in (("model", "gpt-4o-mini"), ("environment", "Bedrock EU")):
        await look.view.get_by_label("Runs by").select_option(split)
        await expect(legend).to_contain_text(value)


async def test_choosing_a_value_filters_everything_and_its_chip_removes_the_filter(
    look: Look, dashboard: Dashboard
) -> None:
    await opened(look, dashboard)
    failed = (await facet(look, "Status"))["failed"]
    await look.view.get_by_role("region", name="Status").get_by_role("button", name="failed").focus()
    await look.page.keyboard.press("Enter")
    await expect(look.view.get_by_text(f"All {failed} runs of the period.")).to_be_visible()
    await expect(look.view.locator(".facet-bar[aria-pressed=true]")).to_be_focused()
    assert await facet(look, "Status") == {"failed": failed}
    await expect(look.view.locator(".run-row .badge").first).to_have_text("failed")
    await look.view.get_by_role("button", name="Remove filter status: failed").click()
    await expect(look.view.get_by_text(ALL)).to_be_visible()


async def test_choosing_another_period_reads_its_runs(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    await look.view.get_by_label("Period").select_option("24 hours")
    await expect(look.view.get_by_role("heading", name="Runs per hour")).to_be_visible()
    await expect(look.view.get_by_text(ALL)).not_to_be_visible()


async def test_partial_data_is_marked_as_partial(look: Look, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    async with running(SandboxOptions(seed_runs=720)) as sandbox:
        auth = {"kind": "api_key", "value": "sk-sandbox-demo", "token_url": f"{sandbox.url}/auth/token"}
        api = {"base_url": f"{sandbox.url}/api/v1", "auth": auth}
        config.write_text(json.dumps({"api": api, "server": {"max_scan": 500}}), encoding="utf-8")
        async with admitted("--config", str(config)) as served:
            await served.open(look)
            await expect(look.view.get_by_text("are of the newest 500 of 720 runs")).to_be_visible()
            assert sum((await facet(look, "Status")).values()) == 720
            assert sum(int(cell) for row in await table(look, "Runs per day") for cell in row[1:]) == 500
            await look.page.goto("about:blank")  # stops the page before its server
        config.write_text(json.dumps({"api": api}), encoding="utf-8")
        async with admitted("--config", str(config)) as served:
            await served.open(look)
            await expect(look.view.get_by_text("All 720 runs of the period.")).to_be_visible()
            await look.page.goto("about:blank")


async def test_further_runs_are_listed_page_by_page(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    await expect(look.view.locator(".run-row")).to_have_count(25)
    await look.view.get_by_role("button", name="Show more").click()
    await expect(look.view.locator(".run-row")).to_have_count(50)


async def test_numbers_equal_those_of_aggregate_runs(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    async with dashboard.client() as client:
        answer = await call(client, "aggregate_runs", start="30d", measures=["median_ms", "total_tokens"])
    median_s = answer.structured["total"]["median_ms"] / 1_000
    await expect(look.view.locator(".figure", has_text="Median time")).to_contain_text(f"{median_s:.1f} s")


async def test_the_tab_key_reaches_every_control(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    await look.frame.evaluate(
        f"controls = [...document.querySelectorAll('{CONTROLS}')].filter(one => one.checkVisibility())"
    )
    count = await look.frame.evaluate("controls.length")
    reached = set()
    for _ in range(count):
        await look.page.keyboard.press("Tab")
        reached.add(await look.frame.evaluate("controls.indexOf(document.activeElement)"))
    assert reached == set(range(count))
    assert count > 60


async def test_arrow_keys_read_a_chart(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    chart = look.view.get_by_role("slider", name="Runs per day")
    await chart.focus()
    days = await chart.get_attribute("aria-valuemax")
    said = []
    for key in ("Home", "ArrowRight", "ArrowLeft", "ArrowLeft", "End"):
        await look.page.keyboard.press(key)
        said.append((await chart.get_attribute("aria-valuenow"), await chart.get_attribute("aria-valuetext")))
    assert [place for place, _ in said] == ["0", "1", "0", "0", days]
    assert said[0] == said[2] != said[1]
    await expect(look.view.get_by_role("figure", name="Runs per day").locator(".readout")).to_have_text(
        said[-1][1] or ""
    )


async def test_a_run_opens_and_closes_by_keyboard(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    run = look.view.locator(".run-row").nth(2)
    await run.focus()
    await look.page.keyboard.press("Enter")
    await expect(look.view.get_by_role("heading", name="Prompt")).to_be_visible()
    await expect(look.view.get_by_role("button", name="All runs")).to_be_focused()
    await look.page.keyboard.press("Enter")
    await expect(run).to_be_focused()


async def test_the_theme_changes_while_the_dashboard_is_open(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = await look.frame.evaluate(paper)
    await look.page.emulate_media(color_scheme="dark")
    await expect(look.view.locator("html")).to_have_attribute("data-theme", "dark")
    assert await look.frame.evaluate(paper) != light


async def test_every_request_stays_below_the_address_of_the_dashboard(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    assert {url.removeprefix(dashboard.url) for url in look.asked} == {"", "dashboard.html", "mcp"}
