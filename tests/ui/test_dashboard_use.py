"""`runs-mcp dashboard` in use: search, filters, addresses, causes of failures, export, comparison and refreshes."""

import csv
import json
import re
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from playwright.async_api import Browser, Download, expect

from tests.calls import call
from tests.ui.conftest import Dashboard
from tests.ui.open_page import Look, looking

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ALL = "All 200 runs of the period."


async def opened(look: Look, dashboard: Dashboard, query: str = "") -> None:
    """Open the dashboard and wait until it has read everything."""
    await dashboard.open(look, query)
    await done(look)


async def done(look: Look) -> None:
    """Wait until everything has been read."""
    await expect(look.view.get_by_text(re.compile("^Updated"))).to_be_visible()
    await expect(look.view.locator("#answer")).to_have_attribute("aria-busy", "false")


def query_of(look: Look) -> dict[str, list[str]]:
    """Return the query of the address."""
    return parse_qs(urlsplit(look.page.url).query)


async def test_filters_and_period_are_in_the_address(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    await look.view.get_by_label("Period").select_option("7 days")
    await look.view.get_by_role("region", name="Tags").get_by_role("button", name="legal").click()
    await look.view.get_by_role("region", name="Models").get_by_role("button").first.click()
    await done(look)
    query = query_of(look)
    assert query["start"] == ["7d"]
    assert query["tags"] == ["legal"]
    shown = await look.view.locator(".run-row").all_inner_texts()
    await look.page.reload()
    await done(look)
    chips = look.view.get_by_label("Filters", exact=True)
    await expect(chips).to_contain_text("tags: legal")
    await expect(chips).to_contain_text(f"model: {query['model'][0]}")
    await expect(look.view.get_by_label("Period")).to_have_value("7d")
    assert await look.view.locator(".run-row").all_inner_texts() == shown


async def test_back_and_forward_move_between_filters_and_runs(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    await look.view.get_by_role("region", name="Status").get_by_role("button", name="failed").click()
    await expect(look.view.get_by_text("All 26 runs of the period.")).to_be_visible()
    await look.view.locator(".run-row").first.click()
    await expect(look.view.get_by_role("heading", name="Error")).to_be_visible()
    assert query_of(look).keys() == {"status", "run"}
    await look.page.go_back()
    await expect(look.view.get_by_text("All 26 runs of the period.")).to_be_visible()
    await look.page.go_back()
    await expect(look.view.get_by_text(ALL)).to_be_visible()
    await look.page.go_forward()
    await look.page.go_forward()
    await expect(look.view.get_by_role("heading", name="Error")).to_be_visible()


async def test_words_filter_runs_and_the_id_of_a_run_opens_it(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    await look.page.keyboard.press("/")
    box = look.view.get_by_role("searchbox")
    await expect(box).to_be_focused()
    await look.page.keyboard.type("contract")
    await look.page.keyboard.press("Enter")
    await expect(look.view.get_by_text(ALL)).not_to_be_visible()
    async with dashboard.client() as client:
        found = (await call(client, "search_runs", query="contract", start="30d", limit=100)).structured["runs"]
    await expect(look.view.get_by_text(f"All {len(found)} runs of the period.")).to_be_visible()
    assert query_of(look) == {"query": ["contract"]}
    await box.fill(found[0]["id"])
    await look.page.keyboard.press("Enter")
    await expect(look.view.get_by_role("heading", name="Parameters")).to_be_visible()
    await look.page.keyboard.press("Escape")
    await expect(look.view.locator(f'.run-row[data-key="{found[0]["id"]}"]')).to_be_focused()


async def test_a_search_without_runs_is_reported(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard, "?query=no+such+words")
    await expect(look.view.get_by_text("No runs match.")).to_be_visible()
    await look.screenshot("dashboard-empty")
    await look.view.get_by_role("button", name="Remove filter query").click()
    await expect(look.view.get_by_text(ALL)).to_be_visible()


async def test_failures_are_grouped_by_cause_and_lead_to_their_runs(look: Look, dashboard: Dashboard) -> None:
    async with dashboard.client() as client:
        groups = (await call(client, "aggregate_runs", by=["error"], start="30d")).structured["groups"]
    await opened(look, dashboard)
    causes = look.view.get_by_role("region", name="Failures by cause")
    for group in groups[:4]:
        cause = causes.get_by_role("button", name=group["by"]["error"])
        await expect(cause.locator(".number")).to_contain_text(str(group["runs"]))
    await expect(causes.get_by_role("button", name="timeout")).to_contain_text("The model timed out after 60 s.")
    await causes.get_by_role("button", name="timeout").click()
    await expect(look.view.get_by_role("heading", name="Runs that failed with timeout")).to_be_visible()
    await done(look)
    rows = await look.view.locator(".run-row").all_inner_texts()
    [expected] = [group["runs"] for group in groups if group["by"]["error"] == "timeout"]
    assert len(rows) == expected
    assert all("timeout: The model timed out" in row for row in rows)
    assert query_of(look) == {"error": ["timeout"]}
    facet = look.view.get_by_role("region", name="Models").get_by_role("button")
    assert sum(int(text.split()[-1]) for text in await facet.all_inner_texts()) == expected
    await look.screenshot("dashboard-cause")


async def test_costs_and_tokens_equal_those_of_aggregate_runs(look: Look, dashboard: Dashboard) -> None:
    async with dashboard.client() as client:
        measures = ["cost", "total_tokens"]
        total = (await call(client, "aggregate_runs", start="30d", measures=measures)).structured["total"]
    await opened(look, dashboard)
    await expect(look.view.locator(".figure", has_text="Cost")).to_contain_text(f"${total['cost']:.2g}")
    await expect(look.view.locator(".figure", has_text="Tokens")).to_contain_text(
        f"{total['total_tokens'] / 1000:.1f}k"
    )
    await expect(look.view.get_by_role("figure", name="Cost per day")).to_contain_text("estimated at list prices")


async def test_the_distribution_of_latency_has_every_run_of_each_model(look: Look, dashboard: Dashboard) -> None:
    async with dashboard.client() as client:
        measures = ["runs", "median_ms"]
        answer = await call(client, "aggregate_runs", by=["model"], start="30d", measures=measures)
        missing = answer.structured["total"]
    await opened(look, dashboard)
    chart = look.view.locator(".distribution")
    await expect(chart.locator(".strip")).to_have_count(len(answer.structured["groups"]))
    dots = await chart.locator(".dot").count()
    await expect(chart.locator(".readout")).to_contain_text(f"newest {dots} runs")
    assert dots <= missing["runs"]
    await look.view.get_by_label("Latency by model, as a table").click()
    rows = await look.view.get_by_role("region", name="Latency by model, table").get_by_role("row").all_inner_texts()
    medians = {row.split("\t")[0]: row.split("\t")[3] for row in rows[1:]}
    for group in answer.structured["groups"]:
        median = group["median_ms"]
        text = f"{median:.0f} ms" if median < 1000 else f"{float(f'{median / 1000:.1f}'):g} s"
        assert medians[group["by"]["model"]] == text


async def test_environments_that_share_a_name_are_distinguished(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    staging = look.view.get_by_role("region", name="Environments").get_by_role("button", name="Staging")
    names = [text.split("\n")[0].strip() for text in await staging.all_inner_texts()]
    assert len(set(names)) == 2
    await staging.first.click()
    await done(look)
    await expect(look.view.get_by_label("Filters", exact=True)).to_contain_text(f"environment: {names[0]}")
    assert all(names[0] in row for row in await look.view.locator(".run-row").all_inner_texts())


async def exported(look: Look, name: str) -> tuple[Download, str]:
    """Export the runs in the format `name`; return the download and its text."""
    async with look.page.expect_download() as download:
        await look.view.get_by_role("button", name=f"Export as {name}").click()
    file = anyio.Path(await (await download.value).path())
    return await download.value, (await file.read_bytes()).decode()


async def test_runs_are_exported_as_csv(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard, "?status=failed")
    download, text = await exported(look, "CSV")
    assert re.fullmatch(r"runs-\d{4}-\d\d-\d\d\.csv", download.suggested_filename)
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 26
    assert {row["status"] for row in rows} == {"failed"}
    async with dashboard.client() as client:
        [run] = (await call(client, "search_runs", status="failed", limit=1)).structured["runs"]
    [row] = [row for row in rows if row["id"] == run["id"]]
    assert row["error_message"] == run["error"]["message"]
    assert row["model"] == run["modelId"]


async def test_all_runs_are_exported_as_json_lines(look: Look, dashboard: Dashboard) -> None:
    await opened(look, dashboard)
    _, text = await exported(look, "JSON Lines")
    runs = [json.loads(line) for line in text.splitlines()]
    assert len({run["id"] for run in runs}) == 200
    async with dashboard.client() as client:
        newest = (await call(client, "search_runs", limit=1)).structured["runs"][0]
    assert runs[0] == newest


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_two_runs_are_compared(browser: Browser, dashboard: Dashboard, theme: str) -> None:
    async with looking(browser, scheme=theme) as look:
        await opened(look, dashboard, "?status=completed")
        boxes = look.view.get_by_role("checkbox")
        await boxes.nth(0).check()
        await expect(look.view.get_by_text("1 run chosen: choose another")).to_be_visible()
        await boxes.nth(2).press("Space")
        await expect(boxes.nth(2)).to_be_focused()
        await look.view.get_by_role("button", name="Compare", exact=True).click()
        table = look.view.get_by_role("region", name="Differences")
        await expect(table).to_contain_text("result")
        ids = query_of(look)["compare"]
        for run_id in ids:
            await expect(table.get_by_role("button", name=run_id)).to_be_visible()
        assert await look.accessibility_problems() == []
        await look.screenshot(f"comparison-{theme}")
        await look.page.reload()
        await expect(look.view.get_by_role("region", name="Differences")).to_be_visible()
        await look.view.get_by_role("button", name=ids[1]).click()
        await expect(look.view.get_by_role("heading", name="Parameters")).to_be_visible()
        await look.page.go_back()
        await expect(look.view.get_by_role("region", name="Differences")).to_be_visible()


async def test_the_dashboard_refreshes_unless_it_is_paused_or_hidden(look: Look, dashboard: Dashboard) -> None:
    await look.page.clock.install()
    await opened(look, dashboard)
    calls = "mcp"

    async def requests_within_a_minute() -> int:
        before = sum(url.endswith(calls) for url in look.asked)
        await look.page.clock.fast_forward(60_000)
        await done(look)
        return sum(url.endswith(calls) for url in look.asked) - before

    live = look.view.get_by_role("button", name="Live")
    await expect(live).to_have_attribute("aria-pressed", "true")
    async with look.page.expect_request(f"**/{calls}"):
        await look.page.clock.fast_forward(31_000)
    await done(look)
    await live.click()
    assert await requests_within_a_minute() == 0, "paused"
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')) }"
    await look.frame.evaluate(hide, True)
    await live.click()
    assert await requests_within_a_minute() == 0, "hidden"
    async with look.page.expect_request(f"**/{calls}"):
        await look.frame.evaluate(hide, False)
        await look.page.clock.fast_forward(1_000)
    await done(look)
